/* SPDX-License-Identifier: MIT */
/*
 * Counters of events that are rare, for surefree_stats(). What happens at
 * every call is counted in the regions, under their locks.
 */
#ifndef SF_VM_ACCOUNT_H
#define SF_VM_ACCOUNT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum sf_counter {
	SF_COUNT_MOVED,
	SF_COUNT_GUARDS_MISSING,
	SF_COUNT_HUGE_MISSING,
	SF_COUNT_REGIONS_REDUCED,
	SF_COUNT_REGIONS_REFUSED,
	SF_COUNT_COMMITS_REFUSED,
	SF_COUNT_VIEWS_REFUSED,
	SF_COUNT_VIEW_GAPS,
	SF_COUNT_STUCK,
	SF_COUNT_STUCK_LEN,
	SF_COUNT_RETAINED_REUSED,
	SF_COUNT_STACKS_REUSED,
	SF_COUNT_SAMPLES,
	SF_COUNT_SAMPLES_LOST,
	SF_COUNT_NR,
};

extern _Atomic uint64_t sf_counters[SF_COUNT_NR];

static inline void sf_count(enum sf_counter counter, uint64_t n)
{
	/* Relaxed: counters order nothing. */
	atomic_fetch_add_explicit(&sf_counters[counter], n,
				  memory_order_relaxed);
}

struct surefree_stats;

/* Fill in the whole struct; size is the caller's to set. */
void sf_account_collect(struct surefree_stats *out);

#endif
