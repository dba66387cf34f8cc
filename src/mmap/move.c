// SPDX-License-Identifier: MIT
/* Moving maps by the kernel, see move.h. */
#include "mmap/move.h"

#include <errno.h>
#include <sys/mman.h>

#include "mmap/alter.h"
#include "mmap/count.h"
#include "mmap/family.h"
#include "mmap/rescue.h"
#include "os/limit.h"
#include "os/maps.h"

/* Enough to move a map in parts; how often to try to move one back. */
#define MANY_SPARE 1024
#define MAX_TRIES  64

long sf_move_call(const struct sf_remap *remap)
{
	return sf_page_call_remap(remap->addr, remap->old_len, remap->len,
				  remap->flags, remap->to);
}

long sf_move_call_anywhere(const struct sf_remap *remap)
{
	long result = sf_move_call(remap);

	if (!sf_page_is_error(result))
		sf_mmap_adopt_locked((uintptr_t)result, remap->len);
	return result;
}

/* The source became a hole, which must not stay one. */
static void fill(const struct sf_extent *source)
{
	sf_alter_fill(source);
	sf_mmap_count_released(sf_extent_len(source));
}

long sf_move_away(const struct sf_remap *remap, const struct sf_extent *source)
{
	long result;

	sf_space_lock();
	result = sf_mmap_protect_marked(source);
	sf_alter_note(source, SF_ALTER_REPLACED);
	if (result == 0)
		result = sf_move_call_anywhere(remap);
	if (!sf_page_is_error(result)) {
		fill(source);
		sf_mmap_count(SF_MMAP_MOVED_KERNEL, 1);
	}
	sf_space_unlock();
	return result;
}

/*
 * What is one mapping to the program can be several: pieces that were renewed
 * do not always merge with their neighbours. The kernel moves several only
 * since 6.17, and grows none.
 */

static long move_parts(const struct sf_remap *remap);

/* The last part grows, and goes first: if refused, nothing has moved. */
static long move_two(const struct sf_remap *remap)
{
	size_t pages = remap->old_len >> sf_page_shift;
	size_t nr = remap->len > remap->old_len ? pages - 1 : pages / 2;
	size_t len = nr << sf_page_shift;
	struct sf_remap head = { remap->addr, len, len, remap->flags,
				 remap->to };
	struct sf_remap tail = { remap->addr + len, remap->old_len - len,
				 remap->len - len, remap->flags,
				 remap->to + len };
	struct sf_remap back = { tail.to, tail.old_len, tail.old_len,
				 MREMAP_MAYMOVE | MREMAP_FIXED, tail.addr };
	long result = move_parts(&tail);
	long returned = -ENOMEM;

	if (sf_page_is_error(result))
		return result;
	result = move_parts(&head);
	if (!sf_page_is_error(result))
		return result;
	/* Others may take mappings, but for a moment. */
	for (int i = 0; i < MAX_TRIES && sf_page_is_error(returned); i++)
		returned = move_parts(&back);
	return result;
}

/* As deep as a number of pages has bits. */
static long move_parts(const struct sf_remap *remap)
{
	long result = sf_move_call(remap);

	if (result == -EFAULT && remap->old_len > sf_page_size)
		result = move_two(remap);
	return result;
}

long sf_move_grow_here(const struct sf_remap *remap)
{
	long result = sf_move_call_anywhere(remap);

	if (result == -EFAULT &&
	    sf_maps_alike(remap->addr, remap->addr + remap->old_len))
		result = -ENOMEM;
	return result;
}

/* Or a part could be moved, the next be refused, and the first not go back. */
static bool many_spare(void)
{
	size_t nr;
	size_t max;

	return sf_maps_count(0, &nr) == 0 && sf_limit_mappings(&max) == 0 &&
	       nr + MANY_SPARE < max;
}

/* Of several protections: the program must not see that it can be done. */
static long move(const struct sf_remap *remap)
{
	long result = sf_move_call(remap);

	if (result != -EFAULT || remap->old_len == sf_page_size ||
	    !sf_maps_alike(remap->addr, remap->addr + remap->old_len))
		return result;
	return many_spare() ? move_two(remap) : -ENOMEM;
}

long sf_move_altered(const struct sf_remap *remap,
		     const struct sf_extent *source)
{
	struct sf_remap there = *remap;
	struct sf_extent to;
	long result;

	if (sf_mmap_take(remap->len >> sf_page_shift, 0, &to) != 0)
		return -ENOMEM;
	sf_alter_note(&to, SF_ALTER_REPLACED);
	sf_alter_note(source, SF_ALTER_REPLACED);
	there.flags |= MREMAP_FIXED;
	there.to = sf_extent_addr(&to);
	result = move(&there);
	if (sf_page_is_error(result)) {
		sf_mmap_unmap_ours(&to, true);
		return result;
	}
	sf_mmap_replaced(there.to, there.to + there.len);
	fill(source);
	sf_mmap_count(SF_MMAP_MOVED_KERNEL, 1);
	return (long)there.to;
}

/*
 * The kernel unmaps the target first, and what it refuses then leaves a hole:
 * to the program as well.
 */
static void drop_holes(uintptr_t addr, uintptr_t end)
{
	struct sf_piece piece;

	if (sf_rescue_overlaps(addr, end))
		sf_rescue_forget_holes();
	for (; addr < end; addr = piece.end) {
		struct sf_extent rest;
		struct sf_extent run;

		piece = sf_piece_at(addr, end);
		if (piece.kind != SF_PIECE_OURS)
			continue;
		rest = sf_piece_extent(&piece);
		while (rest.nr > 0) {
			if (sf_space_live_run(&rest, &run))
				sf_alter_drop_holes(&run);
			rest.first += run.nr;
			rest.nr -= run.nr;
		}
	}
}

/* source: NULL, or all of it, without holes. */
static long move_fixed(const struct sf_remap *remap,
		       const struct sf_extent *source)
{
	long result = sf_mmap_claim(remap->to, remap->to + remap->len);

	if (result != 0)
		return result;
	if (source != NULL)
		sf_alter_note(source, SF_ALTER_REPLACED);
	result = source != NULL ? move(remap) : sf_move_call(remap);
	if (sf_page_is_error(result)) {
		sf_mmap_unclaim();
		drop_holes(remap->to, remap->to + remap->len);
		return result;
	}
	sf_mmap_replaced(remap->to, remap->to + remap->len);
	if (source != NULL && (remap->flags & SF_MREMAP_DONTUNMAP) == 0)
		fill(source);
	else if (source != NULL)
		sf_space_forget_tables(source);
	return (long)remap->to;
}

long sf_move_kernels(const struct sf_remap *remap)
{
	return move_fixed(remap, NULL);
}

/* Each run of live pages; what is beside them there stays, as here. */
static long move_runs(const struct sf_remap *remap,
		      const struct sf_extent *source)
{
	struct sf_extent rest = *source;
	size_t end = rest.first + rest.nr;
	long result = 0;

	while (rest.nr > 0 && !sf_page_is_error(result)) {
		struct sf_extent run;
		bool live = sf_space_live_run(&rest, &run);
		size_t len = sf_extent_len(&run);
		uintptr_t addr = sf_extent_addr(&run);
		struct sf_remap part = { addr, len, len, remap->flags,
					 addr - remap->addr + remap->to };

		if (live)
			result = move_fixed(&part, &run);
		rest.first = run.first + run.nr;
		rest.nr = end - rest.first;
	}
	return sf_page_is_error(result) ? result : (long)remap->to;
}

long sf_move_ours(const struct sf_remap *remap, const struct sf_extent *source)
{
	struct sf_extent run;
	struct sf_extent tail;
	struct sf_remap head = *remap;
	struct sf_extent kept = *source;
	long result;

	/* What is cut off need not be moved, and may have holes. */
	head.old_len = sf_min(remap->old_len, remap->len);
	kept.nr = head.old_len >> sf_page_shift;
	tail = (struct sf_extent){ source->region, source->first + kept.nr,
				   source->nr - kept.nr };
	sf_space_live_run(&kept, &run);
	if (run.nr < kept.nr && remap->len != remap->old_len)
		return -EFAULT;
	result = run.nr < kept.nr ? move_runs(&head, &kept) :
				    move_fixed(&head, &kept);
	if (!sf_page_is_error(result) && tail.nr > 0)
		sf_mmap_unmap_ours(&tail, true);
	return result;
}
