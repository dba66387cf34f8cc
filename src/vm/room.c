// SPDX-License-Identifier: MIT
/* Finding free pages, see room.h. */
#include "vm/room.h"

#include "base/option.h"

/* Room is at most this part of a region. */
#define ROOM_SHARE 64

/*
 * Where room of nr pages may begin, in bytes: at multiples of it, rounded up to
 * a power of two, or whoever grows next would be put right behind. Not where
 * that may cost: memory is accessible up to the last page that was taken.
 */
static size_t room_align(const struct sf_region *region, size_t nr)
{
	bool is_dear = region->ahead < sf_option(SF_OPTION_AHEAD) >>
		       sf_page_shift;

	if (is_dear || nr > region->nr_pages / ROOM_SHARE)
		return sf_page_size;
	return sf_page_size << (64 - (unsigned)__builtin_clzl(nr - 1));
}

/* The tree may know of more pages than there are. */
static bool lies_in(const struct sf_region *region, size_t start, size_t nr)
{
	return start != SF_NONE && start + nr <= region->nr_pages;
}

size_t sf_room_find(const struct sf_region *region, size_t nr, size_t align,
		    size_t lead, bool with_room)
{
	size_t start = SF_NONE;

	if (with_room)
		start = sf_tree_find(&region->tree, 2 * nr,
				     sf_max(align, room_align(region, 2 * nr)),
				     lead);
	if (!lies_in(region, start, 2 * nr))
		start = sf_tree_find(&region->tree, nr, align, lead);
	return lies_in(region, start, nr) ? start : SF_NONE;
}
