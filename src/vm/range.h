/* SPDX-License-Identifier: MIT */
/*
 * Operations on pages that stay the caller's: discard, guard, unguard, and a
 * change of length.
 */
#ifndef SF_VM_RANGE_H
#define SF_VM_RANGE_H

#include "os/pagemap.h"
#include "vm/extent.h"

/* Give the pages back; the range reads as zeros. Cannot fail. */
void sf_range_discard(const char *call, const struct sf_extent *extent);

/* Zero a live extent without making pages resident that are not. */
void sf_range_zero(const struct sf_extent *extent);

/* Mark pages, or remove the markers. 0 or -errno. */
int sf_range_guard(const char *call, const struct sf_extent *extent);
int sf_range_unguard(const char *call, const struct sf_extent *extent);

/*
 * Change a live extent's length to nr pages; *out is where it is then. flags
 * as surefree_remap(). 0 or -errno, and nothing has changed.
 */
int sf_range_resize(const char *call, const struct sf_extent *extent, size_t nr,
		    unsigned flags, struct sf_extent *out);

/*
 * Copy nr pages into memory that is zero. Pages never touched are neither read
 * nor written, pages full of zeros not written.
 */
void sf_range_copy(uintptr_t to, uintptr_t from, size_t nr,
		   struct sf_pagemap *pagemap);

#endif
