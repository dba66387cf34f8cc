// SPDX-License-Identifier: MIT
/* The block that an address is of, see lookup.h. */
#include "malloc/lookup.h"

#include "malloc/large.h"

/* The start of the block of a slab that is at an offset or ends before it. */
static size_t start_in_slab(const struct sf_slab *slab, size_t offset)
{
	const struct sf_class *class = &sf_classes[slab->class];
	size_t per_span = class->nr_blocks;
	size_t span = 0;

	if (sf_slab_is_fine(slab)) {
		per_span = class->nr_blocks / class->nr_cells;
		span = sf_min(offset >> SF_CELL_SHIFT, class->nr_cells - 1u);
	}
	offset -= span << SF_CELL_SHIFT;
	offset -= sf_min(offset, class->first_at);
	return (span << SF_CELL_SHIFT) + class->first_at +
	       sf_min(offset / slab->size, per_span - 1) * slab->size;
}

static bool look_up_small(struct sf_slab *slab, uintptr_t addr,
			  struct sf_lookup *out)
{
	size_t start = start_in_slab(slab, addr - slab->addr);
	unsigned cells = sf_slab_cells(slab, start);
	bool used = sf_slab_find_used(slab, slab->addr + start) != NULL;

	*out = (struct sf_lookup){
		.addr = slab->addr + start,
		.len = slab->size,
		.is_small = true,
		.is_used = used,
		.is_new = !used && (slab->clean & cells) == cells,
	};
	return true;
}

bool sf_lookup_used_before(struct sf_lookup *found)
{
	struct sf_slab *slab = sf_slab_of(sf_pool_of(found->addr), found->addr);
	struct sf_lookup at = *found;
	uintptr_t last;

	do {
		last = at.addr;
		if (last == slab->addr)
			return false;
		look_up_small(slab, last - 1, &at);
	} while (!at.is_used && at.addr < last);
	if (!at.is_used)
		return false;
	*found = at;
	return true;
}

/* Its first page has the length: the nearest one before. */
static bool look_up_large(const struct sf_pool *pool, uintptr_t addr,
			  struct sf_lookup *out)
{
	uintptr_t page = sf_align_down(addr, sf_page_size);

	for (; page >= pool->base; page -= sf_page_size) {
		size_t len;

		if (sf_lookup_is_small(sf_slab_of(pool, page)))
			return false;
		len = sf_large_len(pool, page);
		*out = (struct sf_lookup){ page, len, false, true, false };
		if (len != 0)
			return addr - page < len;
	}
	return false;
}

bool sf_lookup(uintptr_t addr, struct sf_lookup *out)
{
	struct sf_pool *pool = sf_pool_of(addr);
	struct sf_slab *slab;

	if (pool == NULL)
		return false;
	slab = sf_slab_of(pool, addr);
	if (sf_lookup_is_small(slab))
		return look_up_small(slab, addr, out);
	return look_up_large(pool, addr, out);
}
