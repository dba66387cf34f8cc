// SPDX-License-Identifier: MIT
/* Filling and emptying caches, see cache.h. */
#include "malloc/cache.h"

#include <string.h>

#include "malloc/heap.h"
#include "vm/retain.h"

/* Blocks that a cache holds at first. */
#define FIRST_MAX ((size_t)4)

/* Blocks that it grows to hold where nothing is freed to it. */
#define REFILL_MAX ((size_t)16)

/* Bytes that a full cache of larger blocks holds. */
#define FULL_LEN  ((size_t)32 << 10)
#define MIN_LIMIT ((size_t)2)

/* The caches of a heap take no more than this part of what may be retained. */
#define CACHE_SHARE 16

void sf_cache_set_up(struct sf_cache *cache, unsigned class)
{
	size_t limit = FULL_LEN / sf_classes[class].size;

	limit = sf_max(sf_min(limit, (size_t)SF_CACHE_BLOCKS), MIN_LIMIT);
	cache->top = cache->blocks;
	cache->end = cache->blocks;
	cache->limit = (uint8_t)limit;
	cache->ran_dry = false;
}

/* Blocks that it may hold now. */
static size_t nr_held(const struct sf_cache *cache)
{
	return (size_t)(cache->end - cache->blocks);
}

/* Blocks in it. */
static size_t nr_blocks(const struct sf_cache *cache)
{
	return (size_t)(cache->top - cache->blocks);
}

/* The pages that a block may be all that keeps, in cells. */
static size_t cells_kept(unsigned class)
{
	size_t nr_pages = 1;

	if (!sf_class_is_fine(class))
		nr_pages = ((sf_classes[class].size - 1) >> sf_page_shift) + 2;
	return nr_pages << (sf_page_shift - SF_CELL_SHIFT);
}

/* A cache that is full and ran dry since is too small. */
static bool grow(struct sf_heap *heap, unsigned class)
{
	struct sf_cache *cache = &heap->caches[class];
	size_t now = nr_held(cache);
	size_t more = sf_max(now, FIRST_MAX);
	size_t bound = sf_retain_bound() / CACHE_SHARE >> SF_CELL_SHIFT;
	size_t cells;

	more = sf_min(more, cache->limit - now);
	cells = more * cells_kept(class);
	if (heap->nr_cached + cells > bound ||
	    !sf_retain_try(cells << SF_CELL_SHIFT))
		return false;
	heap->nr_cached += cells;
	cache->end += more;
	cache->ran_dry = false;
	return true;
}

/*
 * Put back the half that was freed first; of fine blocks nearly all where the
 * cache did not run dry since it was full.
 */
static void empty_some(struct sf_heap *heap, unsigned class)
{
	struct sf_cache *cache = &heap->caches[class];
	struct sf_cached *first = &cache->blocks[1];
	size_t nr = nr_blocks(cache);
	size_t nr_put = (nr + 1) / 2;

	if (!cache->ran_dry && sf_class_is_fine(class))
		nr_put = nr - nr / 8;

	sf_slab_put_all(heap, class, first, nr_put);
	memmove(first, first + nr_put, (nr - nr_put) * sizeof(*first));
	cache->top -= nr_put;
}

void sf_cache_overflow(struct sf_heap *heap, struct sf_slab *slab,
		       uintptr_t addr, _Atomic uint8_t *mark)
{
	struct sf_cache *cache = &heap->caches[slab->class];
	size_t now = nr_held(cache);

	if (now == cache->limit || (now > 0 && !cache->ran_dry) ||
	    !grow(heap, slab->class))
		empty_some(heap, slab->class);
	cache->ran_dry = false;
	if (!sf_cache_push(cache, addr, mark))
		sf_slab_put(heap, slab, addr);
	sf_heap_collect_many(heap);
}

/*
 * Take blocks of the bin's word, up to half of what the cache may hold, or all
 * of it, of fine blocks, where it was not full since it ran dry. The one with
 * the lowest address is taken next.
 */
static void fill(const struct sf_bin *bin, struct sf_cache *cache)
{
	size_t nr = nr_held(cache) / 2;
	uint64_t bits = sf_bits_get(bin->word);
	uintptr_t base = bin->base;
	size_t size = bin->size;
	struct sf_slab *slab = bin->slab;
	struct sf_cached *block;

	if (cache->ran_dry && sf_slab_is_fine(slab))
		nr = nr_held(cache);
	nr = sf_min(nr, (size_t)__builtin_popcountll(bits));
	cache->top = &cache->blocks[nr];
	for (block = cache->top; block > cache->blocks; block--) {
		uintptr_t addr = base + (size_t)__builtin_ctzll(bits) * size;

		block->block = (void *)addr;
		block->mark = sf_slab_mark_of(slab, addr);
		bits &= bits - 1;
	}
	sf_bits_set(bin->word, bits);
}

void *sf_cache_refill(struct sf_heap *heap, unsigned class)
{
	struct sf_cache *cache = &heap->caches[class];
	bool clean;
	void *block = sf_heap_take(heap, class, &clean);

	if (cache->ran_dry &&
	    nr_held(cache) < sf_min((size_t)cache->limit, REFILL_MAX))
		grow(heap, class);
	if (nr_held(cache) >= 2 && block != NULL &&
	    sf_pool_is_first((uintptr_t)block))
		fill(&heap->bins[class], cache);
	cache->ran_dry = true;
	return block;
}

void sf_cache_flush(struct sf_heap *heap)
{
	for (unsigned class = 0; class < SF_NR_CLASSES; class ++) {
		struct sf_cache *cache = &heap->caches[class];

		sf_slab_put_all(heap, class, &cache->blocks[1],
				nr_blocks(cache));
		sf_cache_set_up(cache, class);
	}
	sf_retain_end(heap->nr_cached << SF_CELL_SHIFT);
	heap->nr_cached = 0;
}
