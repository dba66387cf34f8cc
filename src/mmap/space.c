// SPDX-License-Identifier: MIT
/* Whose an address is, see space.h. */
#include "mmap/space.h"

#include "os/signals.h"
#include "os/sys.h"
#include "vm/state.h"

static struct sf_lock lock;

static uint64_t signals; /* of the thread that holds it */

/* Around fork() one thread owns all locks, and holds signals back already. */

void sf_space_lock(void)
{
	uint64_t mask;

	if (sf_lock_owns_all())
		return;
	mask = sf_signals_block();
	sf_lock_acquire(&lock, SF_RANK_MMAP);
	signals = mask;
}

void sf_space_unlock(void)
{
	uint64_t mask = signals;

	if (sf_lock_owns_all())
		return;
	sf_lock_release(&lock, SF_RANK_MMAP);
	sf_signals_restore(mask);
}

bool sf_space_is_range(uintptr_t addr, size_t len)
{
	uintptr_t end = addr + len;

	return (addr & (sf_page_size - 1)) == 0 && len > 0 && end > addr &&
	       end <= SF_ARCH_ADDRESS_END;
}

bool sf_space_overlaps(uintptr_t addr, uintptr_t end)
{
	size_t nr = sf_state_nr_regions();

	for (size_t i = 0; i < nr; i++) {
		const struct sf_region *region = sf_state_region(i);

		if (addr < region->end && end > region->start)
			return true;
	}
	return false;
}

struct sf_region *sf_space_find(uintptr_t addr, size_t len)
{
	struct sf_region *region = sf_state_find(addr, len);

	return region != NULL && region->kind == SF_REGION_MAP ? region : NULL;
}

/* Cut a piece of a region for maps: data is ours, what is around it is not. */
static struct sf_piece cut_region(struct sf_region *region, uintptr_t addr,
				  uintptr_t end)
{
	struct sf_piece piece = { SF_PIECE_OTHER, addr, end, region };
	uintptr_t data_end = region->base + (region->nr_pages << sf_page_shift);

	if (region->kind != SF_REGION_MAP || addr >= data_end)
		return piece;
	if (addr < region->base) {
		piece.end = sf_min(end, region->base);
		return piece;
	}
	piece.kind = SF_PIECE_OURS;
	piece.end = sf_min(end, data_end);
	return piece;
}

struct sf_piece sf_piece_at(uintptr_t addr, uintptr_t end)
{
	struct sf_piece piece = { SF_PIECE_KERNEL, addr, end, NULL };
	size_t nr = sf_state_nr_regions();

	for (size_t i = 0; i < nr; i++) {
		struct sf_region *region = sf_state_region(i);
		uintptr_t region_end = region->end;

		if (addr >= region->start && addr < region_end)
			return cut_region(region, addr,
					  sf_min(end, region_end));
		if (region->start > addr)
			piece.end = sf_min(piece.end, region->start);
	}
	return piece;
}

struct sf_extent sf_piece_extent(const struct sf_piece *piece)
{
	return (struct sf_extent){
		piece->region,
		sf_region_page(piece->region, piece->start),
		(piece->end - piece->start) >> sf_page_shift,
	};
}

static unsigned find_run(const struct sf_extent *extent, unsigned plane,
			 struct sf_extent *run)
{
	struct sf_region *region = extent->region;
	const struct sf_tree *tree = &region->tree;
	size_t first = extent->first;
	size_t end = first + extent->nr;
	unsigned planes;

	sf_region_lock(region);
	planes = sf_tree_planes(tree, first) & (SF_LIVE | SF_QUIET | SF_MARKED);
	if ((planes & SF_LIVE) == 0)
		planes = 0;
	end = sf_tree_next(tree, first, end, SF_LIVE, planes == 0);
	if (planes != 0)
		end = sf_tree_next(tree, first, end, plane,
				   (planes & plane) == 0);
	if (planes != 0 && sf_tree_any(tree, first, end - first, SF_MARKED))
		planes |= SF_MARKED;
	if (planes != 0 && sf_tree_any(tree, first, end - first, SF_QUIET))
		planes |= SF_QUIET;
	sf_region_unlock(region);
	*run = (struct sf_extent){ region, first, end - first };
	return planes;
}

unsigned sf_space_run(const struct sf_extent *extent, struct sf_extent *run)
{
	return find_run(extent, SF_QUIET, run);
}

unsigned sf_space_marked_run(const struct sf_extent *extent,
			     struct sf_extent *run)
{
	return find_run(extent, SF_MARKED, run);
}

bool sf_space_live_run(const struct sf_extent *extent, struct sf_extent *run)
{
	const struct sf_tree *tree = &extent->region->tree;
	size_t end = extent->first + extent->nr;
	bool live;

	sf_region_lock(extent->region);
	live = (sf_tree_planes(tree, extent->first) & SF_LIVE) != 0;
	end = sf_tree_next(tree, extent->first, end, SF_LIVE, !live);
	sf_region_unlock(extent->region);
	*run = (struct sf_extent){ extent->region, extent->first,
				   end - extent->first };
	return live;
}

bool sf_space_any_live(const struct sf_extent *extent)
{
	bool any;

	sf_region_lock(extent->region);
	any = sf_tree_any(&extent->region->tree, extent->first, extent->nr,
			  SF_LIVE);
	sf_region_unlock(extent->region);
	return any;
}

/* Others may have been unmapped meanwhile, without the family's lock. */
static void change_live(const struct sf_extent *extent, unsigned planes,
			void (*change)(struct sf_tree *tree, size_t first,
				       size_t nr, unsigned planes))
{
	struct sf_tree *tree = &extent->region->tree;
	size_t end = extent->first + extent->nr;
	size_t page = extent->first;

	sf_region_lock(extent->region);
	while ((page = sf_tree_next(tree, page, end, SF_LIVE, true)) < end) {
		size_t stop = sf_tree_next(tree, page, end, SF_LIVE, false);

		change(tree, page, stop - page, planes);
		page = stop;
	}
	sf_region_unlock(extent->region);
}

void sf_space_set(const struct sf_extent *extent, unsigned planes)
{
	change_live(extent, planes, sf_tree_set);
}

void sf_space_clear(const struct sf_extent *extent, unsigned planes)
{
	change_live(extent, planes, sf_tree_clear);
}

void sf_space_note_tables(const struct sf_extent *extent)
{
	sf_region_lock(extent->region);
	sf_tree_note_tables(&extent->region->tree, extent->first, extent->nr);
	sf_region_unlock(extent->region);
}

void sf_space_forget_tables(const struct sf_extent *extent)
{
	sf_region_lock(extent->region);
	sf_tree_forget_all_tables(&extent->region->tree, extent->first,
				  extent->nr);
	sf_region_unlock(extent->region);
}

void sf_space_adopt(const struct sf_extent *extent)
{
	struct sf_region *region = extent->region;

	sf_region_lock(region);
	sf_tree_set(&region->tree, extent->first, extent->nr,
		    SF_LIVE | SF_QUIET);
	region->nr_used += extent->nr;
	sf_region_unlock(region);
}
