// SPDX-License-Identifier: MIT
/*
 * The futex lock of Ulrich Drepper's "Futexes Are Tricky", third version: the
 * uncontended paths are one atomic operation each and make no system call.
 */
#include "os/lock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <time.h>

#include "base/log.h"
#include "os/sys.h"

#ifdef SF_DEBUG
static _Thread_local unsigned held_ranks;
static void rank_enter(enum sf_rank rank)
{
	/* Several regions are locked together only around fork(). */
	sf_assert((held_ranks >> (rank + 1)) == 0);
	held_ranks |= 1u << rank;
}
static void rank_leave(enum sf_rank rank)
{
	held_ranks &= ~(1u << rank);
}
#else
static void rank_enter(enum sf_rank rank)
{
	(void)rank;
}
static void rank_leave(enum sf_rank rank)
{
	(void)rank;
}
#endif

_Thread_local unsigned sf_lock_depth __attribute__((tls_model("initial-exec")));

void sf_lock_wait(_Atomic uint32_t *word, uint32_t value)
{
	sf_sys(__NR_futex, (long)word, FUTEX_WAIT_PRIVATE, (long)value, 0, 0,
	       0);
}

void sf_lock_wake_all(_Atomic uint32_t *word)
{
	sf_sys(__NR_futex, (long)word, FUTEX_WAKE_PRIVATE, INT_MAX, 0, 0, 0);
}

static void acquire_contended(struct sf_lock *lock)
{
	/* Acquire: pairs with the release in sf_lock_release(). */
	while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) !=
	       0)
		sf_lock_wait(&lock->word, 2);
}

/* The thread that holds all locks, or 0. */
static _Atomic uintptr_t owner;

/* Relaxed, all three: only the thread itself can find itself here. */
void sf_lock_own_all(void)
{
	atomic_store_explicit(&owner, sf_arch_thread(), memory_order_relaxed);
}

void sf_lock_disown_all(void)
{
	atomic_store_explicit(&owner, 0, memory_order_relaxed);
}

bool sf_lock_owns_all(void)
{
	uintptr_t thread = atomic_load_explicit(&owner, memory_order_relaxed);

	return SF_UNLIKELY(thread != 0) && thread == sf_arch_thread();
}

void sf_lock_acquire(struct sf_lock *lock, enum sf_rank rank)
{
	uint32_t expected = 0;

	if (sf_lock_owns_all())
		return;
	sf_lock_enter();
	rank_enter(rank);
	if (SF_UNLIKELY(!atomic_compare_exchange_strong_explicit(
		    &lock->word, &expected, 1, memory_order_acquire,
		    memory_order_relaxed)))
		acquire_contended(lock);
}

void sf_lock_release(struct sf_lock *lock, enum sf_rank rank)
{
	if (sf_lock_owns_all())
		return;
	rank_leave(rank);
	/* Release: pairs with the acquires above. */
	if (SF_UNLIKELY(atomic_exchange_explicit(&lock->word, 0,
						 memory_order_release) == 2))
		sf_sys(__NR_futex, (long)&lock->word, FUTEX_WAKE_PRIVATE, 1, 0,
		       0, 0);
	sf_lock_leave();
}

static bool acquire_until(struct sf_lock *lock, const struct timespec *end)
{
	long result = 0;

	/* Acquire: pairs with the release in sf_lock_release(). */
	while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) !=
	       0) {
		if (result == -ETIMEDOUT)
			return false;
		result = sf_sys(__NR_futex, (long)&lock->word,
				FUTEX_WAIT_BITSET_PRIVATE, 2, (long)end, 0,
				(long)FUTEX_BITSET_MATCH_ANY);
	}
	return true;
}

bool sf_lock_acquire_within(struct sf_lock *lock, enum sf_rank rank,
			    unsigned seconds)
{
	struct timespec end;

	if (sf_lock_owns_all())
		return true;
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	sf_lock_enter();
	rank_enter(rank);
	if (acquire_until(lock, &end))
		return true;
	rank_leave(rank);
	sf_lock_leave();
	return false;
}

void sf_lock_reset(struct sf_lock *lock)
{
	/* Relaxed: there is one thread. */
	atomic_store_explicit(&lock->word, 0, memory_order_relaxed);
}
