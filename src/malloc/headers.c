// SPDX-License-Identifier: MIT
/* Headers and marks, see headers.h. */
#include "malloc/headers.h"

#include "base/option.h"
#include "malloc/slab.h"
#include "vm/release.h"
#include "vm/reserve.h"

/* Units whose headers and marks become accessible at once. */
#define STEP ((size_t)1024)

/* Pages of units whose marks lie in one page: those of a word of the tree. */
#define WORD_PAGES ((size_t)64)

_Static_assert(SF_SLAB_LEN / SF_NR_SLOTS == WORD_PAGES,
	       "a page of marks is a word's");

/*
 * Making them accessible
 */

static size_t headers_len(size_t nr_units)
{
	return sf_align_up(nr_units * sizeof(struct sf_slab), sf_page_size);
}

static size_t marks_len(size_t nr_units)
{
	return sf_align_up(nr_units * SF_NR_SLOTS, sf_page_size);
}

static size_t max_units(const struct sf_pool *pool)
{
	return (pool->region->nr_pages << sf_page_shift) >> SF_UNIT_SHIFT;
}

static size_t nr_units(const struct sf_pool *pool)
{
	return sf_pool_len(pool) >> SF_UNIT_SHIFT;
}

int sf_headers_reserve(struct sf_pool *pool)
{
	size_t below = marks_len(max_units(pool));
	size_t len = below + headers_len(max_units(pool));
	uintptr_t start;
	int err = sf_reserve(len, &start);

	if (err != 0)
		return err;
	sf_page_set_huge(start, len, false);
	pool->slabs = (struct sf_slab *)(start + below);
	pool->max_units = max_units(pool);
	return 0;
}

/* The first pool is the one that has units first. */
static void note_first(struct sf_pool *pool)
{
	if (sf_pool_first.slabs == NULL) {
		sf_pool_first.base = pool->base;
		sf_pool_first.slabs = pool->slabs;
		sf_pool_first.pool = pool;
	}
	if (sf_pool_first.slabs == pool->slabs)
		atomic_store_explicit(&sf_pool_first.len, sf_pool_len(pool),
				      memory_order_relaxed);
}

static void forget(struct sf_pool *pool)
{
	struct sf_region *region = pool->region;
	size_t len;

	/* With it nobody takes pages of the others. */
	sf_region_lock(region);
	len = sf_align_up(region->frontier << sf_page_shift, SF_SLAB_LEN);
	if (len < sf_pool_len(pool)) {
		atomic_store_explicit(&pool->len, len, memory_order_relaxed);
		note_first(pool);
	}
	sf_region_unlock(region);
}

void sf_headers_cut(struct sf_pool *pool)
{
	uintptr_t middle = (uintptr_t)pool->slabs;
	size_t old = pool->max_units;
	/* Those that are accessible may be read. */
	size_t now = sf_max(max_units(pool), pool->nr_ready);

	forget(pool);
	if (now >= old)
		return;
	/* First: nothing is made accessible there any more. */
	pool->max_units = now;
	sf_reserve_cut_end(middle - marks_len(old), middle + headers_len(old),
			   middle + headers_len(now));
	sf_reserve_cut_start(middle - marks_len(old), middle + headers_len(now),
			     middle - marks_len(now));
}

/* Where this fails half-way the marks are accessible, and are so again. */
static int commit(const struct sf_pool *pool, size_t from, size_t to)
{
	uintptr_t middle = (uintptr_t)pool->slabs;
	int err = 0;

	if (marks_len(to) > marks_len(from))
		err = sf_page_commit(middle - marks_len(to),
				     marks_len(to) - marks_len(from));
	if (err == 0 && headers_len(to) > headers_len(from))
		err = sf_page_commit(middle + headers_len(from),
				     headers_len(to) - headers_len(from));
	return err;
}

int sf_headers_grow(struct sf_pool *pool, size_t end)
{
	size_t nr = ((end << sf_page_shift) + SF_SLAB_LEN - 1) >> SF_UNIT_SHIFT;
	int err = 0;

	sf_lock_acquire(&pool->grow, SF_RANK_POOL);
	nr = sf_min(sf_align_up(nr, STEP), pool->max_units);
	if (nr > nr_units(pool)) {
		err = commit(pool, nr_units(pool), nr);
		if (err == 0) {
			pool->nr_ready = sf_max(pool->nr_ready, nr);
			atomic_store_explicit(&pool->len, nr << SF_UNIT_SHIFT,
					      memory_order_relaxed);
			note_first(pool);
		}
	}
	sf_lock_release(&pool->grow, SF_RANK_POOL);
	return err;
}

int sf_headers_grow_ahead(struct sf_pool *pool, size_t end)
{
	size_t ahead = sf_option(SF_OPTION_AHEAD) >> sf_page_shift;
	size_t nr_pages = pool->region->nr_pages;

	/* Less, when it was cut just now. */
	ahead = sf_min(ahead, sf_max(nr_pages, end) - end);
	return sf_headers_grow(pool, end + ahead) == 0 ?
		       0 :
		       sf_headers_grow(pool, end);
}

size_t sf_headers_len(const struct sf_pool *pool)
{
	return headers_len(nr_units(pool)) + marks_len(nr_units(pool));
}

/*
 * Giving marks back
 */

static uint8_t *marks_noted(const struct sf_pool *pool, size_t page)
{
	return &pool->region->tree.level[0][page / SF_LEAF_PAGES].has_marks;
}

static unsigned bit_of(size_t page)
{
	return 1u << (page % SF_LEAF_PAGES / WORD_PAGES);
}

void sf_marks_note(struct sf_pool *pool, size_t page)
{
	*marks_noted(pool, page) |= (uint8_t)bit_of(page);
}

/* Whether the word that starts at page has marks that nobody needs. */
static bool is_left(const struct sf_pool *pool, size_t page)
{
	return (*marks_noted(pool, page) & bit_of(page)) != 0 &&
	       !sf_tree_any(&pool->region->tree, page, WORD_PAGES,
			    SF_TAKEN | SF_QUIET);
}

/* The first page of such a word from page on; end: there is none. */
static size_t next_left(const struct sf_pool *pool, size_t page, size_t end)
{
	while (page < end && !is_left(pool, page))
		page += *marks_noted(pool, page) != 0 ?
				WORD_PAGES :
				SF_LEAF_PAGES - page % SF_LEAF_PAGES;
	return sf_min(page, end);
}

bool sf_marks_can_drop(const struct sf_pool *pool, size_t first, size_t nr)
{
	size_t end = sf_align_up(first + nr, WORD_PAGES);

	first = sf_align_down(first, WORD_PAGES);
	return next_left(pool, first, end) < end;
}

/* Release the marks of free pages, whole words of them. Called under the lock,
 * which it gives up. */
static void drop_unlock(struct sf_pool *pool, size_t first, size_t nr)
{
	struct sf_region *region = pool->region;
	size_t end = first + nr;
	uintptr_t addr = (uintptr_t)pool->slabs -
			 (end / WORD_PAGES << sf_page_shift);
	bool was_locked = false;
	bool released;

	sf_tree_take_bare(&region->tree, first, nr);
	sf_region_unlock_busy(region);
	released = sf_release_pages(addr, nr / WORD_PAGES << sf_page_shift,
				    &was_locked);
	sf_region_relock(region);
	region->nr_locked_releases += was_locked;
	for (size_t page = first; released && page < end; page += WORD_PAGES)
		*marks_noted(pool, page) &= (uint8_t)~bit_of(page);
	sf_tree_give(&region->tree, first, nr);
	sf_region_unlock_idle(region);
}

void sf_marks_drop(struct sf_pool *pool, size_t first, size_t nr)
{
	size_t end = sf_align_up(first + nr, WORD_PAGES);
	size_t page = sf_align_down(first, WORD_PAGES);

	for (;;) {
		size_t start;

		sf_region_lock(pool->region);
		start = next_left(pool, page, end);
		if (start >= end)
			break;
		for (page = start; page < end && is_left(pool, page);)
			page += WORD_PAGES;
		drop_unlock(pool, start, page - start);
	}
	sf_region_unlock(pool->region);
}
