// SPDX-License-Identifier: MIT
/* Reporting faults, see report.h. */
#include "malloc/report.h"

#include <setjmp.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "malloc/mode.h"
#include "malloc/stacks.h"
#include "os/context.h"
#include "os/lock.h"
#include "os/signals.h"
#include "os/sys.h"

/* Longer than a report takes; standard error may be read slowly. */
#define WAIT_SECONDS 5

/* What following the stack may take of one, and a fault meanwhile. */
#define DEEP_LEN 8192

/*
 * One report at a time. A child of vfork() may have been killed while at it, or
 * nobody reads what it writes: then others go on without.
 */
static struct sf_lock lock;
static _Atomic bool is_stuck;

/*
 * The report that this thread is at. A damaged stack makes it fault itself: it
 * is jumped out of the unwinder, which reads stacks without a lock.
 */
static _Thread_local struct {
	sigjmp_buf *end; /* where its own faults go; NULL: it is at none */
	int nr_faults;
	bool has_lock;
	long thread; /* a child has its parent's variables, or a copy */
} own __attribute__((tls_model("initial-exec")));

/* What a thread was told last: a handler may have it happen again. */
static _Thread_local struct {
	uintptr_t addr;
	uintptr_t pc;
} last __attribute__((tls_model("initial-exec")));

static long thread_number(void)
{
	return sf_sys(__NR_gettid, 0, 0, 0, 0, 0, 0);
}

bool sf_report_is_under_way(void)
{
	return own.end != NULL && own.thread == thread_number();
}

void sf_report_break(void)
{
	siglongjmp(*own.end, ++own.nr_faults);
}

void sf_report_fork_child(void)
{
	own.end = NULL;
	atomic_store_explicit(&is_stuck, false, memory_order_relaxed);
	sf_lock_reset(&lock);
}

/* A child of vfork() was killed in a report, with this thread's variables. */
static void clear(void)
{
	if (own.has_lock)
		sf_lock_release(&lock, SF_RANK_REPORT);
	own.has_lock = false;
	sf_stacks_was_left();
}

/* Relaxed: a thread that waits in vain, or not, is all that comes of it. */
static bool acquire(void)
{
	bool stuck = atomic_load_explicit(&is_stuck, memory_order_relaxed);
	bool done = sf_lock_acquire_within(&lock, SF_RANK_REPORT,
					   stuck ? 0 : WAIT_SECONDS);

	if (stuck == done)
		atomic_store_explicit(&is_stuck, !done, memory_order_relaxed);
	return done;
}

/* Whether there is room to follow it: alternate ones may be small. */
static bool is_deep(const stack_t *alternate)
{
	uintptr_t start = (uintptr_t)alternate->ss_sp;
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	return here - start >= alternate->ss_size || here - start >= DEEP_LEN;
}

static void explain(uintptr_t addr, const ucontext_t *context)
{
	uintptr_t pc = sf_context_pc(context);

	if (!sf_mode->explain(addr, sf_context_is_write(context)))
		return;
	last.addr = addr;
	last.pc = pc;
	if (is_deep(&context->uc_stack))
		sf_stacks_print_from("touched by", pc);
	else
		sf_stacks_print_pc("touched by", pc);
}

static void report(uintptr_t addr, const ucontext_t *context)
{
	sigjmp_buf end;

	switch (sigsetjmp(end, 0)) {
	case 0:
		if (own.end != NULL)
			clear();
		own.thread = thread_number();
		own.nr_faults = 0;
		own.end = &end;
		sf_signals_unblock_faults();
		if (!acquire()) {
			own.end = NULL;
			return;
		}
		own.has_lock = true;
		explain(addr, context);
		break;
	case 1:
		sf_stacks_was_left();
		sf_stacks_print_pc("touched by", sf_context_pc(context));
		sf_warn("    the stack can't be read");
		break;
	default:
		break;
	}
	own.has_lock = false;
	sf_lock_release(&lock, SF_RANK_REPORT);
	own.end = NULL;
}

void sf_report_signal(const siginfo_t *info, const ucontext_t *context)
{
	uintptr_t addr = (uintptr_t)info->si_addr;
	uint64_t mask;

	if (addr == last.addr && sf_context_pc(context) == last.pc)
		return;
	/* No handler shall leave the lock behind. */
	mask = sf_signals_block();
	report(addr, context);
	sf_signals_restore(mask);
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
