/* SPDX-License-Identifier: MIT */
/*
 * A mutual exclusion lock on a futex. Works before main(), in static storage
 * that is all zeros, and can be made free again in a forked child. Locks are
 * taken in the order of their ranks; debug builds check it.
 */
#ifndef SF_OS_LOCK_H
#define SF_OS_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum sf_rank {
	SF_RANK_REPORT,	 /* what modes say of a fault */
	SF_RANK_THREADS, /* the drop-in's table of threads' stacks */
	SF_RANK_CONTROL, /* switching the heap profile */
	SF_RANK_SAMPLES, /* its tables */
	SF_RANK_MODE,	 /* what the modes of malloc note of blocks */
	SF_RANK_HEAPS,	 /* the list of malloc's heaps */
	SF_RANK_HEAP,	 /* a heap; several, in the order of the list */
	SF_RANK_POOL,	 /* the headers of malloc's slabs */
	SF_RANK_MMAP,	 /* what programs altered in their maps */
	SF_RANK_STATE,	 /* reserving a region, changing an option */
	SF_RANK_KEEP,	 /* a shard of the kept ranges */
	SF_RANK_GROW,	 /* a region's frontiers */
	SF_RANK_REGION,	 /* a region's metadata */
	SF_RANK_NR,
};

struct sf_lock {
	_Atomic uint32_t word; /* 0 free, 1 held, 2 held and waited for */
};

/*
 * Around fork() one thread holds all locks. For it they are free: handlers of
 * others that run meanwhile, on that thread, may call the library.
 */
void sf_lock_own_all(void);
void sf_lock_disown_all(void);
bool sf_lock_owns_all(void);

/*
 * What this thread has of locks, from before it asks for one until after it
 * let go, and of work that others wait for. A signal handler that finds some
 * has interrupted the library.
 */
extern _Thread_local unsigned sf_lock_depth
	__attribute__((tls_model("initial-exec")));

static inline void sf_lock_enter(void)
{
	sf_lock_depth++;
	atomic_signal_fence(memory_order_seq_cst);
}

static inline void sf_lock_leave(void)
{
	atomic_signal_fence(memory_order_seq_cst);
	sf_lock_depth--;
}

void sf_lock_acquire(struct sf_lock *lock, enum sf_rank rank);
void sf_lock_release(struct sf_lock *lock, enum sf_rank rank);

/* The same where its holder may have ended: false if it takes too long. */
bool sf_lock_acquire_within(struct sf_lock *lock, enum sf_rank rank,
			    unsigned seconds);

/* Make it free, in a child whose parent's other threads may have held it. */
void sf_lock_reset(struct sf_lock *lock);

/* Sleep until *word is no longer value; may return early. */
void sf_lock_wait(_Atomic uint32_t *word, uint32_t value);

/* Wake everyone who sleeps on word. */
void sf_lock_wake_all(_Atomic uint32_t *word);

#endif
