/* SPDX-License-Identifier: MIT */
/*
 * Large blocks: pages of their own. How many stands in the header of the unit
 * in which the block starts.
 */
#ifndef SF_MALLOC_LARGE_H
#define SF_MALLOC_LARGE_H

#include "malloc/slab.h"

/* A block of size bytes at a multiple of align, or NULL. */
void *sf_large_take(size_t size, size_t align, bool zero);

/* Its bytes; 0: no large block starts at addr. */
size_t sf_large_len(const struct sf_pool *pool, uintptr_t addr);

/* Fatal, with the call's name, when no large block starts at addr. */
void sf_large_free(const char *call, struct sf_pool *pool, uintptr_t addr);

/* Make it size bytes long, here or elsewhere. NULL: left as it was. */
void *sf_large_resize(struct sf_pool *pool, uintptr_t addr, size_t size);

#endif
