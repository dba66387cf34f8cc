// SPDX-License-Identifier: MIT
/* Counting runs of pages, see saved.h. */
#include "mmap/saved.h"

#include <stdatomic.h>
#include <stdint.h>

#include "base/compiler.h"
#include "os/signals.h"
#include "vm/extent.h"
#include "vm/state.h"

#define MIN_CALLS 1024 /* between two counts */
#define PART	  8    /* or a part of what was counted last */

/* Relaxed, all of them: statistics. */
static _Atomic size_t peak;
static _Atomic size_t nr_calls;
static _Atomic size_t wait_calls = MIN_CALLS;

/* Runs of accessible pages and of guards. */
static size_t count_runs(struct sf_region *region)
{
	const struct sf_tree *tree = &region->tree;
	size_t nr = 0;
	size_t page = 0;
	size_t end;

	sf_region_lock(region);
	end = region->frontier;
	while ((page = sf_tree_next(tree, page, end, SF_LIVE, true)) < end) {
		size_t stop = sf_tree_next(tree, page, end, SF_LIVE, false);

		for (; page < stop; nr++) {
			bool marked = sf_tree_planes(tree, page) & SF_MARKED;

			page = sf_tree_next(tree, page, stop, SF_MARKED,
					    !marked);
		}
	}
	sf_region_unlock(region);
	return nr;
}

size_t sf_mmap_saved(void)
{
	size_t nr_regions = sf_state_nr_regions();
	uint64_t signals = sf_signals_block();
	size_t nr = 0;
	size_t before;

	for (size_t i = 0; i < nr_regions; i++) {
		struct sf_region *region = sf_state_region(i);

		if (region->kind != SF_REGION_MAP)
			continue;
		nr += count_runs(region);
		nr -= sf_min(nr, SF_REGION_MAPPINGS);
	}
	sf_signals_restore(signals);
	before = atomic_load_explicit(&peak, memory_order_relaxed);
	while (nr > before &&
	       !atomic_compare_exchange_weak_explicit(&peak, &before, nr,
						      memory_order_relaxed,
						      memory_order_relaxed))
		;
	return nr;
}

size_t sf_mmap_saved_peak(void)
{
	return atomic_load_explicit(&peak, memory_order_relaxed);
}

void sf_mmap_saved_tick(void)
{
	size_t calls = atomic_fetch_add_explicit(&nr_calls, 1,
						 memory_order_relaxed) +
		       1;
	size_t wait = atomic_load_explicit(&wait_calls, memory_order_relaxed);

	/* Others go on meanwhile: one thread counts at a time, as a rule. */
	if (calls % wait != 0)
		return;
	wait = sf_max(sf_mmap_saved() / PART, MIN_CALLS);
	atomic_store_explicit(&wait_calls, wait, memory_order_relaxed);
	atomic_store_explicit(&nr_calls, 0, memory_order_relaxed);
}
