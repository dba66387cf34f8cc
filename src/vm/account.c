// SPDX-License-Identifier: MIT
/* Collecting the statistics, see account.h. */
#include "vm/account.h"

#include <surefree.h>

#include "base/option.h"
#include "os/maps.h"
#include "os/probe.h"
#include "vm/keep.h"
#include "vm/retain.h"
#include "vm/state.h"

_Atomic uint64_t sf_counters[SF_COUNT_NR];

static uint64_t count_of(enum sf_counter counter)
{
	return atomic_load_explicit(&sf_counters[counter],
				    memory_order_relaxed);
}

static void add_region(struct sf_region *region, struct surefree_stats *out)
{
	size_t used_len;

	sf_lock_acquire(&region->grow, SF_RANK_GROW);
	out->metadata_len += region->metadata_len;
	sf_lock_release(&region->grow, SF_RANK_GROW);

	sf_region_lock(region);
	used_len = region->nr_used << sf_page_shift;
	out->reserved_len += region->end - region->start;
	out->nr_maps += region->nr_maps;
	out->nr_unmaps += region->nr_unmaps;
	out->released_len += region->nr_released_pages << sf_page_shift;
	out->nr_traps_skipped += region->nr_traps_skipped;
	out->nr_locked_releases += region->nr_locked_releases;
	if (region->kind == SF_REGION_VIEW) {
		/* Every view was mapped once and is not unmapped yet. */
		out->nr_views += region->nr_maps - region->nr_unmaps;
		out->view_len += used_len;
	} else {
		out->committed_len += region->frontier << sf_page_shift;
		out->used_len += used_len;
	}
	sf_region_unlock(region);
	out->nr_regions++;
	out->nr_mappings += SF_REGION_MAPPINGS;
	/* Metadata lies apart. */
	if (region->start > region->metadata)
		out->nr_mappings++;
}

static enum surefree_trap trap_state(void)
{
	if (!sf_probe_has(SF_FEATURE_GUARD))
		return SUREFREE_TRAP_OFF_KERNEL;
	if (!sf_option(SF_OPTION_TRAP))
		return SUREFREE_TRAP_OFF_OPTION;
	return SUREFREE_TRAP_ON;
}

static void add_counters(struct surefree_stats *out)
{
	out->nr_retained_reused = count_of(SF_COUNT_RETAINED_REUSED);
	out->nr_stacks_reused = count_of(SF_COUNT_STACKS_REUSED);
	out->nr_moved = count_of(SF_COUNT_MOVED);
	out->nr_guards_missing = count_of(SF_COUNT_GUARDS_MISSING);
	out->nr_huge_missing = count_of(SF_COUNT_HUGE_MISSING);
	out->nr_regions_reduced = count_of(SF_COUNT_REGIONS_REDUCED);
	out->nr_regions_refused = count_of(SF_COUNT_REGIONS_REFUSED);
	out->nr_commits_refused = count_of(SF_COUNT_COMMITS_REFUSED);
	out->nr_views_refused = count_of(SF_COUNT_VIEWS_REFUSED);
	out->nr_view_gaps = count_of(SF_COUNT_VIEW_GAPS);
	out->nr_stuck = count_of(SF_COUNT_STUCK);
	out->stuck_len = count_of(SF_COUNT_STUCK_LEN);
	out->nr_samples = count_of(SF_COUNT_SAMPLES);
	out->nr_samples_lost = count_of(SF_COUNT_SAMPLES_LOST);
}

void sf_account_collect(struct surefree_stats *out)
{
	size_t nr = sf_state_nr_regions();

	*out = (struct surefree_stats){ 0 };
	for (size_t i = 0; i < nr; i++)
		add_region(sf_state_region(i), out);
	out->nr_mappings += 2 * out->nr_views;
	out->retained_len = sf_retain_len();
	out->retained_peak_len = sf_retain_peak_len();
	out->nr_stacks_kept = sf_keep_nr_stacks();
	out->trap = trap_state();
	add_counters(out);
	if (sf_maps_page_tables(&out->page_table_len) != 0)
		out->page_table_len = 0;
}
