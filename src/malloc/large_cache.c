// SPDX-License-Identifier: MIT
/* A heap's large blocks, see large_cache.h. */
#include "malloc/large_cache.h"

#include "malloc/pool.h"
#include "vm/retain.h"

/*
 * What a heap's cache may hold: beyond that the lock costs little against the
 * pages, and one of the pool's is as good. And no more than this part of what
 * may be retained.
 */
#define MAX_LEN	    ((size_t)2 << 20)
#define CACHE_SHARE 32

/* A block that passes by takes this part of its length off the limit. */
#define DECAY 8

static size_t max_pages(void)
{
	return sf_min(MAX_LEN, sf_retain_bound() / CACHE_SHARE) >>
	       sf_page_shift;
}

static size_t nr_held(const struct sf_large_cache *cache)
{
	return atomic_load_explicit(&cache->nr_pages, memory_order_relaxed);
}

static void set_held(struct sf_large_cache *cache, size_t nr)
{
	atomic_store_explicit(&cache->nr_pages, nr, memory_order_relaxed);
}

/* Take block number i out. */
static void remove_at(struct sf_large_cache *cache, unsigned i)
{
	size_t nr = cache->len[i];

	cache->nr--;
	for (; i < cache->nr; i++) {
		cache->addr[i] = cache->addr[i + 1];
		cache->len[i] = cache->len[i + 1];
	}
	set_held(cache, nr_held(cache) - nr);
	sf_retain_end(nr << sf_page_shift);
}

/* nr pages go to the pool. */
static void note_passed(struct sf_large_cache *cache, size_t nr)
{
	cache->passed[cache->nr_passed++ % SF_LARGE_CACHE_BLOCKS] = (uint32_t)nr;
	cache->limit -= sf_min((nr + DECAY - 1) / DECAY, cache->limit);
}

/* The block that was kept longest goes to the pool. */
static void evict(struct sf_large_cache *cache)
{
	uintptr_t addr = cache->addr[0];
	size_t nr = cache->len[0];
	struct sf_pool *pool = sf_pool_of(addr);

	note_passed(cache, nr);
	remove_at(cache, 0);
	sf_pool_give(pool, sf_pool_page(pool, addr), nr);
}

/* nr pages were asked for that are not here: did they pass by? */
static void regret(struct sf_large_cache *cache, size_t nr)
{
	for (unsigned i = 0; i < SF_LARGE_CACHE_BLOCKS; i++) {
		if (cache->passed[i] != nr)
			continue;
		cache->passed[i] = 0;
		cache->limit = sf_min(cache->limit + nr, max_pages());
		return;
	}
}

uintptr_t sf_large_cache_take(struct sf_large_cache *cache, size_t nr)
{
	for (unsigned i = cache->nr; i-- > 0;) {
		uintptr_t addr = cache->addr[i];

		if (cache->len[i] != nr)
			continue;
		remove_at(cache, i);
		return addr;
	}
	regret(cache, nr);
	return 0;
}

bool sf_large_cache_give(struct sf_large_cache *cache, uintptr_t addr,
			 size_t nr)
{
	if (nr > max_pages())
		return false;
	while (cache->nr > 0 && nr <= cache->limit &&
	       (nr_held(cache) + nr > cache->limit ||
		cache->nr == SF_LARGE_CACHE_BLOCKS))
		evict(cache);
	if (nr > cache->limit || !sf_retain_try(nr << sf_page_shift)) {
		note_passed(cache, nr);
		while (nr_held(cache) > cache->limit)
			evict(cache);
		return false;
	}
	cache->addr[cache->nr] = addr;
	cache->len[cache->nr] = (uint32_t)nr;
	cache->nr++;
	set_held(cache, nr_held(cache) + nr);
	return true;
}

void sf_large_cache_flush(struct sf_large_cache *cache)
{
	while (cache->nr > 0)
		evict(cache);
	cache->limit = 0;
	for (unsigned i = 0; i < SF_LARGE_CACHE_BLOCKS; i++)
		cache->passed[i] = 0;
}
