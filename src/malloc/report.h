/* SPDX-License-Identifier: MIT */
/*
 * What is said of a fault in malloc's memory, in modes only, before the program
 * does with the signal what it would have done (see actions.h).
 */
#ifndef SF_MALLOC_REPORT_H
#define SF_MALLOC_REPORT_H

#include <signal.h>
#include <ucontext.h>

#include "base/compiler.h"

/* Called by a handler: if the mode knows the address, say what it is. */
void sf_report_signal(const siginfo_t *info, const ucontext_t *context);

/* Whether the calling handler interrupted a report of its thread. */
bool sf_report_is_under_way(void);

/* Then, of a fault in it: the report ends, and its sf_report_signal() returns. */
SF_NORETURN void sf_report_break(void);

/* In a forked child: those of its parent's threads do not go on. */
void sf_report_fork_child(void);

/* A block, as far as a mode knows it. */
struct sf_report_block {
	uintptr_t addr;
	size_t size;
	bool is_used;
	bool is_new;	   /* never was: as far as that is known */
	bool is_near;	   /* not the block beside the address: the nearest */
	uint32_t taken_by; /* numbers of backtraces, see stacks.h */
	uint32_t freed_by;
};

/* Whether the program may touch addr, and has itself to thank for a fault. */
static inline bool sf_report_is_allowed(const struct sf_report_block *block,
					uintptr_t addr)
{
	return block->is_used && addr - block->addr < block->size;
}

/* Say where the fault's address lies in a block or beside it. */
void sf_report_fault(const struct sf_report_block *block, uintptr_t addr,
		     bool is_write);

/* Say that the call's address is no block in use, but this one, and abort(). */
SF_NORETURN void sf_report_misuse(const char *call, const void *addr,
				  const struct sf_report_block *block);

/*
 * After a line about misuse: print who allocated the block, who freed it, and
 * the caller's stack, then abort().
 */
SF_NORETURN void sf_report_abort(const struct sf_report_block *block);

#endif
