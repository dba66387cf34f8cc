/* SPDX-License-Identifier: MIT */
/*
 * File views: mappings of files, placed in a region that is reserved and never
 * committed, with at least one reserved page between two of them.
 *
 *	| NONE | view | NONE | view | NONE ...
 *
 * So a view is a mapping that touches nothing it could merge with, and
 * unmapping it whole is never refused. It takes two mappings: its own, and the
 * reserved piece that it cuts off.
 *
 * Admission: counting the mappings takes time in proportion to them, so a
 * count is used for as many further views as a quarter of what was spare, and
 * for one second at most.
 */
#ifndef SF_VM_VIEW_H
#define SF_VM_VIEW_H

#include <sys/types.h>

#include "vm/extent.h"

/* 0 or -errno; -ENOSPC below the reserve of spare mappings. */
int sf_view_map(int fd, off_t off, size_t nr, int prot, int flags,
		struct sf_extent *out);

/* Release a whole view; fatal when it is only a part of one. */
void sf_view_unmap(const char *call, const struct sf_extent *view);

#endif
