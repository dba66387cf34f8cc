/* SPDX-License-Identifier: MIT */
/*
 * The stacks that the drop-in gives to threads, and when they may be given to
 * the next one:
 *
 *	taken      for a thread that is about to be made
 *	running    its thread is at work
 *	ended      its thread has run its destructors; the kernel still needs
 *	           the stack for a moment
 *	left       fork() left it behind: there is no such thread here
 *
 * The stack of a thread that was joined is free when the join has returned.
 * Nobody waits for a detached one: its stack is free when the kernel knows no
 * such thread any more. What is freed goes to vm/keep, to be taken up again.
 *
 * A stack is found by any address in it, as a pthread_t is. One lock protects
 * the table; nothing is called and no system call made under it. The records
 * are blocks of malloc, which needs no spare mapping. Whoever takes the lock
 * holds signals back: the child of a handler that forks must not find it held.
 */
#ifndef SF_PRELOAD_THREAD_STACKS_H
#define SF_PRELOAD_THREAD_STACKS_H

#include "vm/extent.h"

struct sf_thread_stack {
	/* Fixed when it is taken. */
	struct sf_extent body; /* guard pages beyond the first included */
	size_t guard_len;      /* what the thread was to have */
	void *(*fn)(void *arg);
	void *arg;

	/* Under the table's lock. */
	struct sf_thread_stack *next;	    /* in its bucket, or left */
	struct sf_thread_stack *next_ended; /* in the queue */
	bool detached;
	bool ended;

	/* Its thread's own, until it ended. */
	bool ending;
	size_t top_len; /* what has pages, below its end; 0: unknown */
	_Atomic int tid;
};

/* Have fork() leave the table in order. */
void sf_thread_stacks_init(void);

/*
 * Take a stack of len bytes with a guard of guard_len below, both rounded up
 * to pages. NULL: none to be had, or none with such a guard while must_guard.
 */
struct sf_thread_stack *sf_thread_stack_take(size_t len, size_t guard_len,
					     bool must_guard);

/* Where the len bytes begin. */
void *sf_thread_stack_addr(const struct sf_thread_stack *stack);

/* Its thread never was. */
void sf_thread_stack_drop(struct sf_thread_stack *stack);

/* Called by its thread, first and last. */
void sf_thread_stack_begin(struct sf_thread_stack *stack);
void sf_thread_stack_end(struct sf_thread_stack *stack);

/*
 * For a thread by its pthread_t; nothing happens when its stack is not ours.
 * Joined: it is gone. Detached: it will not be joined. The guard's length is
 * stored, and true returned, for one of ours.
 */
void sf_thread_stack_joined(uintptr_t thread);
void sf_thread_stack_detached(uintptr_t thread);
bool sf_thread_stack_guard(uintptr_t thread, size_t *guard_len);

/* Free some stacks of detached threads that are gone, and one that is left. */
void sf_thread_stacks_poll(void);

/* Whether this process was forked by one that was set up. */
bool sf_thread_stacks_forked(void);

#endif
