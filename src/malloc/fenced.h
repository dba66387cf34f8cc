/* SPDX-License-Identifier: MIT */
/*
 * The mode "fence": each block on pages of its own, its end against a guard
 * page, inaccessible from when it is freed on. So the first read or write
 * beyond the end, or after the free, faults.
 *
 *	| pattern | block     | pattern | guard |
 *	          ^ start               ^ page
 *
 * Blocks start at multiples of 16, so up to 15 bytes may be left between end
 *and guard. They and what is before the block in its first page hold a pattern,
 * which is looked at when the block is freed. A block of no bytes is its guard.
 *
 * Guards and freed pages are markers: no mapping is needed, however many there
 * are. What no block had yet is marked too; of large freed blocks not all is,
 * see trap.h. Where the kernel has no markers (before 6.13), or memory is
 * locked, nothing traps; the pattern and free() itself still tell.
 */
#ifndef SF_MALLOC_FENCED_H
#define SF_MALLOC_FENCED_H

#include "malloc/mode.h"

extern const struct sf_mode sf_fenced_mode;

/* False, with a line on stderr: there are no addresses for it. */
bool sf_fenced_init(void);

#endif
