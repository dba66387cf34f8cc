/* SPDX-License-Identifier: MIT */
/*
 * Moving maps by the kernel, for mremap(). What is moved away leaves a hole in
 * our regions, which is filled; what is moved in is noted as replaced.
 *
 * All under the family's lock, but for sf_move_away().
 */
#ifndef SF_MMAP_MOVE_H
#define SF_MMAP_MOVE_H

#include "mmap/space.h"

/* What mremap() was asked for. */
struct sf_remap {
	uintptr_t addr;
	size_t old_len; /* both rounded up to pages */
	size_t len;
	int flags;
	uintptr_t to;
};

/* The kernel's call: an address or -errno, as all of these. */
long sf_move_call(const struct sf_remap *remap);

/* The same, where the kernel may choose the address. */
long sf_move_call_anywhere(const struct sf_remap *remap);

/* Altered pages that may not move: what lies behind them is never free. */
long sf_move_grow_here(const struct sf_remap *remap);

/* There is no room in our regions: the kernel shall find some. */
long sf_move_away(const struct sf_remap *remap, const struct sf_extent *source);

/* Altered pages, to addresses of ours. */
long sf_move_altered(const struct sf_remap *remap,
		     const struct sf_extent *source);

/* To where the program says, which may be ours; the source is not. */
long sf_move_kernels(const struct sf_remap *remap);

/* The same of ours. Where the length stays, holes in it are left out. */
long sf_move_ours(const struct sf_remap *remap, const struct sf_extent *source);

#endif
