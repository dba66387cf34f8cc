/* SPDX-License-Identifier: MIT */
/* Where in a region free pages are taken, with room to grow or without. */
#ifndef SF_VM_ROOM_H
#define SF_VM_ROOM_H

#include "vm/region.h"

/*
 * The lowest nr free pages of which number lead lies at a multiple of align
 * bytes; SF_NONE: there are none. With room where as many are free behind them,
 * if that can be had. Called under the region's lock.
 */
size_t sf_room_find(const struct sf_region *region, size_t nr, size_t align,
		    size_t lead, bool with_room);

#endif
