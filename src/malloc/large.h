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

/* Where its pages are counted. */
static inline _Atomic uint32_t *sf_large_start(const struct sf_pool *pool,
					       uintptr_t addr)
{
	struct sf_slab *slab = sf_slab_of(pool, addr);

	return &slab->start[(addr & (SF_SLAB_LEN - 1)) >> sf_page_shift];
}

/* Its bytes; 0: no large block starts at addr. */
static inline size_t sf_large_len(const struct sf_pool *pool, uintptr_t addr)
{
	if ((addr & (sf_page_size - 1)) != 0)
		return 0;
	return (size_t)atomic_load_explicit(sf_large_start(pool, addr),
					    memory_order_relaxed)
	       << sf_page_shift;
}

/* Fatal, with the call's name, when no large block starts at addr. */
void sf_large_free(const char *call, struct sf_pool *pool, uintptr_t addr);

/*
 * Make a block of len bytes, as the caller saw it, size bytes long, here or
 * elsewhere. NULL: left as it was.
 */
void *sf_large_resize(struct sf_pool *pool, uintptr_t addr, size_t len,
		      size_t size);

#endif
