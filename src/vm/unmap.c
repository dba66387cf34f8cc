// SPDX-License-Identifier: MIT
/* Releasing extents: finding them, proving them, and giving them back. */
#include <errno.h>

#include "base/log.h"
#include "base/option.h"
#include "os/probe.h"
#include "vm/account.h"
#include "vm/extent.h"
#include "vm/keep.h"
#include "vm/release.h"
#include "vm/state.h"

void sf_extent_find(const char *call, const void *addr, size_t len, bool view,
		    struct sf_extent *out)
{
	uintptr_t at = (uintptr_t)addr;
	size_t nr = sf_extent_pages(len);
	struct sf_region *region;

	if ((at & (sf_page_size - 1)) != 0)
		sf_fatal("%s(%p, %zu): address is not on a page boundary (%zu)",
			 call, addr, len, sf_page_size);
	region = sf_state_find(at, nr << sf_page_shift);
	if (region == NULL || nr > SIZE_MAX >> sf_page_shift)
		sf_fatal("%s(%p, %zu): not mapped by surefree", call, addr,
			 len);
	if (region->kind == SF_REGION_HEAP)
		sf_fatal("%s(%p, %zu): memory of malloc; use free()", call,
			 addr, len);
	if (region->kind == SF_REGION_MAP)
		sf_fatal("%s(%p, %zu): memory of mmap(); use munmap()", call,
			 addr, len);
	if (view != (region->kind == SF_REGION_VIEW))
		sf_fatal("%s(%p, %zu): %s", call, addr, len,
			 view ? "not a file view" :
				"a file view; use surefree_unmap_file()");
	*out = (struct sf_extent){ region, sf_region_page(region, at), nr };
}

/* Say what is wrong with a page of the extent that is not live, and abort. */
SF_NORETURN static void not_live(const char *call,
				 const struct sf_extent *extent, size_t page)
{
	unsigned planes = sf_tree_planes(&extent->region->tree, page);
	const char *cause = "is not mapped, or already released";

	if (planes == (SF_TAKEN | SF_MARKED))
		cause = "is a guard page";
	sf_region_unlock(extent->region);
	sf_fatal("%s(%p, %zu): page %p %s", call,
		 (void *)sf_extent_addr(extent), sf_extent_len(extent),
		 (void *)sf_region_addr(extent->region, page), cause);
}

void sf_extent_lock_live(const char *call, const struct sf_extent *extent)
{
	size_t end = extent->first + extent->nr;
	size_t page;

	sf_region_lock(extent->region);
	page = sf_tree_next(&extent->region->tree, extent->first, end, SF_LIVE,
			    false);
	if (SF_UNLIKELY(page != end))
		not_live(call, extent, page);
}

/*
 * Lock the region and make the extent's pages taken only; fatal unless they
 * are live. Returns which of SF_QUIET and SF_MARKED any had.
 */
static unsigned unlive_locked(const char *call, const struct sf_extent *extent)
{
	unsigned planes = 0;
	size_t page;

	sf_region_lock(extent->region);
	page = sf_tree_unlive(&extent->region->tree, extent->first, extent->nr,
			      &planes);
	if (SF_UNLIKELY(page != SF_NONE))
		not_live(call, extent, page);
	return planes;
}

/* Fill in what the ladder must know. Called under the lock. */
static void prepare_locked(const struct sf_extent *extent, bool trap,
			   struct sf_release *release)
{
	const struct sf_tree *tree = &extent->region->tree;
	size_t last = extent->first + extent->nr - 1;

	*release = (struct sf_release){
		.addr = sf_extent_addr(extent),
		.len = sf_extent_len(extent),
		.table_len = SF_LEAF_PAGES << sf_page_shift,
		.trap = trap && sf_option(SF_OPTION_TRAP) &&
			sf_probe_has(SF_FEATURE_GUARD),
		.locked = sf_region_is_pinned(extent->region),
		.mark_first = extent->region->kind == SF_REGION_HUGE,
		.head_table = sf_tree_has_table(tree, extent->first),
		.tail_table = sf_tree_has_table(tree, last),
	};
}

/*
 * Note which pages carry markers now and which leaves have page tables: those
 * with a marker do, those discarded whole may have lost theirs.
 */
static void note_marks_locked(const struct sf_extent *extent,
			      const struct sf_release *release)
{
	struct sf_tree *tree = &extent->region->tree;
	size_t first = extent->first;
	size_t last = first + extent->nr - 1;

	if (release->marked_all) {
		sf_tree_set(tree, first, extent->nr, SF_MARKED);
		if (!release->trap_skipped)
			sf_tree_note_tables(tree, first, extent->nr);
		return;
	}
	sf_tree_forget_tables(tree, first, extent->nr);
	if (release->marked_head) {
		sf_tree_set(tree, first, 1, SF_MARKED);
		sf_tree_note_tables(tree, first, 1);
	}
	if (release->marked_tail) {
		sf_tree_set(tree, last, 1, SF_MARKED);
		sf_tree_note_tables(tree, last, 1);
	}
}

static bool is_guard_page(const struct sf_tree *tree, size_t page)
{
	return sf_tree_planes(tree, page) == (SF_TAKEN | SF_MARKED);
}

/* A guard page goes when neither neighbour needs it: free, or a guard too. */
static void give_guard_locked(struct sf_tree *tree, size_t page, size_t other)
{
	if (is_guard_page(tree, page) &&
	    ((sf_tree_planes(tree, other) & SF_TAKEN) == 0 ||
	     is_guard_page(tree, other)))
		sf_tree_give(tree, page, 1);
}

static void give_guards_locked(const struct sf_extent *extent)
{
	struct sf_tree *tree = &extent->region->tree;
	size_t end = extent->first + extent->nr;

	if (extent->first > 0)
		give_guard_locked(tree, extent->first - 1,
				  extent->first > 1 ? extent->first - 2 :
						      SF_NONE);
	give_guard_locked(tree, end, end + 1);
}

void sf_extent_make_guard(const struct sf_extent *page)
{
	struct sf_region *region = page->region;

	sf_region_lock(region);
	sf_tree_clear(&region->tree, page->first, 1, SF_LIVE | SF_QUIET);
	region->nr_used--;
	give_guard_locked(&region->tree, page->first + 1, page->first + 2);
	sf_region_unlock(region);
}

/* The second critical section. planes: SF_MARKED as before the release. */
static void finish(const struct sf_extent *extent, unsigned planes,
		   const struct sf_release *release)
{
	struct sf_region *region = extent->region;

	sf_region_relock(region);
	if ((planes & SF_MARKED) != 0)
		sf_tree_set(&region->tree, extent->first, extent->nr,
			    SF_MARKED);
	note_marks_locked(extent, release);
	region->nr_released_pages += extent->nr;
	region->nr_traps_skipped += release->trap_skipped;
	region->nr_locked_releases += release->was_locked;
	if (SF_UNLIKELY(release->stuck)) {
		/* Taken for ever: nobody gets memory that is not zero. */
		sf_count(SF_COUNT_STUCK, 1);
		sf_count(SF_COUNT_STUCK_LEN, release->len);
		/* Nor may it look like a guard page. */
		sf_tree_clear(&region->tree, extent->first, extent->nr,
			      SF_MARKED);
	} else {
		sf_tree_give(&region->tree, extent->first, extent->nr);
		give_guards_locked(extent);
	}
	sf_region_unlock_idle(region);
}

/* Whether a guard page of ours lies beside the extent. */
static bool has_guard_beside(const struct sf_extent *extent)
{
	const struct sf_tree *tree = &extent->region->tree;

	return (extent->first > 0 && is_guard_page(tree, extent->first - 1)) ||
	       is_guard_page(tree, extent->first + extent->nr);
}

void sf_extent_unmap(const char *call, const struct sf_extent *extent)
{
	struct sf_region *region = extent->region;
	struct sf_release release;
	unsigned planes = unlive_locked(call, extent);
	bool keepable = sf_option(SF_OPTION_RETAIN) > 0 &&
			region->kind == SF_REGION_NORMAL &&
			(planes & SF_MARKED) == 0 && !has_guard_beside(extent);

	region->nr_used -= extent->nr;
	region->nr_unmaps++;
	prepare_locked(extent, (planes & SF_QUIET) == 0, &release);
	sf_region_unlock_busy(region);

	if (keepable && sf_keep_put_range(extent)) {
		sf_extent_end(extent);
		return;
	}
	sf_release(&release);
	finish(extent, planes, &release);
}

unsigned sf_extent_unlive(const char *call, const struct sf_extent *extent)
{
	struct sf_region *region = extent->region;
	unsigned planes = unlive_locked(call, extent);

	region->nr_used -= extent->nr;
	region->nr_unmaps++;
	sf_region_unlock_busy(region);
	return planes & SF_MARKED;
}

void sf_extent_begin(const struct sf_extent *extent)
{
	sf_region_relock(extent->region);
	sf_region_unlock_busy(extent->region);
}

void sf_extent_end(const struct sf_extent *extent)
{
	sf_region_relock(extent->region);
	sf_region_unlock_idle(extent->region);
}

void sf_extent_release_kept(const struct sf_extent *extent, unsigned planes)
{
	struct sf_release release;

	sf_region_relock(extent->region);
	prepare_locked(extent, true, &release);
	sf_region_unlock_busy(extent->region);
	sf_release(&release);
	finish(extent, planes, &release);
}

/*
 * Whatever is live in a range
 */

/* The first run of live pages that are alike in SF_QUIET; nr 0: none. */
static struct sf_extent live_run_locked(const struct sf_extent *range,
					bool *is_quiet)
{
	const struct sf_tree *tree = &range->region->tree;
	size_t end = range->first + range->nr;
	size_t first = sf_tree_next(tree, range->first, end, SF_LIVE, true);
	size_t stop = sf_tree_next(tree, first, end, SF_LIVE, false);

	*is_quiet = first < end &&
		    (sf_tree_planes(tree, first) & SF_QUIET) != 0;
	stop = sf_tree_next(tree, first, stop, SF_QUIET, !*is_quiet);
	return (struct sf_extent){ range->region, first, stop - first };
}

enum sf_run sf_extent_release_begin(const struct sf_extent *range, bool quiet,
				    struct sf_releasing *out)
{
	struct sf_region *region = range->region;
	bool is_quiet;

	sf_region_lock(region);
	out->extent = live_run_locked(range, &is_quiet);
	if (out->extent.nr == 0 || (is_quiet && !quiet)) {
		sf_region_unlock(region);
		return is_quiet ? SF_RUN_QUIET : SF_RUN_NONE;
	}
	sf_tree_unlive(&region->tree, out->extent.first, out->extent.nr,
		       &out->planes);
	region->nr_used -= out->extent.nr;
	region->nr_unmaps++;
	prepare_locked(&out->extent, true, &out->release);
	sf_region_unlock_busy(region);
	return SF_RUN_BEGUN;
}

void sf_extent_release_end(const struct sf_releasing *releasing)
{
	finish(&releasing->extent, releasing->planes, &releasing->release);
}

void sf_extent_release_keep(const struct sf_releasing *releasing)
{
	sf_region_relock(releasing->extent.region);
	releasing->extent.region->nr_released_pages += releasing->extent.nr;
	sf_region_unlock_idle(releasing->extent.region);
}

void sf_extent_give(const struct sf_extent *extent)
{
	struct sf_region *region = extent->region;

	sf_region_relock(region);
	sf_tree_forget_all_tables(&region->tree, extent->first, extent->nr);
	/* Markers may be anywhere in it. */
	sf_tree_set(&region->tree, extent->first, extent->nr, SF_MARKED);
	sf_tree_give(&region->tree, extent->first, extent->nr);
	sf_region_unlock(region);
}
