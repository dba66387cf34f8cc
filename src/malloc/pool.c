// SPDX-License-Identifier: MIT
/* Sharing out pages, see pool.h. */
#include "malloc/pool.h"

#include <errno.h>

#include "base/log.h"
#include "malloc/headers.h"
#include "vm/account.h"
#include "vm/pin.h"
#include "vm/release.h"
#include "vm/retain.h"
#include "vm/room.h"

/* What is kept however little was reused so far, and how the target falls. */
#define TARGET_FLOOR_LEN ((size_t)1 << 20)
#define TARGET_DECAY	 4
#define GAIN		 16

/* A run of used pages is released in pieces of at most this. */
#define PURGE_PAGES ((size_t)512)

struct sf_pool sf_pools[SF_MAX_REGIONS];
struct sf_pool_first sf_pool_first;

static size_t unit_pages(void)
{
	return SF_SLAB_LEN >> sf_page_shift;
}

/*
 * Pools
 */

/*
 * Reserve what describes the units of a region that has none. A region that
 * took all address space there was gives some of it back.
 */
static int open_pool(struct sf_pool *pool, struct sf_region *region)
{
	size_t nr_pages = region->nr_pages;
	int err;

	pool->region = region;
	pool->target = TARGET_FLOOR_LEN >> sf_page_shift;
	pool->base = region->base;
	while ((err = sf_headers_reserve(pool)) == -ENOMEM &&
	       nr_pages > SF_LEAF_PAGES) {
		nr_pages = nr_pages / 2;
		sf_region_cut(region, nr_pages);
	}
	return err;
}

/* The pool of region number i, opened when it is used first. */
static int pool_at(size_t i, struct sf_pool **out)
{
	struct sf_pool *pool = &sf_pools[i];
	int err = 0;

	*out = pool;
	if (SF_LIKELY(sf_pool_len(pool) > 0))
		return 0;
	sf_lock_acquire(&pool->grow, SF_RANK_POOL);
	if (pool->slabs == NULL)
		err = open_pool(pool, sf_state_region(i));
	sf_lock_release(&pool->grow, SF_RANK_POOL);
	return err;
}

/*
 * The target
 */

static size_t target_max(void)
{
	return sf_retain_bound() >> sf_page_shift;
}

/* An allocation needed nr pages that were not retained. Called under lock. */
static void regret(struct sf_pool *pool, size_t nr)
{
	nr = sf_min(nr, pool->regret);
	pool->regret -= nr;
	pool->target = sf_min(pool->target + GAIN * nr, target_max());
}

/* nr pages go back to the kernel. Called under lock. */
static void note_released(struct sf_pool *pool, size_t nr)
{
	size_t floor = TARGET_FLOOR_LEN >> sf_page_shift;
	uint64_t total = pool->region->nr_released_pages;
	size_t fall = (size_t)((total + nr) / TARGET_DECAY -
			       total / TARGET_DECAY);

	pool->regret = sf_min(pool->regret + nr, target_max());
	pool->target = sf_min(sf_max(pool->target - sf_min(fall, pool->target),
				     floor),
			      target_max());
	pool->region->nr_released_pages += nr;
}

/*
 * Taking
 */

/* One bit for each of at most 64 pages that hold old contents. */
static uint64_t used_mask(const struct sf_tree *tree, size_t first, size_t nr)
{
	size_t end = first + nr;
	size_t page = first;
	uint64_t mask = 0;

	while ((page = sf_tree_next(tree, page, end, SF_QUIET, true)) < end)
		mask |= (uint64_t)1 << (page++ - first);
	return mask;
}

/* Called under the lock, with the pages free and accessible. */
static void take_locked(struct sf_pool *pool, size_t first, size_t nr,
			unsigned flags, struct sf_pages *out)
{
	struct sf_region *region = pool->region;
	struct sf_tree *tree = &region->tree;

	*out = (struct sf_pages){ pool, first, nr, 0, 0 };
	if (pool->nr_used > 0 && first < pool->top)
		out->nr_used = sf_tree_count(tree, first, nr, SF_QUIET);
	if (out->nr_used > 0 && nr <= 64)
		out->used = used_mask(tree, first, nr);
	sf_tree_take_used(tree, first, nr);
	if (out->nr_used > 0 && (flags & SF_POOL_ZERO) == 0)
		sf_tree_clear(tree, first, nr, SF_QUIET);
	pool->nr_used -= out->nr_used;
	/* Under the lock: a forked child counts what it sees as kept. */
	sf_retain_end(out->nr_used << sf_page_shift);
	region->nr_used += nr;
	pool->peak = sf_max(pool->peak, region->nr_used);
	if ((flags & SF_POOL_SLAB) != 0)
		sf_marks_note(pool, first);
	region->nr_maps++;
	if (nr > out->nr_used && pool->regret > 0)
		regret(pool, nr - out->nr_used);
}

/* 0, -ENOSPC: no room here, or -errno: room, but it can't be committed. */
static int take_here(struct sf_pool *pool, size_t nr, size_t align,
		     unsigned flags, struct sf_pages *out)
{
	struct sf_region *region = pool->region;

	for (;;) {
		size_t start;
		size_t end;
		size_t ahead;
		int err = 0;

		sf_region_lock(region);
		start = sf_room_find(region, nr, align, 0,
				     (flags & SF_POOL_ROOM) != 0);
		if (start == SF_NONE) {
			sf_region_unlock(region);
			return -ENOSPC;
		}
		end = start + nr;
		if (end <= region->frontier && end <= sf_headers_end(pool)) {
			take_locked(pool, start, nr, flags, out);
			ahead = sf_region_low(region, end);
			sf_region_unlock(region);
			if (SF_UNLIKELY(ahead > 0)) {
				sf_region_grow_ahead(region, ahead);
				sf_headers_grow_ahead(pool, end);
			}
			sf_pin_follow(region, end);
			return 0;
		}
		sf_region_unlock(region);
		err = sf_headers_grow_ahead(pool, end);
		if (err == 0)
			err = sf_region_grow(region, end);
		if (err != 0 && (flags & SF_POOL_ROOM) == 0)
			return err;
		/* Room to grow is worth nothing that can't be committed. */
		if (err != 0)
			flags &= ~SF_POOL_ROOM;
	}
}

int sf_pool_take(size_t nr, size_t align, unsigned flags, struct sf_pages *out)
{
	for (;;) {
		size_t seen = sf_state_nr_regions();
		int refused = 0;
		int err;

		for (size_t i = 0; i < seen; i++) {
			struct sf_pool *pool;

			if (sf_state_region(i)->kind != SF_REGION_HEAP)
				continue;
			err = pool_at(i, &pool);
			if (err == 0)
				err = take_here(pool, nr, align, flags, out);
			if (err == 0)
				return 0;
			if (err != -ENOSPC)
				refused = err;
		}
		if (refused != 0) {
			sf_count(SF_COUNT_COMMITS_REFUSED, 1);
			return -ENOMEM;
		}
		err = sf_state_add_region(SF_REGION_HEAP,
					  nr + (align >> sf_page_shift), seen);
		if (err != 0)
			return -ENOMEM;
	}
}

int sf_pool_init(void)
{
	struct sf_pages pages;
	int err = sf_pool_take(unit_pages(), SF_SLAB_LEN, 0, &pages);

	if (err == 0)
		sf_pool_give_some(pages.pool, pages.first, pages.nr, 0);
	return err;
}

bool sf_pool_grow(struct sf_pool *pool, size_t first, size_t nr)
{
	struct sf_region *region = pool->region;
	struct sf_pages more;
	bool taken = false;

	for (;;) {
		bool is_free;

		sf_region_lock(region);
		is_free = first + nr <= region->nr_pages &&
			  sf_tree_free_after(&region->tree, first, nr) == nr;
		taken = is_free && first + nr <= region->frontier &&
			first + nr <= sf_headers_end(pool);
		if (taken)
			take_locked(pool, first, nr, 0, &more);
		sf_region_unlock(region);
		if (taken)
			sf_pin_follow(region, first + nr);
		if (taken || !is_free ||
		    sf_headers_grow(pool, first + nr) != 0 ||
		    sf_region_grow(region, first + nr) != 0)
			return taken;
	}
}

void sf_pool_zero(const struct sf_pages *pages)
{
	struct sf_region *region = pages->pool->region;
	size_t end = pages->first + pages->nr;
	size_t page = pages->first;

	while (pages->nr_used > 0 && page < end) {
		size_t stop;

		sf_region_lock(region);
		page = sf_tree_next(&region->tree, page, end, SF_QUIET, true);
		stop = sf_tree_next(&region->tree, page, end, SF_QUIET, false);
		if (page < end)
			sf_tree_clear(&region->tree, page, stop - page,
				      SF_QUIET);
		sf_region_unlock(region);
		__builtin_memset((void *)sf_pool_addr(pages->pool, page), 0,
				 (stop - page) << sf_page_shift);
		page = stop;
	}
}

/*
 * Giving back
 */

/*
 * Release pages that are taken, and make them free; retained_len bytes of them
 * were counted as retained. Called under the lock, which it gives up.
 */
static void release_unlock(struct sf_pool *pool, size_t first, size_t nr,
			   size_t retained_len)
{
	struct sf_region *region = pool->region;
	uintptr_t addr = sf_pool_addr(pool, first);
	bool was_locked = false;
	bool has_marks;
	bool released;

	note_released(pool, nr);
	sf_region_unlock_busy(region);
	released = sf_release_pages(addr, nr << sf_page_shift, &was_locked);
	sf_region_relock(region);
	region->nr_locked_releases += was_locked;
	sf_tree_clear(&region->tree, first, nr, SF_QUIET | SF_LIVE);
	if (SF_LIKELY(released)) {
		sf_tree_give(&region->tree, first, nr);
	} else {
		/* Taken for ever: nobody gets memory that is not zero. */
		sf_count(SF_COUNT_STUCK, 1);
		sf_count(SF_COUNT_STUCK_LEN, nr << sf_page_shift);
	}
	has_marks = sf_marks_can_drop(pool, first, nr);
	sf_retain_end(retained_len);
	sf_region_unlock_idle(region);
	if (has_marks)
		sf_marks_drop(pool, first, nr);
}

/*
 * Release the highest run of used free pages, at most PURGE_PAGES. Called under
 * the lock, which it gives up. Returns the pages released; 0: there are none.
 */
static size_t purge_unlock(struct sf_pool *pool)
{
	struct sf_tree *tree = &pool->region->tree;
	size_t end = pool->top;
	size_t first;
	size_t nr = 0;

	do {
		end = pool->nr_used == 0 ?
			      SF_NONE :
			      sf_tree_prev(tree, end, SF_QUIET, true);
	} while (end != SF_NONE && (sf_tree_planes(tree, end) & SF_TAKEN) != 0);
	if (end == SF_NONE) {
		pool->top = 0;
		sf_region_unlock(pool->region);
		return 0;
	}
	first = ++end;
	while (nr < PURGE_PAGES && first > 0 &&
	       (sf_tree_planes(tree, first - 1) & (SF_TAKEN | SF_QUIET)) ==
		       SF_QUIET) {
		first--;
		nr++;
	}
	pool->top = end;
	pool->nr_used -= nr;
	sf_tree_take_bare(tree, first, nr);
	release_unlock(pool, first, nr, nr << sf_page_shift);
	return nr;
}

/*
 * Make pages free and those used that hold old contents. Called under the lock,
 * which it gives up.
 */
static void retain_unlock(struct sf_pool *pool, size_t first, size_t nr,
			  uint64_t used, size_t nr_used)
{
	struct sf_tree *tree = &pool->region->tree;
	bool has_marks = false;

	sf_tree_give(tree, first, nr);
	if (nr_used == nr)
		sf_tree_set(tree, first, nr, SF_QUIET);
	for (size_t i = 0; nr_used != nr && i < nr; i++)
		if ((used >> i & 1) != 0)
			sf_tree_set(tree, first + i, 1, SF_QUIET);
	pool->nr_used += nr_used;
	pool->top = sf_max(pool->top, first + nr);
	if (nr_used == 0)
		has_marks = sf_marks_can_drop(pool, first, nr);
	sf_region_unlock(pool->region);
	if (has_marks)
		sf_marks_drop(pool, first, nr);
}

static void give(struct sf_pool *pool, size_t first, size_t nr, uint64_t used,
		 size_t nr_used)
{
	struct sf_region *region = pool->region;
	size_t used_len = nr_used << sf_page_shift;
	size_t purged;

	sf_region_lock(region);
	region->nr_used -= nr;
	region->nr_unmaps++;
	/* A large part of what may be kept is not worth the rest. */
	while (nr_used <= pool->target / 2 || nr_used == 0) {
		if (pool->nr_used + nr_used <= pool->target &&
		    sf_retain_try(used_len)) {
			retain_unlock(pool, first, nr, used, nr_used);
			return;
		}
		purged = purge_unlock(pool);
		/* Not relocked: a fork() may have begun to freeze regions. */
		sf_region_lock(region);
		if (purged == 0)
			break;
	}
	release_unlock(pool, first, nr, 0);
}

void sf_pool_give(struct sf_pool *pool, size_t first, size_t nr)
{
	give(pool, first, nr, 0, nr);
}

void sf_pool_give_some(struct sf_pool *pool, size_t first, size_t nr,
		       uint64_t used)
{
	give(pool, first, nr, used, (size_t)__builtin_popcountll(used));
}

size_t sf_pool_trim(size_t keep_len)
{
	size_t nr = 0;

	for (size_t i = 0; i < SF_MAX_REGIONS; i++) {
		struct sf_pool *pool = &sf_pools[i];
		size_t purged = 1;

		while (pool->slabs != NULL && purged > 0 &&
		       sf_retain_len() > keep_len) {
			sf_region_lock(pool->region);
			purged = purge_unlock(pool);
			nr += purged;
		}
	}
	return nr << sf_page_shift;
}

static void cut(struct sf_pool *pool, size_t nr_pages)
{
	sf_lock_acquire(&pool->grow, SF_RANK_POOL);
	if (pool->slabs != NULL) {
		sf_region_cut(pool->region, nr_pages);
		sf_headers_cut(pool);
	}
	sf_lock_release(&pool->grow, SF_RANK_POOL);
}

void sf_pool_cut_all(void)
{
	for (size_t i = 0; i < SF_MAX_REGIONS; i++) {
		struct sf_pool *pool = &sf_pools[i];

		/* Blocks of the first are found fastest. */
		cut(pool,
		    pool == sf_pool_first.pool ? sf_region_share_pages() : 0);
	}
}

void sf_pool_lock_all(void)
{
	for (size_t i = 0; i < SF_MAX_REGIONS; i++)
		sf_lock_acquire(&sf_pools[i].grow, SF_RANK_POOL);
}

void sf_pool_unlock_all(void)
{
	for (size_t i = 0; i < SF_MAX_REGIONS; i++)
		sf_lock_release(&sf_pools[i].grow, SF_RANK_POOL);
}
