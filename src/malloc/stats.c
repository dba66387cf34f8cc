// SPDX-License-Identifier: MIT
/* Counting blocks, see stats.h. */
#include "malloc/stats.h"

#include <surefree.h>

#include "malloc/headers.h"
#include "malloc/mode.h"
#include "malloc/threads.h"
#include "vm/retain.h"

static size_t count_used(const struct sf_slab *slab)
{
	size_t end = SF_SLAB_LEN >> slab->slot_shift;
	size_t sum = 0;

	/* Just so many, whatever class the slab is of meanwhile. */
	end = sf_min(end, SF_NR_SLOTS);
	for (size_t i = 0; i < end; i++)
		sum += sf_mark_get(&slab->marks[i]) == SF_MARK_USED;
	return sum;
}

static void add_slab(const struct sf_slab *slab, struct sf_malloc_stats *out)
{
	const struct sf_class *class = &sf_classes[slab->class];
	struct sf_malloc_class *count = &out->classes[slab->class];
	/* Other threads go on: blocks are counted at slightly different times,
	   and the slab may be another class's meanwhile. */
	size_t nr_used = sf_min(count_used(slab), class->nr_blocks);

	count->nr_slabs++;
	count->nr_used += nr_used;
	count->nr_free += class->nr_blocks - nr_used;
	out->slab_len += SF_SLAB_LEN;
	out->used_len += nr_used * class->size;
}

static void add_pool(struct sf_pool *pool, struct sf_malloc_stats *out)
{
	size_t slab_len = out->slab_len;
	size_t nr_pages;
	size_t nr_units;
	size_t used_len;

	sf_region_lock(pool->region);
	nr_pages = sf_min(pool->region->frontier,
			  sf_pool_len(pool) >> sf_page_shift);
	used_len = pool->region->nr_used << sf_page_shift;
	sf_region_unlock(pool->region);
	out->header_len += sf_headers_len(pool);

	nr_units = (nr_pages << sf_page_shift) >> SF_UNIT_SHIFT;
	for (size_t i = 0; i < nr_units; i++) {
		const struct sf_slab *slab = &pool->slabs[i];

		if (atomic_load_explicit(&slab->owner, memory_order_acquire) !=
		    NULL)
			add_slab(slab, out);
	}
	slab_len = out->slab_len - slab_len;
	used_len -= sf_min(slab_len, used_len);
	out->large_len += used_len;
	out->used_len += used_len;
}

/* Large blocks that are free, in the heaps' caches. */
static size_t cached_len(void)
{
	size_t len = 0;

	for (struct sf_heap *h = sf_threads_first(); h != NULL; h = h->next)
		len += sf_large_cache_len(&h->large);
	return len;
}

void sf_malloc_stats(struct sf_malloc_stats *out)
{
	size_t cached;

	__builtin_memset(out, 0, sizeof(*out));
	sf_heap_init();
	for (size_t i = 0; i < SF_MAX_REGIONS; i++)
		if (sf_pool_len(&sf_pools[i]) != 0)
			add_pool(&sf_pools[i], out);
	cached = sf_min(cached_len(), out->large_len);
	out->large_len -= cached;
	out->used_len -= cached;
	if (sf_mode != NULL)
		out->used_len += sf_mode->used_len();
	out->retained_len = sf_retain_len();
	for (struct sf_heap *h = sf_threads_first(); h != NULL; h = h->next)
		out->nr_heaps += h->in_use;
}

/*
 * Without a walk
 */

static void account_pool(struct sf_pool *pool, struct surefree_stats *out)
{
	out->metadata_len += sf_headers_len(pool);
	sf_region_lock(pool->region);
	out->malloc_len += pool->region->nr_used << sf_page_shift;
	out->malloc_peak_len += pool->peak << sf_page_shift;
	sf_region_unlock(pool->region);
	out->nr_mappings += SF_POOL_MAPPINGS;
}

void sf_malloc_account(struct surefree_stats *out)
{
	size_t nr_slabs = sf_heap_nr_slabs(&sf_heap_common);
	size_t cached;

	for (size_t i = 0; i < SF_MAX_REGIONS; i++)
		if (sf_pool_len(&sf_pools[i]) != 0)
			account_pool(&sf_pools[i], out);
	cached = sf_min(cached_len(), out->malloc_len);
	out->malloc_len -= cached;
	out->used_len -= sf_min(cached, out->used_len);
	for (struct sf_heap *h = sf_threads_first(); h != NULL; h = h->next) {
		nr_slabs += sf_heap_nr_slabs(h);
		out->nr_heaps += h->in_use;
	}
	out->malloc_large_len = out->malloc_len -
				sf_min(nr_slabs * SF_SLAB_LEN, out->malloc_len);
}

void sf_malloc_classes(struct surefree_class_stats *out, size_t nr)
{
	struct sf_malloc_stats stats;

	sf_malloc_stats(&stats);
	for (size_t i = 0; i < sf_min(nr, SF_NR_CLASSES); i++)
		out[i] = (struct surefree_class_stats){
			.block_len = sf_classes[i].size,
			.nr_slabs = stats.classes[i].nr_slabs,
			.nr_used = stats.classes[i].nr_used,
			.nr_free = stats.classes[i].nr_free,
		};
}
