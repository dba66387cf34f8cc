/* SPDX-License-Identifier: MIT */
/*
 * Extents: contiguous pages of a region, handed out and released.
 *
 * Handing out is one critical section; markers are removed after it, when the
 * pages are ours. Releasing is two: in the first the pages stop being live (so
 * that a second release is caught at once), then the kernel gets them, and in
 * the second they become free.
 */
#ifndef SF_VM_EXTENT_H
#define SF_VM_EXTENT_H

#include "vm/region.h"
#include "vm/release.h"

struct sf_extent {
	struct sf_region *region;
	size_t first;
	size_t nr;
};

/*
 * Flags besides SUREFREE_*: leave as many addresses free behind it; take a page
 * before it too, which is never live; and don't lock it yet after mlockall(),
 * as locked memory takes no guard, but leave sf_pin_run() to the caller.
 */
#define SF_EXTENT_ROOM	   0x80000000u
#define SF_EXTENT_GAP	   0x40000000u
#define SF_EXTENT_UNPINNED 0x20000000u

/*
 * Map nr pages, the first at a multiple of align bytes. flags: SUREFREE_GUARDED
 * (takes a page more on either side), POPULATE, NOTRAP, and those above. 0 or
 * -errno.
 */
int sf_extent_map(enum sf_region_kind kind, size_t nr, size_t align,
		  unsigned flags, struct sf_extent *out);

/*
 * The extent of the caller's [addr, addr + len), len > 0 rounded up to pages.
 * Fatal, with the call's name, unless it lies in a region of this kind (view
 * or not) on page boundaries.
 */
void sf_extent_find(const char *call, const void *addr, size_t len, bool view,
		    struct sf_extent *out);

/* Lock the extent's region; fatal unless all its pages are live. */
void sf_extent_lock_live(const char *call, const struct sf_extent *extent);

/* Release a live extent. Cannot fail. */
void sf_extent_unmap(const char *call, const struct sf_extent *extent);

/*
 * A release in three steps, for callers who take whatever is live in a range:
 * the first run of live pages becomes taken only, and its region busy; what
 * sf_release() does; and the pages become free.
 */
struct sf_releasing {
	struct sf_extent extent; /* the run */
	unsigned planes; /* SF_MARKED, SF_QUIET: what any page of it had */
	struct sf_release release;
};

enum sf_run {
	SF_RUN_NONE,  /* no page of the range is live */
	SF_RUN_BEGUN, /* sf_extent_release_end() or _keep() must follow */
	SF_RUN_QUIET, /* nothing was done: the first live page is quiet */
};

/* A run's pages are alike in SF_QUIET. quiet: whether to begin with such. */
enum sf_run sf_extent_release_begin(const struct sf_extent *range, bool quiet,
				    struct sf_releasing *out);
void sf_extent_release_end(const struct sf_releasing *releasing);

/* End it with the pages taken: they can't be made whole at present. */
void sf_extent_release_keep(const struct sf_releasing *releasing);

/* Make kept pages free, once they are whole. */
void sf_extent_give(const struct sf_extent *extent);

/*
 * The first half of a release: a live extent becomes taken only, and its region
 * busy. sf_extent_end() must follow. Returns SF_MARKED when pages carried
 * markers, else 0.
 */
unsigned sf_extent_unlive(const char *call, const struct sf_extent *extent);

/*
 * The same for an extent that is taken already. Does not wait for fork(): the
 * caller holds a lock that fork() takes.
 */
void sf_extent_begin(const struct sf_extent *extent);

/* The operation that one of these began is over. */
void sf_extent_end(const struct sf_extent *extent);

/*
 * Release an extent that is taken and not live, within an operation on this
 * region or another. planes: SF_MARKED when its pages may carry markers.
 */
void sf_extent_release_kept(const struct sf_extent *extent, unsigned planes);

/*
 * Turn a live page that carries a marker into the guard page of the map before
 * it. A guard page behind it that nobody needs any more becomes free.
 */
void sf_extent_make_guard(const struct sf_extent *page);

/*
 * Make pages that are taken and not live the caller's again. Under a lock that
 * fork() takes.
 */
void sf_extent_revive(const struct sf_extent *extent, unsigned flags);

/* Take the free pages that follow a live extent. Whether they were free. */
bool sf_extent_grow(const struct sf_extent *extent, size_t nr_more,
		    unsigned flags, int *err);

/*
 * Map exactly these pages, for a caller who puts others in their place: they
 * are not locked. 0; -EEXIST when they aren't all free or lie beyond the
 * region; or -errno.
 */
int sf_extent_map_at(const struct sf_extent *extent);

/* Page tables that the extent covers whole may be gone: it was discarded. */
void sf_extent_forget_tables(const struct sf_extent *extent);

static inline uintptr_t sf_extent_addr(const struct sf_extent *extent)
{
	return sf_region_addr(extent->region, extent->first);
}

static inline size_t sf_extent_len(const struct sf_extent *extent)
{
	return extent->nr << sf_page_shift;
}

/* Pages that len bytes need. */
static inline size_t sf_extent_pages(size_t len)
{
	return (len >> sf_page_shift) + ((len & (sf_page_size - 1)) != 0);
}

#endif
