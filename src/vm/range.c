// SPDX-License-Identifier: MIT
/*
 * Operations on live pages, see range.h.
 *
 * A range that must move is copied, page by page where a page was touched, and
 * the source is released as the copy goes on, so that memory is needed twice
 * for one piece only. The kernel could move the pages themselves (mremap), but
 * needs four to six spare mappings for it, and the moved pages would stay a
 * mapping of their own for life: their offset within the mapping no longer
 * fits their neighbours'. See docs/design.md for the measurement.
 */
#include "vm/range.h"

#include <errno.h>
#include <string.h>
#include <surefree.h>

#include "base/log.h"
#include "base/option.h"
#include "os/probe.h"
#include "vm/account.h"
#include "vm/pin.h"
#include "vm/release.h"

/* Up to here zeroing all costs less than asking what was touched. */
#define ZERO_ALL_LEN ((size_t)64 << 10)
#define ZERO_PAGES   ((size_t)1024) /* asked about at a time */

/* Pages copied before their source is released. */
#define COPY_PAGES ((size_t)512)

void sf_range_discard(const char *call, const struct sf_extent *extent)
{
	struct sf_region *region = extent->region;
	bool was_locked = false;
	bool released;

	sf_extent_lock_live(call, extent);
	/* Page tables that are covered whole may go too. */
	sf_tree_forget_tables(&region->tree, extent->first, extent->nr);
	region->nr_released_pages += extent->nr;
	sf_region_unlock(region);

	released = sf_release_pages(sf_extent_addr(extent),
				    sf_extent_len(extent), &was_locked);
	if (SF_UNLIKELY(!released)) {
		/* Sealed or unmapped by others: at least the contents go. */
		sf_count(SF_COUNT_STUCK, 1);
		sf_count(SF_COUNT_STUCK_LEN, sf_extent_len(extent));
	}
	if (SF_UNLIKELY(was_locked)) {
		sf_region_lock(region);
		region->nr_locked_releases++;
		sf_region_unlock(region);
	}
}

/* The first page from i on, of nr, that is or is not resident. */
static size_t next_resident(const unsigned char *vec, size_t i, size_t nr,
			    unsigned resident)
{
	while (i < nr && (vec[i] & 1u) != resident)
		i++;
	return i;
}

/* Zero up to ZERO_PAGES pages: write what is resident, discard the rest. */
static void zero_part(uintptr_t addr, size_t nr)
{
	unsigned char vec[ZERO_PAGES];
	bool was_locked = false;
	size_t start;
	size_t end;

	if (sf_page_residency(addr, nr << sf_page_shift, vec) != 0) {
		memset((void *)addr, 0, nr << sf_page_shift);
		return;
	}
	for (start = 0; start < nr; start = end) {
		uintptr_t at = addr + (start << sf_page_shift);
		unsigned resident = vec[start] & 1u;
		size_t len;

		end = next_resident(vec, start, nr, !resident);
		len = (end - start) << sf_page_shift;
		/* What is not resident may be swapped out, and not zero. */
		if (resident || !sf_release_pages(at, len, &was_locked))
			memset((void *)at, 0, len);
	}
}

void sf_range_zero(const struct sf_extent *extent)
{
	uintptr_t addr = sf_extent_addr(extent);
	size_t nr;

	if (sf_extent_len(extent) <= ZERO_ALL_LEN) {
		memset((void *)addr, 0, sf_extent_len(extent));
		return;
	}
	for (size_t left = extent->nr; left > 0; left -= nr) {
		nr = sf_min(left, ZERO_PAGES);
		zero_part(addr, nr);
		addr += nr << sf_page_shift;
	}
	sf_extent_forget_tables(extent);
}

int sf_range_guard(const char *call, const struct sf_extent *extent)
{
	struct sf_region *region = extent->region;
	bool can;
	int err;

	sf_extent_lock_live(call, extent);
	can = sf_option(SF_OPTION_TRAP) && sf_probe_has(SF_FEATURE_GUARD);
	/* Before the kernel does: a child may see one without the other. */
	if (can)
		sf_tree_set(&region->tree, extent->first, extent->nr,
			    SF_MARKED);
	sf_region_unlock(region);
	if (!can)
		return -ENOTSUP;
	err = sf_page_mark(sf_extent_addr(extent), sf_extent_len(extent));
	if (err != 0) {
		/* Part of the range may carry markers. */
		sf_range_unguard(call, extent);
		return err == -EINVAL ? -ENOTSUP : -ENOMEM;
	}
	sf_region_lock(region);
	sf_tree_note_tables(&region->tree, extent->first, extent->nr);
	sf_region_unlock(region);
	return 0;
}

int sf_range_unguard(const char *call, const struct sf_extent *extent)
{
	struct sf_region *region = extent->region;
	int err;

	sf_extent_lock_live(call, extent);
	sf_region_unlock(region);
	if (!sf_probe_has(SF_FEATURE_GUARD))
		return -ENOTSUP;
	err = sf_page_unmark(sf_extent_addr(extent), sf_extent_len(extent));
	if (err != 0)
		return -ENOTSUP;
	sf_region_lock(region);
	sf_tree_clear(&region->tree, extent->first, extent->nr, SF_MARKED);
	sf_region_unlock(region);
	return 0;
}

/*
 * Moving
 */

void sf_range_copy(uintptr_t to, uintptr_t from, size_t nr,
		   struct sf_pagemap *pagemap)
{
	for (size_t i = 0; i < nr; i++) {
		size_t offset = i << sf_page_shift;
		const void *source = (const void *)(from + offset);

		if (sf_pagemap_touched(pagemap, from + offset) &&
		    !sf_pagemap_is_zero(from + offset))
			memcpy((void *)(to + offset), source, sf_page_size);
	}
}

/* Guarded pages stay guarded where they move to. Their contents are gone. */
static int move_guards(const struct sf_extent *from, const struct sf_extent *to)
{
	size_t end = from->first + from->nr;
	size_t page = from->first;
	int err = 0;

	while (err == 0) {
		struct sf_extent part = *to;
		size_t stop;

		sf_region_lock(from->region);
		page = sf_tree_next(&from->region->tree, page, end, SF_MARKED,
				    true);
		stop = sf_tree_next(&from->region->tree, page, end, SF_MARKED,
				    false);
		sf_region_unlock(from->region);
		if (page >= end)
			break;
		part.first += page - from->first;
		part.nr = stop - page;
		err = sf_range_guard("surefree_remap", &part);
		page = stop;
	}
	return err;
}

/* Whether page holds a marker, and how far pages are alike from it on. */
static size_t alike_from(const struct sf_extent *extent, size_t page,
			 bool *marked)
{
	size_t end = extent->first + extent->nr;
	size_t stop;

	sf_region_lock(extent->region);
	*marked = sf_tree_planes(&extent->region->tree, page) & SF_MARKED;
	stop = sf_tree_next(&extent->region->tree, page,
			    sf_min(end, page + COPY_PAGES), SF_MARKED,
			    !*marked);
	sf_region_unlock(extent->region);
	return stop - page;
}

/* Copy an extent and release it on the way. */
static void copy_and_release(const char *call, const struct sf_extent *from,
			     const struct sf_extent *to)
{
	struct sf_pagemap pagemap;
	size_t nr;

	sf_pagemap_open(&pagemap);
	for (size_t done = 0; done < from->nr; done += nr) {
		struct sf_extent part = *from;
		bool marked;

		part.first += done;
		nr = alike_from(from, part.first, &marked);
		part.nr = nr;
		if (!marked)
			sf_range_copy(sf_extent_addr(to) +
					      (done << sf_page_shift),
				      sf_extent_addr(&part), nr, &pagemap);
		sf_extent_unmap(call, &part);
	}
	sf_pagemap_close(&pagemap);
}

static bool has_guards(const struct sf_extent *extent)
{
	const struct sf_tree *tree = &extent->region->tree;

	return sf_tree_planes(tree, extent->first + extent->nr) ==
		       (SF_TAKEN | SF_MARKED) &&
	       extent->first > 0 &&
	       sf_tree_planes(tree, extent->first - 1) ==
		       (SF_TAKEN | SF_MARKED);
}

static int move(const char *call, const struct sf_extent *extent, size_t nr,
		unsigned flags, struct sf_extent *out)
{
	size_t align = extent->region->kind == SF_REGION_HUGE ?
			       SF_LEAF_PAGES << sf_page_shift :
			       sf_page_size;
	int err;

	flags |= SF_EXTENT_UNPINNED;
	/* It would grow into its guard. */
	if ((flags & SUREFREE_GUARDED) == 0)
		flags |= SF_EXTENT_ROOM;
	err = sf_extent_map(extent->region->kind, nr, align, flags, out);
	/* No guards to be had here any more: go on without. */
	if (err == -ENOTSUP)
		err = sf_extent_map(extent->region->kind, nr, align,
				    flags & ~SUREFREE_GUARDED, out);
	if (err != 0)
		return err;
	err = move_guards(extent, out);
	if (err != 0) {
		sf_extent_unmap(call, out);
		return err;
	}
	if (sf_region_is_pinned(out->region))
		sf_pin_run(out->region, out->first, out->nr);
	copy_and_release(call, extent, out);
	sf_count(SF_COUNT_MOVED, 1);
	return 0;
}

static int populate_new(const struct sf_extent *extent, size_t old_nr)
{
	return sf_page_populate(sf_extent_addr(extent) +
					(old_nr << sf_page_shift),
				(extent->nr - old_nr) << sf_page_shift);
}

static void shrink(const char *call, const struct sf_extent *extent, size_t nr,
		   bool guarded)
{
	struct sf_extent tail = *extent;

	tail.first += nr;
	tail.nr -= nr;
	if (tail.nr == 0)
		return;
	if (guarded) {
		struct sf_extent page = { tail.region, tail.first, 1 };

		/* The map stays guarded: its guard page moves down. */
		if (sf_range_guard(call, &page) == 0) {
			sf_extent_make_guard(&page);
			tail.first++;
			tail.nr--;
		}
	}
	if (tail.nr > 0)
		sf_extent_unmap(call, &tail);
}

int sf_range_resize(const char *call, const struct sf_extent *extent, size_t nr,
		    unsigned flags, struct sf_extent *out)
{
	unsigned map_flags = flags & SUREFREE_NOTRAP;
	int err = 0;

	sf_extent_lock_live(call, extent);
	if (sf_tree_any(&extent->region->tree, extent->first, extent->nr,
			SF_QUIET))
		map_flags |= SUREFREE_NOTRAP;
	if (has_guards(extent))
		map_flags |= SUREFREE_GUARDED;
	sf_region_unlock(extent->region);

	*out = (struct sf_extent){ extent->region, extent->first, nr };
	if (nr <= extent->nr) {
		shrink(call, extent, nr, (map_flags & SUREFREE_GUARDED) != 0);
		return 0;
	}
	if (!sf_extent_grow(extent, nr - extent->nr, map_flags, &err)) {
		if ((flags & SUREFREE_NOMOVE) != 0)
			return err != 0 ? err : -ENOMEM;
		err = move(call, extent, nr, map_flags, out);
		if (err != 0)
			return err;
	}
	if ((flags & SUREFREE_POPULATE) != 0)
		/* Best effort: the pages are there, resident or not. */
		(void)populate_new(out, extent->nr);
	return 0;
}
