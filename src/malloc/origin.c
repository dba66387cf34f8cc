// SPDX-License-Identifier: MIT
/* Who allocated and who freed blocks, see origin.h. */
#include "malloc/origin.h"

#include "malloc/array.h"
#include "malloc/stacks.h"

#define GRAIN_SHIFT 4

static bool is_on;

/* Protects growing; entries are written by whoever has the block. */
static struct sf_lock lock;
static struct sf_array arrays[SF_MAX_REGIONS]; /* as sf_pools */

void sf_origin_lock(void)
{
	sf_lock_acquire(&lock, SF_RANK_MODE);
}

void sf_origin_unlock(void)
{
	sf_lock_release(&lock, SF_RANK_MODE);
}

void sf_origin_init(void)
{
	is_on = true;
}

static bool grow_locked(struct sf_array *array, const struct sf_pool *pool,
			size_t len)
{
	size_t region_len = pool->region->nr_pages << sf_page_shift;
	size_t max_len = (region_len >> GRAIN_SHIFT) * sizeof(struct sf_origin);

	if (array->max_len == 0 &&
	    sf_array_open(array, sf_align_up(max_len, sf_page_size)) != 0)
		return false;
	return sf_array_grow(array, len);
}

/* The entry of a block, or NULL. */
static struct sf_origin *entry_of(uintptr_t addr)
{
	const struct sf_pool *pool = sf_pool_of(addr);
	struct sf_array *array;
	size_t i;
	bool ok;

	if (pool == NULL)
		return NULL;
	array = &arrays[pool - sf_pools];
	i = (addr - pool->base) >> GRAIN_SHIFT;
	sf_origin_lock();
	ok = grow_locked(array, pool, (i + 1) * sizeof(struct sf_origin));
	sf_origin_unlock();
	return ok ? (struct sf_origin *)array->base + i : NULL;
}

void sf_origin_taken(uintptr_t addr)
{
	struct sf_origin *entry = is_on ? entry_of(addr) : NULL;

	if (entry != NULL)
		*entry = (struct sf_origin){ sf_stacks_take(), 0 };
}

void sf_origin_freed(uintptr_t addr)
{
	struct sf_origin *entry = is_on ? entry_of(addr) : NULL;

	if (entry != NULL)
		entry->freed_by = sf_stacks_take();
}

struct sf_origin sf_origin_get(uintptr_t addr)
{
	struct sf_origin *entry = is_on ? entry_of(addr) : NULL;

	return entry != NULL ? *entry : (struct sf_origin){ 0, 0 };
}
