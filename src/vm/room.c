// SPDX-License-Identifier: MIT
/* Finding free pages, see room.h. */
#include "vm/room.h"

/* The least power of two that is not less than nr pages, in bytes. */
static size_t rounded_up(size_t nr)
{
	return nr > 1 ?
		       sf_page_size << (64 - (unsigned)__builtin_clzl(nr - 1)) :
		       sf_page_size;
}

/*
 * What is accessible and free may be charged, and mlockall() makes it resident:
 * no more of it may come from this than is in use and kept ahead, and only the
 * latter where that is limited.
 */
static bool is_cheap(const struct sf_region *region, size_t start, size_t nr)
{
	size_t nr_free = region->ahead +
			 (region->is_dear ? 0 : region->nr_used);

	if (sf_region_is_pinned(region))
		return false;
	return start + nr <= region->frontier ||
	       start <= region->nr_used + nr_free;
}

/* The tree may know of more pages than there are. */
static bool lies_in(const struct sf_region *region, size_t start, size_t nr)
{
	return start != SF_NONE && start + nr <= region->nr_pages;
}

/*
 * Room of twice nr pages, at a multiple of it: else whoever grows next would be
 * put right behind.
 */
static size_t find_apart(const struct sf_region *region, size_t nr,
			 size_t align, size_t lead)
{
	size_t start = sf_tree_find_soon(&region->tree, 2 * nr,
					 sf_max(align, rounded_up(2 * nr)),
					 lead);

	if (!lies_in(region, start, 2 * nr) || !is_cheap(region, start, nr))
		return SF_NONE;
	return start;
}

static size_t find_room(const struct sf_region *region, size_t nr, size_t align,
			size_t lead)
{
	size_t start = find_apart(region, nr, align, lead);

	if (start == SF_NONE)
		start = sf_tree_find(&region->tree, 2 * nr, align, lead);
	return lies_in(region, start, 2 * nr) ? start : SF_NONE;
}

size_t sf_room_find(const struct sf_region *region, size_t nr, size_t align,
		    size_t lead, bool with_room)
{
	size_t start = SF_NONE;

	if (with_room)
		start = find_room(region, nr, align, lead);
	if (start == SF_NONE)
		start = sf_tree_find(&region->tree, nr, align, lead);
	return lies_in(region, start, nr) ? start : SF_NONE;
}
