// SPDX-License-Identifier: MIT
/* Trimming, see trim.h. */
#include "vm/trim.h"

#include "vm/keep.h"
#include "vm/release.h"
#include "vm/state.h"

/* Leaves worked on at a time, so that nobody waits long for their pages. */
#define MAX_LEAVES ((size_t)512)

static bool is_free_with_table(const struct sf_tree *tree, size_t leaf)
{
	return tree->level[0][leaf].max == 0 && tree->level[0][leaf].has_table;
}

/*
 * Take the next run of free leaves that have page tables, from leaf on. Returns
 * their number and stores where they start; 0 when there are no more.
 */
static size_t take_leaves(struct sf_region *region, size_t *leaf)
{
	struct sf_tree *tree = &region->tree;
	size_t nr = 0;
	size_t end;

	sf_region_lock(region);
	end = region->frontier / SF_LEAF_PAGES;
	while (*leaf < end && !is_free_with_table(tree, *leaf))
		(*leaf)++;
	while (*leaf + nr < end && nr < MAX_LEAVES &&
	       is_free_with_table(tree, *leaf + nr))
		nr++;
	if (nr == 0) {
		sf_region_unlock(region);
		return 0;
	}
	sf_tree_take_bare(tree, *leaf * SF_LEAF_PAGES, nr * SF_LEAF_PAGES);
	sf_region_unlock_busy(region);
	return nr;
}

/* Remove the markers and have the kernel free the empty page tables. */
static void give_tables_back(struct sf_region *region)
{
	struct sf_tree *tree = &region->tree;
	size_t leaf = 0;
	size_t nr;

	while ((nr = take_leaves(region, &leaf)) > 0) {
		size_t first = leaf * SF_LEAF_PAGES;
		size_t nr_pages = nr * SF_LEAF_PAGES;
		uintptr_t addr = sf_region_addr(region, first);
		size_t len = nr_pages << sf_page_shift;
		bool was_locked = false;
		bool unmarked = sf_page_unmark(addr, len) == 0;

		sf_release_pages(addr, len, &was_locked);
		sf_region_relock(region);
		if (!unmarked)
			sf_tree_set(tree, first, nr_pages, SF_MARKED);
		sf_tree_forget_tables(tree, first, nr_pages);
		sf_tree_give(tree, first, nr_pages);
		sf_region_unlock_idle(region);
		leaf += nr;
	}
}

size_t sf_trim(size_t keep_len)
{
	size_t released_len = sf_keep_trim(keep_len);
	size_t nr = sf_state_nr_regions();

	if (keep_len > 0)
		return released_len;
	for (size_t i = 0; i < nr; i++) {
		struct sf_region *region = sf_state_region(i);

		if (region->kind == SF_REGION_VIEW)
			continue;
		give_tables_back(region);
		sf_region_shrink(region);
	}
	return released_len;
}
