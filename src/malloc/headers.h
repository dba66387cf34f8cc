/* SPDX-License-Identifier: MIT */
/*
 * The headers of a pool's units, and the marks of their blocks (see marks.h):
 * one reservation, whose accessible part grows at both ends.
 *
 *	| reserved | <- marks, 1 KiB a unit | headers, 512 bytes -> | reserved |
 *
 * Three mappings for life, or fewer where the region was cut. Headers stay once
 * they were used. Marks are given back to the kernel: a page of them belongs to
 * as many units as a word of the region's tree has bits for. When all these
 * pages are free and hold no old contents they are taken for the moment, so
 * that no slab is opened there, and the page of marks is discarded. A bit for
 * each word, in the tree's leaf, says that a slab was opened there since: large
 * blocks have no marks to give back.
 */
#ifndef SF_MALLOC_HEADERS_H
#define SF_MALLOC_HEADERS_H

#include "malloc/marks.h"
#include "malloc/pool.h"

#define SF_POOL_MAPPINGS 3

/* Reserve them for a pool that has none. 0 or -errno. */
int sf_headers_reserve(struct sf_pool *pool);

/*
 * The region was cut: look up no more units than it has, and give back the
 * address space of the others. Under the pool's lock.
 */
void sf_headers_cut(struct sf_pool *pool);

/* Make those of all units below page `end` accessible. 0 or -errno. */
int sf_headers_grow(struct sf_pool *pool, size_t end);

/* As far ahead as the region does, where a forked child can't any more. */
int sf_headers_grow_ahead(struct sf_pool *pool, size_t end);

/* The accessible bytes of both. */
size_t sf_headers_len(const struct sf_pool *pool);

/* The page where units without a header begin. */
static inline size_t sf_headers_end(const struct sf_pool *pool)
{
	return sf_pool_len(pool) >> sf_page_shift;
}

/* The marks of a unit. */
static inline _Atomic uint8_t *sf_marks_of(const struct sf_pool *pool,
					   size_t unit)
{
	return (_Atomic uint8_t *)pool->slabs - (unit + 1) * SF_NR_SLOTS;
}

/* A slab is opened at this page. Called under the region's lock. */
void sf_marks_note(struct sf_pool *pool, size_t page);

/*
 * Whether there are marks to give back, now that these pages are free. Called
 * under the region's lock; sf_marks_drop() then does it, without.
 */
bool sf_marks_can_drop(const struct sf_pool *pool, size_t first, size_t nr);
void sf_marks_drop(struct sf_pool *pool, size_t first, size_t nr);

#endif
