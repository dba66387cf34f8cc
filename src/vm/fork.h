/* SPDX-License-Identifier: MIT */
/*
 * fork(): the child gets the state between two operations. New operations wait
 * while those under way end; then every lock is held, the process forks, and
 * both sides let go. Signals are held back from before the first lock until
 * after the last.
 *
 * A signal handler may fork() that interrupted an operation of its own thread.
 * That one can't end, and others may wait for it with locks of theirs. So
 * nothing is locked then: the child gets the state as it is. Returning from
 * the handler it finishes the operation; calls of other threads that were under
 * way stay so, and the child may call what POSIX allows in a child of several
 * threads: functions that are async-signal-safe.
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
	/* In a child forked with nothing locked. May be NULL. */
	void (*child_as_is)(void);
	/* This thread is inside, without a lock. May be NULL. */
	bool (*is_inside)(void);
};

/* For good. */
void sf_fork_set_layer(enum sf_fork_level level,
		       const struct sf_fork_layer *layer);

#endif
