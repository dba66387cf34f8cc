// SPDX-License-Identifier: MIT
/* Counting, see count.h. */
#include "mmap/count.h"

struct sf_mmap_counters sf_mmap_counters;

void sf_mmap_count_live(size_t len)
{
	uint64_t live = atomic_fetch_add_explicit(
				&sf_mmap_counters.of[SF_MMAP_LIVE_LEN], len,
				memory_order_relaxed) +
			len;
	uint64_t peak = sf_mmap_counted(SF_MMAP_PEAK_LEN);

	while (SF_UNLIKELY(live > peak) &&
	       !atomic_compare_exchange_weak_explicit(
		       &sf_mmap_counters.of[SF_MMAP_PEAK_LEN], &peak, live,
		       memory_order_relaxed, memory_order_relaxed))
		;
}

void sf_mmap_count_released(size_t len)
{
	atomic_fetch_sub_explicit(&sf_mmap_counters.of[SF_MMAP_LIVE_LEN], len,
				  memory_order_relaxed);
	sf_mmap_count(SF_MMAP_RELEASED_LEN, len);
	sf_mmap_count(SF_MMAP_RELEASES, 1);
}
