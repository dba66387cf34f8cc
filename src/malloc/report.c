// SPDX-License-Identifier: MIT
/*
 * Reporting faults, see report.h.
 *
 * A fault that is not ours goes to the handler that was there before us, as if
 * we were not. After a report that handler is restored and the instruction
 * repeated: what happens then is what would have happened.
 */
#include "malloc/report.h"

#include <signal.h>
#include <stdlib.h>

#include "base/log.h"
#include "malloc/mode.h"
#include "malloc/stacks.h"
#include "os/context.h"
#include "os/lock.h"
#include "os/sys.h"

static struct sigaction old_segv;
static struct sigaction old_bus;

/* One report at a time, by threads that do not fault while at it. */
static struct sf_lock lock;
static _Thread_local bool is_reporting
	__attribute__((tls_model("initial-exec")));

static struct sigaction *old_of(int signal_number)
{
	return signal_number == SIGSEGV ? &old_segv : &old_bus;
}

static bool has_handler(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) != 0 ||
	       (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static void call(const struct sigaction *action, int signal_number,
		 siginfo_t *info, void *context)
{
	if ((action->sa_flags & SA_SIGINFO) != 0)
		action->sa_sigaction(signal_number, info, context);
	else
		action->sa_handler(signal_number);
}

/* Whether a fault raised the signal, and no kill(). */
static bool is_fault(const siginfo_t *info)
{
	return info->si_code > 0 && info->si_code != SI_KERNEL;
}

static bool report(siginfo_t *info, const ucontext_t *context)
{
	bool explained;

	is_reporting = true;
	sf_lock_acquire(&lock, SF_RANK_REGION);
	explained = sf_mode->explain((uintptr_t)info->si_addr,
				     sf_context_is_write(context));
	if (explained)
		sf_stacks_print_from("touched by", sf_context_pc(context));
	sf_lock_release(&lock, SF_RANK_REGION);
	is_reporting = false;
	return explained;
}

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
	struct sigaction *old = old_of(signal_number);
	bool explained = false;

	if (is_fault(info) && !is_reporting)
		explained = report(info, context);
	if (!explained && has_handler(old)) {
		call(old, signal_number, info, context);
		return;
	}
	sigaction(signal_number, old, NULL);
	/* Nothing would repeat what somebody sent. */
	if (!is_fault(info))
		raise(signal_number);
}

void sf_report_init(void)
{
	struct sigaction action = { .sa_sigaction = on_fault,
				    .sa_flags = SA_SIGINFO | SA_ONSTACK };

	sigemptyset(&action.sa_mask);
	sigaction(SIGSEGV, &action, &old_segv);
	sigaction(SIGBUS, &action, &old_bus);
}

/*
 * Words
 */

static void print_stacks(const struct sf_report_block *block)
{
	sf_stacks_print("allocated by", block->taken_by);
	sf_stacks_print("freed by", block->freed_by);
}

void sf_report_fault(const struct sf_report_block *block, uintptr_t addr,
		     bool is_write)
{
	sf_warn("%s at %p: offset %zd of the block of %zu bytes at %p, %s",
		is_write ? "write" : "read", (void *)addr,
		(ssize_t)(addr - block->addr), block->size, (void *)block->addr,
		block->is_used ? "in use" : "already free");
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
		sf_warn("%s(%p): already free (a block of %zu bytes)", call,
			addr, block->size);
	sf_report_abort(block);
}
