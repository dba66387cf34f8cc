/* SPDX-License-Identifier: MIT */
/*
 * Stacks: an extent whose first page is a guard page, kept for reuse with its
 * guard in place. Where there are no guard markers that page is left out of
 * use all the same, and the stack has no guard.
 */
#ifndef SF_VM_STACK_H
#define SF_VM_STACK_H

#include "vm/extent.h"

/*
 * A stack of nr pages: *body is its usable part. 0 or -errno. It is not locked
 * yet after mlockall(): call sf_stack_pin() once it has all of its guards.
 */
int sf_stack_map(size_t nr, struct sf_extent *body, bool *guarded);

/* After mlockall(): lock the part of a new stack that is behind its guards. */
void sf_stack_pin(const struct sf_extent *part);

/* Release the stack with this body; fatal unless there is one. */
void sf_stack_unmap(const char *call, const struct sf_extent *body);

/* The same when all but the top top_len bytes was discarded; 0: not so. */
void sf_stack_unmap_top(const char *call, const struct sf_extent *body,
			size_t top_len);

/* Where the body starts of the stack that holds addr; 0: there is none. */
uintptr_t sf_stack_find(uintptr_t addr);

#endif
