/* SPDX-License-Identifier: MIT */
/*
 * fork(): the child gets the state between two operations. New operations wait
 * while those under way end; then every lock is held, the process forks, and
 * both sides let go.
 *
 * A signal handler may fork() that interrupted an operation of its own thread,
 * and so may another library's handler around fork(), while we hold our locks.
 * Here waiting would have no end, and others may wait for this thread with
 * locks of theirs. So nothing is locked then: the child gets the state as it
 * is. That of a process with one thread returns and finishes the operation. In
 * that of several, calls of other threads stay under way: it may call what
 * POSIX allows there, functions that are async-signal-safe, and not return.
 */
#ifndef SF_VM_FORK_H
#define SF_VM_FORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern _Atomic uint32_t sf_fork_freeze;

/* Whether a fork() waits for operations to end. */
static inline bool sf_fork_frozen(void)
{
	/*
	 * Relaxed: read under a region's lock, which fork() takes after setting
	 * it.
	 */
	return atomic_load_explicit(&sf_fork_freeze, memory_order_relaxed) != 0;
}

/* Sleep until the fork() is over. No lock may be held. */
void sf_fork_wait(void);

/* Register the handlers with libc. Later calls do nothing. */
void sf_fork_init(void);

/*
 * Whether the caller is in the process that it was in at the last fork() that
 * locked all: not in a child of vfork() or _Fork(), nor in one whose state is
 * as a signal handler found it.
 */
bool sf_fork_is_own_process(void);

/* Layers above, in the order in which they lock, before regions freeze. */
enum sf_fork_level {
	SF_FORK_THREADS,
	SF_FORK_PROFILE,
	SF_FORK_MODE,
	SF_FORK_MALLOC,
	SF_FORK_MMAP,
	SF_NR_FORK_LEVELS,
};

struct sf_fork_layer {
	void (*prepare)(void);
	void (*parent)(void);
	void (*child)(void);
	/* In a child that was forked with nothing locked. May be NULL. */
	void (*child_as_is)(void);
	/* This thread is inside, without a lock. May be NULL. */
	bool (*is_inside)(void);
};

/* Set one for good. Doing so again changes nothing. */
void sf_fork_set_layer(enum sf_fork_level level,
		       const struct sf_fork_layer *layer);

#endif
