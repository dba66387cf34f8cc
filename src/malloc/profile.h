/* SPDX-License-Identifier: MIT */
/*
 * The heap profile: option "profile". While it is on all heaps are slow, so
 * that every call comes to the parts of malloc.c that take a lock; those ask
 * here. While it is off they find sf_profile_state 0, and the quick paths don't
 * even look.
 *
 * A thread counts down the bytes to its next sample: the distance is drawn from
 * an exponential distribution, so that a block of `size` bytes is sampled with
 * probability 1 - exp(-size / mean), whatever came before.
 *
 * A signal handler can do none of this. It sets SF_PROFILE_WANTED and makes all
 * heaps slow; the next call on any thread does the rest.
 *
 * Locks: CONTROL for switching, SAMPLES for the tables. Nothing is locked, and
 * no heap held, when a function of this file is called.
 */
#ifndef SF_MALLOC_PROFILE_H
#define SF_MALLOC_PROFILE_H

#include <stdatomic.h>

#include "base/compiler.h"

#define SF_PROFILE_ON	  1u
#define SF_PROFILE_WANTED 2u /* a signal came: switch */

extern _Atomic unsigned sf_profile_state;

static inline bool sf_profile_is_active(void)
{
	/* Relaxed: looked at again under the lock. */
	return SF_UNLIKELY(atomic_load_explicit(&sf_profile_state,
						memory_order_relaxed) != 0);
}

/* A block was allocated. To be called when sf_profile_is_active(). */
void sf_profile_took(void *block, size_t size);

/* A block is about to be freed; the same. */
void sf_profile_freed(void *block);

/*
 * surefree_set("profile", value): a file begins, or writes what there is and
 * goes on; "off" writes and ends. 0 or -errno. where as for sf_option_set().
 */
int sf_profile_set(const char *where, const char *value);

/* When the library is loaded: what the options ask for, and fork(). */
void sf_profile_start(void);

#endif
