/* SPDX-License-Identifier: MIT */
/*
 * Caches: for each class of a heap the blocks that were freed last, to be taken
 * first. They are neither in use nor free in their slab, so what most programs
 * do most, free and allocate in turn, touches no slab.
 *
 * A cached block may be all that keeps pages from being idle. So before a cache
 * may hold blocks, as many pages as these could keep are counted as retained;
 * where the bound does not allow it, the cache holds fewer or none.
 *
 * Only blocks of the first pool are cached: their slabs are found quickly.
 *
 * All need the heap to oneself.
 */
#ifndef SF_MALLOC_CACHE_H
#define SF_MALLOC_CACHE_H

#include "malloc/slab.h"

#define SF_CACHE_BLOCKS 29

struct sf_cache {
	struct sf_cached *top; /* the last one put */
	struct sf_cached *end; /* the last of those counted as retained */
	uint8_t limit;	       /* blocks that it may grow to hold */
	bool ran_dry;	       /* since it was full */
	/* The first is NULL: what is taken of an empty cache. */
	struct sf_cached blocks[1 + SF_CACHE_BLOCKS];
};

_Static_assert(sizeof(struct sf_cache) == 512, "an index is a shift");

/* An empty cache of a class. */
void sf_cache_set_up(struct sf_cache *cache, unsigned class);

/* The block that was freed last, now in use; NULL: there is none. */
static inline void *sf_cache_pop(struct sf_cache *cache)
{
	struct sf_cached *top = cache->top;
	void *block = top->block;

	if (SF_UNLIKELY(block == NULL))
		return NULL;
	cache->top = top - 1;
	sf_mark_set(top->mark, SF_MARK_USED);
	return block;
}

/* Keep a block, which is no longer in use. False: it may hold no more. */
static inline bool sf_cache_push(struct sf_cache *cache, uintptr_t addr,
				 _Atomic uint8_t *mark)
{
	struct sf_cached *top = cache->top;

	if (SF_UNLIKELY(top == cache->end))
		return false;
	cache->top = ++top;
	*top = (struct sf_cached){ (void *)addr, mark };
	return true;
}

/* A block from the heap's slabs, or NULL; some more go to the cache. */
void *sf_cache_refill(struct sf_heap *heap, unsigned class);

/* Where the cache is full: have it hold more, or put the block back. */
void sf_cache_overflow(struct sf_heap *heap, struct sf_slab *slab,
		       uintptr_t addr, _Atomic uint8_t *mark);

/* Put all blocks back; the heap's caches hold none until they grow again. */
void sf_cache_flush(struct sf_heap *heap);

#endif
