/* SPDX-License-Identifier: MIT */
/*
 * The large blocks that a heap's thread freed last, to be taken first by one of
 * as many pages: without the region's lock and tree, and with their pages. Each
 * is counted as retained before it is kept. Its number of pages in the header
 * is 0, as that of any block that is free.
 *
 * How many pages there may be adapts: each block that passed by, whose length
 * was asked for soon after, lets the cache hold as many more; blocks that pass
 * by let it hold a little less. So a thread that only frees keeps none.
 *
 * All but sf_large_cache_len() need the heap to oneself.
 */
#ifndef SF_MALLOC_LARGE_CACHE_H
#define SF_MALLOC_LARGE_CACHE_H

#include <stdatomic.h>

#include "os/page.h"

#define SF_LARGE_CACHE_BLOCKS 16

struct sf_large_cache {
	/* Pages. Those held, at most limit; read by who counts. */
	_Atomic size_t nr_pages;
	size_t limit;

	/* Where each starts, and its pages: the oldest first. */
	unsigned nr;
	uint32_t len[SF_LARGE_CACHE_BLOCKS];
	uintptr_t addr[SF_LARGE_CACHE_BLOCKS];

	/* The lengths that passed by last, and were not asked for since. */
	uint32_t passed[SF_LARGE_CACHE_BLOCKS];
	unsigned nr_passed; /* ever: the next one's place */
};

/* A block of nr pages, which hold old contents; 0: there is none. */
uintptr_t sf_large_cache_take(struct sf_large_cache *cache, size_t nr);

/* Keep a block that is no longer in use. False: it is to go to the pool. */
bool sf_large_cache_give(struct sf_large_cache *cache, uintptr_t addr,
			 size_t nr);

/* Give all to the pool; none is kept until some were asked for again. */
void sf_large_cache_flush(struct sf_large_cache *cache);

/* Bytes held; true a moment ago. */
static inline size_t sf_large_cache_len(const struct sf_large_cache *cache)
{
	return atomic_load_explicit(&cache->nr_pages, memory_order_relaxed)
	       << sf_page_shift;
}

#endif
