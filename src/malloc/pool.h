/* SPDX-License-Identifier: MIT */
/*
 * The pages that all heaps share: a region for blocks, cut into units of
 * 64 KiB, with a header for each unit that lies elsewhere.
 *
 *	region   | unit | unit | unit | unit |  ...      blocks, nothing else
 *	headers  | slab | slab | slab | slab |  ...      see headers.h
 *
 * A unit is a slab, or pages of large blocks: in the header of the unit where
 * a large block starts stands its number of pages. So whatever pointer free()
 * gets, one subtraction and a shift find what proves it.
 *
 * Free pages may be used: they hold old contents and are counted as retained
 * (vm/retain.h). How many there may be adapts, within the option "retain": the
 * target grows by what an allocation had to get from the kernel while memory
 * was released shortly before, and shrinks as memory is released that nobody
 * asks for. So a program that frees and allocates in turn keeps its working
 * set, and one that only frees keeps next to nothing.
 *
 * Pages beyond the target are given back from the highest address downwards:
 * allocation takes the lowest.
 *
 * Locks: the counters are under the region's lock. No system call is made
 * under it.
 */
#ifndef SF_MALLOC_POOL_H
#define SF_MALLOC_POOL_H

#include "malloc/size_class.h"
#include "vm/extent.h"
#include "vm/state.h"

#define SF_UNIT_SHIFT SF_SLAB_SHIFT

struct sf_slab;

struct sf_pool {
	/* Fixed at birth. */
	struct sf_region *region;
	uintptr_t base; /* of unit 0 */
	struct sf_slab *slabs;

	/* Changed under grow; what free() may look up. 0: no pool yet. */
	_Atomic size_t len; /* of the units with a header */

	struct sf_lock grow;
	size_t max_units; /* under grow: headers that are reserved */
	size_t nr_ready;  /* under grow: those that are accessible */

	/* Under the region's lock. Pages. */
	size_t nr_used; /* free and used */
	size_t peak;	/* highest number that was taken */
	size_t top;	/* no used page is free from here on */
	size_t target;	/* that nr_used may reach */
	size_t regret;	/* released, and not asked for since */
};

/* One for each region, by its number; most stay empty. */
extern struct sf_pool sf_pools[SF_MAX_REGIONS];

/* The first one, where nearly every block lies; a copy to be read quickly. */
struct sf_pool_first {
	uintptr_t base;
	_Atomic size_t len;
	struct sf_slab *slabs;
	struct sf_pool *pool;
};
extern struct sf_pool_first sf_pool_first;

/* Have a pool, so that the first block needs no spare mapping. 0 or -errno. */
int sf_pool_init(void);

/* Pages that were taken. */
struct sf_pages {
	struct sf_pool *pool;
	size_t first;
	size_t nr;
	size_t nr_used; /* of them hold old contents */
	uint64_t used;	/* which, for at most 64 pages */
};

#define SF_POOL_ROOM 1u /* as many free addresses behind them, if there are */
#define SF_POOL_ZERO 2u /* sf_pool_zero() follows */
#define SF_POOL_SLAB 4u /* one unit, for blocks with marks */

/* Take nr pages whose address is a multiple of align. 0 or -ENOMEM. */
int sf_pool_take(size_t nr, size_t align, unsigned flags, struct sf_pages *out);

/*
 * Give pages back that were taken: they are retained as far as the target
 * goes, released otherwise. used: the pages, at most 64, that may have
 * contents; those that have not are not released again.
 */
void sf_pool_give(struct sf_pool *pool, size_t first, size_t nr);
void sf_pool_give_some(struct sf_pool *pool, size_t first, size_t nr,
		       uint64_t used);

/* Take the nr pages that follow taken ones, if they are free. */
bool sf_pool_grow(struct sf_pool *pool, size_t first, size_t nr);

/* Make taken pages read as zeros; those without old contents already do. */
void sf_pool_zero(const struct sf_pages *pages);

/* Release free pages until keep_len bytes are retained. Returns bytes. */
size_t sf_pool_trim(size_t keep_len);

/* Give back the address space of all pools that they do not need at present. */
void sf_pool_cut_all(void);

/* For fork(): nobody is making headers. */
void sf_pool_lock_all(void);
void sf_pool_unlock_all(void);

static inline size_t sf_pool_len(const struct sf_pool *pool)
{
	/* Relaxed: whoever has a block saw the length grow. */
	return atomic_load_explicit(&pool->len, memory_order_relaxed);
}

/* Whether an address is in the first pool. */
static inline bool sf_pool_is_first(uintptr_t addr)
{
	return addr - sf_pool_first.base <
	       atomic_load_explicit(&sf_pool_first.len, memory_order_relaxed);
}

/* The pool of an address, or NULL. */
static inline struct sf_pool *sf_pool_of(uintptr_t addr)
{
	if (SF_LIKELY(sf_pool_is_first(addr)))
		return sf_pool_first.pool;
	for (size_t i = 0; i < SF_MAX_REGIONS; i++)
		if (addr - sf_pools[i].base < sf_pool_len(&sf_pools[i]))
			return &sf_pools[i];
	return NULL;
}

static inline uintptr_t sf_pool_addr(const struct sf_pool *pool, size_t page)
{
	return pool->base + (page << sf_page_shift);
}

static inline size_t sf_pool_page(const struct sf_pool *pool, uintptr_t addr)
{
	return (addr - pool->base) >> sf_page_shift;
}

#endif
