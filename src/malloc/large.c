// SPDX-License-Identifier: MIT
/* Large blocks, see large.h. */
#include "malloc/large.h"

#include <string.h>

#include "base/log.h"
#include "malloc/heap.h"
#include "malloc/mode.h"
#include "malloc/profile.h"

#define MAX_PAGES ((size_t)UINT32_MAX)

/*
 * Whether a thread's heap has a cache of large blocks. The common heap has
 * none, and modes look at each block.
 */
static bool has_cache(const struct sf_heap *heap)
{
	return heap != &sf_heap_common && SF_LIKELY(sf_mode == NULL);
}

/* From the thread's cache, with old contents; 0: it has none. */
static uintptr_t take_cached(size_t nr)
{
	struct sf_heap_hold hold;
	uintptr_t addr;

	if (!has_cache(sf_heap_get()))
		return 0;
	hold = sf_heap_hold(sf_heap_own);
	addr = sf_large_cache_take(&hold.heap->large, nr);
	sf_heap_release(hold);
	return addr;
}

/* Into the thread's cache; false: it goes to the pool. */
static bool give_cached(uintptr_t addr, size_t nr)
{
	struct sf_heap_hold hold;
	bool kept;

	if (!has_cache(sf_heap_own))
		return false;
	hold = sf_heap_hold(sf_heap_own);
	kept = sf_large_cache_give(&hold.heap->large, addr, nr);
	sf_heap_release(hold);
	return kept;
}

/* The block at addr is in use. */
static void *note_taken(const struct sf_pool *pool, uintptr_t addr, size_t nr)
{
	/* Relaxed: whoever frees the block got it from here. */
	atomic_store_explicit(sf_large_start(pool, addr), (uint32_t)nr,
			      memory_order_relaxed);
	return (void *)addr;
}

static void *take_pages(size_t nr, size_t align, unsigned flags)
{
	struct sf_pages pages;

	if (nr > MAX_PAGES || sf_pool_take(nr, align, flags, &pages) != 0)
		return NULL;
	if ((flags & SF_POOL_ZERO) != 0)
		sf_pool_zero(&pages);
	return note_taken(pages.pool, sf_pool_addr(pages.pool, pages.first),
			  nr);
}

void *sf_large_take(size_t size, size_t align, bool zero)
{
	size_t nr = sf_extent_pages(size);
	uintptr_t addr = 0;

	if (align <= sf_page_size)
		addr = take_cached(nr);
	if (addr == 0)
		return take_pages(nr, align, zero ? SF_POOL_ZERO : 0);
	if (zero)
		memset((void *)addr, 0, size);
	return note_taken(sf_pool_of(addr), addr, nr);
}

void sf_large_free(const char *call, struct sf_pool *pool, uintptr_t addr)
{
	uint32_t nr = 0;

	/* An exchange: of two threads that free it, one is caught. */
	if (SF_LIKELY((addr & (sf_page_size - 1)) == 0))
		nr = atomic_exchange_explicit(sf_large_start(pool, addr), 0,
					      memory_order_relaxed);
	if (SF_UNLIKELY(nr == 0))
		sf_fatal("%s(%p): no block starts here, or it is already free",
			 call, (void *)addr);
	if (!give_cached(addr, nr))
		sf_pool_give(pool, sf_pool_page(pool, addr), nr);
}

/* Change the length where it is. */
static bool resize_here(struct sf_pool *pool, uintptr_t addr, size_t old,
			size_t nr)
{
	size_t first = sf_pool_page(pool, addr);
	uint32_t seen = (uint32_t)old;

	if (nr > old && !sf_pool_grow(pool, first + old, nr - old))
		return false;
	/* An exchange: who frees it meanwhile is not undone. */
	if (!atomic_compare_exchange_strong(sf_large_start(pool, addr), &seen,
					    (uint32_t)nr))
		sf_fatal("realloc(%p): freed by another thread meanwhile",
			 (void *)addr);
	if (nr < old)
		sf_pool_give(pool, first + nr, old - nr);
	return true;
}

void *sf_large_resize(struct sf_pool *pool, uintptr_t addr, size_t old_len,
		      size_t size)
{
	size_t nr = sf_extent_pages(size);
	void *copy;

	if (nr > MAX_PAGES)
		return NULL;
	if (resize_here(pool, addr, old_len >> sf_page_shift, nr))
		return (void *)addr;
	/* Next time it grows where it is. */
	copy = take_pages(nr, 1, SF_POOL_ROOM);
	if (copy == NULL)
		return NULL;
	memcpy(copy, (void *)addr, old_len);
	if (sf_profile_is_active())
		sf_profile_freed((void *)addr);
	sf_large_free("realloc", pool, addr);
	return copy;
}
