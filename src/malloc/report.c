// SPDX-License-Identifier: MIT
/* Reporting faults, see report.h. */
#include "malloc/report.h"

#include <stdlib.h>

#include "base/log.h"
#include "malloc/mode.h"
#include "malloc/stacks.h"
#include "os/context.h"
#include "os/lock.h"
#include "os/signals.h"

/* One report at a time, by threads that do not fault while at it. */
static struct sf_lock lock;
static _Thread_local bool is_reporting
	__attribute__((tls_model("initial-exec")));

/* What a thread was told last: a handler may have it happen again. */
static _Thread_local struct {
	uintptr_t addr;
	uintptr_t pc;
} last __attribute__((tls_model("initial-exec")));

void sf_report_signal(const siginfo_t *info, const ucontext_t *context)
{
	uintptr_t addr = (uintptr_t)info->si_addr;
	uintptr_t pc = sf_context_pc(context);
	uint64_t mask;

	if (is_reporting || (addr == last.addr && pc == last.pc))
		return;
	is_reporting = true;
	/* No handler shall leave the lock behind. */
	mask = sf_signals_block();
	sf_lock_acquire(&lock, SF_RANK_REGION);
	if (sf_mode->explain(addr, sf_context_is_write(context))) {
		sf_stacks_print_from("touched by", pc);
		last.addr = addr;
		last.pc = pc;
	}
	sf_lock_release(&lock, SF_RANK_REGION);
	sf_signals_restore(mask);
	is_reporting = false;
}

/*
 * Words
 */

static void print_stacks(const struct sf_report_block *block)
{
	sf_stacks_print("allocated by", block->taken_by);
	sf_stacks_print("freed by", block->freed_by);
}

static const char *state_of(const struct sf_report_block *block)
{
	if (block->is_used)
		return "in use";
	return block->is_new ? "never allocated" : "already free";
}

void sf_report_fault(const struct sf_report_block *block, uintptr_t addr,
		     bool is_write)
{
	sf_warn("%s at %p: offset %zd of the block of %zu bytes at %p, %s",
		is_write ? "write" : "read", (void *)addr,
		(ssize_t)(addr - block->addr), block->size, (void *)block->addr,
		state_of(block));
	if (block->is_near)
		sf_warn("  the nearest in use before the guard, which is %zu "
			"bytes beyond its end",
			addr - (block->addr + block->size));
	print_stacks(block);
}

void sf_report_abort(const struct sf_report_block *block)
{
	print_stacks(block);
	sf_stacks_print("called by", sf_stacks_take());
	abort();
}

void sf_report_misuse(const char *call, const void *addr,
		      const struct sf_report_block *block)
{
	if ((uintptr_t)addr != block->addr)
		sf_warn("%s(%p): not the start of a block, but offset %zd of "
			"one of %zu bytes",
			call, addr, (ssize_t)((uintptr_t)addr - block->addr),
			block->size);
	else
		sf_warn("%s(%p): %s (a block of %zu bytes)", call, addr,
			state_of(block), block->size);
	sf_report_abort(block);
}
