// SPDX-License-Identifier: MIT
/* Handing out pages; releasing them is in unmap.c. See extent.h. */
#include "vm/extent.h"

#include <errno.h>
#include <surefree.h>

#include "base/option.h"
#include "os/probe.h"
#include "vm/account.h"
#include "vm/pin.h"
#include "vm/room.h"
#include "vm/state.h"

/* Markers in free memory that are closer than this are removed in one call. */
#define JOIN_PAGES ((size_t)32)
#define MAX_RUNS   4

/* What to do to pages after they were taken, noted under the lock. */
struct todo {
	struct {
		size_t first;
		size_t nr;
	} marked[MAX_RUNS]; /* runs that may carry markers */
	unsigned nr_marked;
	bool head_table; /* the leaf of the first page has a page table */
	bool tail_table;
};

static bool traps_wanted(unsigned flags)
{
	return (flags & SUREFREE_NOTRAP) == 0 && sf_option(SF_OPTION_TRAP) &&
	       sf_probe_has(SF_FEATURE_GUARD);
}

/* Note a run of marked pages; joins it to the last one when close, or full. */
static void note_run(struct todo *todo, size_t first, size_t end)
{
	unsigned last = todo->nr_marked - 1;

	if (todo->nr_marked > 0) {
		size_t last_end = todo->marked[last].first +
				  todo->marked[last].nr;

		if (first - last_end <= JOIN_PAGES ||
		    todo->nr_marked == MAX_RUNS) {
			todo->marked[last].nr = end - todo->marked[last].first;
			return;
		}
	}
	todo->marked[todo->nr_marked].first = first;
	todo->marked[todo->nr_marked].nr = end - first;
	todo->nr_marked++;
}

static void note_marked(const struct sf_tree *tree, size_t first, size_t nr,
			struct todo *todo)
{
	size_t end = first + nr;
	size_t page = first;

	todo->nr_marked = 0;
	while ((page = sf_tree_next(tree, page, end, SF_MARKED, true)) < end) {
		size_t stop = sf_tree_next(tree, page, end, SF_MARKED, false);

		note_run(todo, page, stop);
		page = stop;
	}
}

/* Pages taken besides those handed out: before and after them. */
static size_t lead_of(unsigned flags)
{
	return (flags & (SUREFREE_GUARDED | SF_EXTENT_GAP)) != 0;
}

static size_t trail_of(unsigned flags)
{
	return (flags & SUREFREE_GUARDED) != 0;
}

/*
 * Make free pages live, those beside them only taken. Called under the lock,
 * with all of them free and accessible.
 */
static void take_locked(struct sf_region *region, size_t first, size_t nr,
			unsigned flags, struct todo *todo)
{
	struct sf_tree *tree = &region->tree;

	note_marked(tree, first, nr, todo);
	todo->head_table = sf_tree_has_table(tree, first);
	todo->tail_table = sf_tree_has_table(tree, first + nr - 1);
	if (lead_of(flags) > 0)
		sf_tree_take(tree, first - 1, 1);
	if (trail_of(flags) > 0)
		sf_tree_take(tree, first + nr, 1);
	sf_tree_take_live(tree, first, nr,
			  (flags & SUREFREE_NOTRAP) != 0 ? SF_QUIET : 0);
	region->nr_used += nr;
}

/* 0, -ENOSPC: no room here, or -errno: room, but it can't be committed. */
static int take_in_region(struct sf_region *region, size_t nr, size_t align,
			  unsigned flags, struct sf_extent *out,
			  struct todo *todo)
{
	size_t lead = lead_of(flags);
	size_t nr_all = lead + nr + trail_of(flags);

	for (;;) {
		size_t start;
		size_t ahead;
		int err;

		sf_region_lock(region);
		start = sf_room_find(region, nr_all, align, lead,
				     (flags & SF_EXTENT_ROOM) != 0);
		if (start == SF_NONE) {
			sf_region_unlock(region);
			return -ENOSPC;
		}
		if (start + nr_all <= region->frontier) {
			take_locked(region, start + lead, nr, flags, todo);
			region->nr_maps++;
			ahead = sf_region_low(region, start + nr_all);
			sf_region_unlock(region);
			if (SF_UNLIKELY(ahead > 0))
				sf_region_grow_ahead(region, ahead);
			*out = (struct sf_extent){ region, start + lead, nr };
			return 0;
		}
		sf_region_unlock(region);
		err = sf_region_grow(region, start + nr_all);
		if (err != 0 && (flags & SF_EXTENT_ROOM) == 0)
			return err;
		/* Room to grow is worth nothing that can't be committed. */
		if (err != 0)
			flags &= ~SF_EXTENT_ROOM;
	}
}

static int take(enum sf_region_kind kind, size_t nr, size_t align,
		unsigned flags, struct sf_extent *out, struct todo *todo)
{
	for (;;) {
		size_t seen = sf_state_nr_regions();
		int refused = 0;
		int err;

		for (size_t i = 0; i < seen; i++) {
			struct sf_region *region = sf_state_region(i);

			if (region->kind != kind)
				continue;
			err = take_in_region(region, nr, align, flags, out,
					     todo);
			if (err == 0)
				return 0;
			if (err != -ENOSPC)
				refused = err;
		}
		/* What can't be committed here can't be elsewhere. */
		if (refused != 0) {
			sf_count(SF_COUNT_COMMITS_REFUSED, 1);
			return refused;
		}
		err = sf_state_add_region(
			kind,
			lead_of(flags) + nr + trail_of(flags) +
				(align > sf_page_size ? align >> sf_page_shift :
							0),
			seen);
		if (err != 0)
			return err;
	}
}

/* Back into the tree; markers may be anywhere in it. */
static void undo(const struct sf_extent *extent, unsigned flags)
{
	struct sf_region *region = extent->region;
	size_t lead = lead_of(flags);

	sf_region_relock(region);
	sf_tree_set(&region->tree, extent->first, extent->nr, SF_MARKED);
	sf_tree_give(&region->tree, extent->first - lead,
		     lead + extent->nr + trail_of(flags));
	region->nr_used -= extent->nr;
	sf_region_unlock(region);
}

void sf_extent_forget_tables(const struct sf_extent *extent)
{
	sf_region_relock(extent->region);
	sf_tree_forget_tables(&extent->region->tree, extent->first, extent->nr);
	sf_region_unlock(extent->region);
}

static int unmark(const struct sf_extent *extent, const struct todo *todo)
{
	/* Pages that may carry markers do not where there are none. */
	unsigned nr = sf_probe_has(SF_FEATURE_GUARD) ? todo->nr_marked : 0;

	for (unsigned i = 0; i < nr; i++) {
		int err = sf_page_unmark(sf_region_addr(extent->region,
							todo->marked[i].first),
					 todo->marked[i].nr << sf_page_shift);

		if (err != 0)
			return err == -EINVAL ? -ENOMEM : err;
	}
	/*
	 * Empty page tables stand in the way of huge pages. Discarding all that
	 * they cover gives them back, where the kernel can.
	 */
	if (extent->region->kind == SF_REGION_HUGE) {
		sf_page_discard(sf_extent_addr(extent), sf_extent_len(extent));
		sf_extent_forget_tables(extent);
	}
	return 0;
}

/*
 * Have a page table at this page, so that releasing it can be marked. 0, or
 * -ENOMEM: the page carries a marker that can't be removed.
 */
static int make_table(struct sf_region *region, size_t page)
{
	uintptr_t addr = sf_region_addr(region, page);

	/* Refused on locked memory, which is never marked either. */
	if (sf_page_mark(addr, sf_page_size) != 0)
		return 0;
	if (sf_page_unmark(addr, sf_page_size) != 0)
		return -ENOMEM;
	sf_region_relock(region);
	sf_tree_note_tables(&region->tree, page, 1);
	sf_region_unlock(region);
	return 0;
}

/*
 * Releasing must not allocate, so page tables for the markers are made now,
 * once per leaf: later they are there already.
 */
static int make_tables(const struct sf_extent *extent, const struct todo *todo,
		       unsigned flags)
{
	size_t last = extent->first + extent->nr - 1;
	bool same = last / SF_LEAF_PAGES == extent->first / SF_LEAF_PAGES;
	int err = 0;

	if (SF_LIKELY(todo->head_table && todo->tail_table))
		return 0;
	if (extent->region->kind != SF_REGION_NORMAL &&
	    extent->region->kind != SF_REGION_MAP)
		return 0;
	if (!traps_wanted(flags))
		return 0;
	if (!todo->head_table)
		err = make_table(extent->region, extent->first);
	if (err == 0 && !todo->tail_table && !same)
		err = make_table(extent->region, last);
	return err;
}

static int mark_guard(uintptr_t addr)
{
	int err = sf_page_mark(addr, sf_page_size);

	return err == -EINVAL ? -ENOTSUP : err;
}

static int mark_guards(const struct sf_extent *extent)
{
	struct sf_region *region = extent->region;
	uintptr_t addr = sf_extent_addr(extent);
	/* Free pages may carry a marker; only marking makes it sure. */
	int err = mark_guard(addr - sf_page_size);

	if (err == 0)
		err = mark_guard(addr + sf_extent_len(extent));
	sf_region_relock(region);
	/* Also when one failed: the other may carry a marker. */
	sf_tree_set(&region->tree, extent->first - 1, 1, SF_MARKED);
	sf_tree_set(&region->tree, extent->first + extent->nr, 1, SF_MARKED);
	sf_region_unlock(region);
	return err;
}

/*
 * Lock what is handed out, after mlockall(). The kernel reads in up to the
 * first marker, so all of them are gone by now; and locked memory takes none,
 * so all guards are there.
 */
static void pin(const struct sf_extent *extent, const struct todo *todo)
{
	struct sf_region *region = extent->region;

	if (SF_LIKELY(!sf_region_is_pinned(region)))
		return;
	/*
	 * What was locked before is so still, but where a marker was, and among
	 * maps, where pages were replaced by others that are not.
	 */
	if (todo->nr_marked > 0 || region->kind == SF_REGION_MAP ||
	    extent->first + extent->nr >
		    atomic_load_explicit(&region->pinned, memory_order_relaxed))
		sf_pin_run(region, extent->first, extent->nr);
}

int sf_extent_map(enum sf_region_kind kind, size_t nr, size_t align,
		  unsigned flags, struct sf_extent *out)
{
	bool guarded = (flags & SUREFREE_GUARDED) != 0;
	struct todo todo = { 0 };
	int err;

	if (guarded &&
	    (!sf_probe_has(SF_FEATURE_GUARD) || !sf_option(SF_OPTION_TRAP)))
		return -ENOTSUP;
	err = take(kind, nr, align, flags, out, &todo);
	if (err != 0)
		return err;
	err = unmark(out, &todo);
	if (err == 0)
		err = make_tables(out, &todo, flags);
	if (err == 0 && guarded)
		err = mark_guards(out);
	if (err != 0) {
		undo(out, flags);
		return err;
	}
	if ((flags & SF_EXTENT_UNPINNED) == 0)
		pin(out, &todo);
	if ((flags & SUREFREE_POPULATE) != 0) {
		err = sf_page_populate(sf_extent_addr(out), sf_extent_len(out));
		if (err != 0)
			sf_extent_unmap("surefree_map", out);
	}
	return err;
}

/* Take the pages after a live extent if they are free and committed. */
static bool grow_locked(const struct sf_extent *extent, size_t nr_more,
			unsigned flags, struct todo *todo)
{
	struct sf_region *region = extent->region;
	size_t next = extent->first + extent->nr;

	if (next + nr_more > region->frontier)
		return false;
	take_locked(region, next, nr_more, flags & SUREFREE_NOTRAP, todo);
	return true;
}

/* sf_extent_grow(), not locked yet. */
static bool grow(const struct sf_extent *extent, size_t nr_more, unsigned flags,
		 struct todo *todo, int *err)
{
	struct sf_region *region = extent->region;
	size_t next = extent->first + extent->nr;
	struct sf_extent more = { region, next, nr_more };

	*err = 0;
	for (;;) {
		bool is_free;
		bool taken;

		sf_region_lock(region);
		is_free = next + nr_more <= region->nr_pages &&
			  sf_tree_free_after(&region->tree, next, nr_more) ==
				  nr_more;
		taken = is_free && grow_locked(extent, nr_more, flags, todo);
		sf_region_unlock(region);
		if (!is_free)
			return false;
		if (taken)
			break;
		*err = sf_region_grow(region, next + nr_more);
		/* It was cut meanwhile. */
		if (*err == -ENOSPC)
			*err = -ENOMEM;
		if (*err != 0)
			return false;
	}
	*err = unmark(&more, todo);
	if (*err == 0)
		*err = make_tables(&more, todo, flags);
	if (*err != 0)
		undo(&more, 0);
	return *err == 0;
}

bool sf_extent_grow(const struct sf_extent *extent, size_t nr_more,
		    unsigned flags, int *err)
{
	struct sf_extent more = { extent->region, extent->first + extent->nr,
				  nr_more };
	struct todo todo = { 0 };

	if (!grow(extent, nr_more, flags, &todo, err))
		return false;
	pin(&more, &todo);
	return true;
}

int sf_extent_map_at(const struct sf_extent *extent)
{
	struct sf_extent nothing = { extent->region, extent->first, 0 };
	struct todo todo = { 0 };
	int err;

	if (grow(&nothing, extent->nr, 0, &todo, &err))
		return 0;
	return err != 0 ? err : -EEXIST;
}

void sf_extent_revive(const struct sf_extent *extent, unsigned flags)
{
	struct sf_region *region = extent->region;
	unsigned planes = SF_LIVE;

	if ((flags & SUREFREE_NOTRAP) != 0)
		planes |= SF_QUIET;
	sf_region_relock(region);
	sf_tree_set(&region->tree, extent->first, extent->nr, planes);
	region->nr_used += extent->nr;
	region->nr_maps++;
	sf_region_unlock(region);
}
