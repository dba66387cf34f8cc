// SPDX-License-Identifier: MIT
/* Unmapping where the kernel refuses to, see rescue.h. */
#include "mmap/rescue.h"

#include <errno.h>

#include "base/option.h"
#include "mmap/count.h"
#include "mmap/ranges.h"
#include "os/limit.h"
#include "os/maps.h"
#include "os/probe.h"
#include "vm/account.h"

/* Calls between two looks at what is spare, and what is then enough. */
#define MIN_PAUSE  64
#define MAX_PAUSE  4096
#define MANY_SPARE 4096
#define NR_RETRIED 256

static struct sf_ranges remembered;

bool sf_rescue_any(void)
{
	return SF_UNLIKELY(sf_ranges_nr(&remembered) > 0);
}

bool sf_rescue_overlaps(uintptr_t addr, uintptr_t end)
{
	return sf_rescue_any() &&
	       sf_ranges_find(&remembered, addr, end) != NULL;
}

bool sf_rescue_covers(uintptr_t addr, uintptr_t end)
{
	const struct sf_range *range = NULL;

	if (sf_rescue_any())
		range = sf_ranges_find(&remembered, addr, end);
	return range != NULL && range->start <= addr && range->end >= end;
}

void sf_rescue_split(struct sf_piece *piece)
{
	const struct sf_range *range;

	if (!sf_rescue_any() || piece->kind != SF_PIECE_KERNEL)
		return;
	range = sf_ranges_find(&remembered, piece->start, piece->end);
	if (range == NULL)
		return;
	if (range->start > piece->start) {
		piece->end = range->start;
		return;
	}
	piece->kind = SF_PIECE_GONE;
	piece->end = sf_min(piece->end, range->end);
}

struct sf_piece sf_rescue_piece(uintptr_t addr, uintptr_t end)
{
	struct sf_piece piece = sf_piece_at(addr, end);

	if (sf_rescue_any()) {
		sf_space_lock();
		sf_rescue_split(&piece);
		sf_space_unlock();
	}
	return piece;
}

void sf_rescue_forget(uintptr_t addr, uintptr_t end)
{
	if (sf_rescue_any())
		sf_ranges_cut(&remembered, addr, end);
}

/* Whether nothing at all is there; false also when that can't be told. */
static bool is_hole(uintptr_t addr, size_t len)
{
	return sf_page_reserve_at(addr, len) == 0 &&
	       sf_page_unmap(addr, len) == 0;
}

static void forget_holes(uintptr_t addr, uintptr_t end)
{
	size_t len = end - addr;
	size_t half_len = sf_align_down(len / 2, sf_page_size);

	if (sf_page_is_mapped(addr, len))
		return;
	if (half_len == 0 || is_hole(addr, len)) {
		sf_ranges_cut(&remembered, addr, end);
		return;
	}
	forget_holes(addr, addr + half_len);
	forget_holes(addr + half_len, end);
}

void sf_rescue_forget_holes(void)
{
	const struct sf_range *found;
	struct sf_range range = { 0, 0 };

	if (!sf_rescue_any())
		return;
	while ((found = sf_ranges_find(&remembered, range.end, UINTPTR_MAX)) !=
	       NULL) {
		range = *found;
		forget_holes(range.start, range.end);
	}
}

/* When it can't be, the addresses are lost, the memory is not. */
void sf_rescue_remember(uintptr_t addr, uintptr_t end)
{
	if (sf_ranges_add(&remembered, addr, end))
		return;
	sf_count(SF_COUNT_STUCK, 1);
	sf_count(SF_COUNT_STUCK_LEN, end - addr);
}

void sf_rescue_prepare(void)
{
	sf_ranges_prepare(&remembered);
}

size_t sf_rescue_nr(void)
{
	return sf_ranges_nr(&remembered);
}

size_t sf_rescue_len(void)
{
	return sf_ranges_len(&remembered);
}

/* Unmap what is remembered for good. Whether the kernel did. */
static bool really_unmap(struct sf_range range)
{
	if (sf_page_unmap(range.start, range.end - range.start) != 0)
		return false;
	sf_ranges_cut(&remembered, range.start, range.end);
	return true;
}

void sf_rescue_retry(uintptr_t addr, uintptr_t end)
{
	const struct sf_range *range;

	while (sf_rescue_any() && addr < end &&
	       (range = sf_ranges_find(&remembered, addr, end)) != NULL) {
		addr = range->end;
		really_unmap(*range);
	}
}

/* Try what touches addr, where a hole begins or ends. */
static void retry_at(uintptr_t addr)
{
	const struct sf_range *range = sf_ranges_find(&remembered, addr - 1,
						      addr + 1);

	if (range != NULL)
		really_unmap(*range);
}

/*
 * What lies in the middle of a mapping takes one more when it is unmapped, and
 * those that the program frees are its own. So only where many are spare, as
 * seen by counting, which takes long where they are many: the less often, the
 * less it helped.
 */
static void retry_some(void)
{
	static size_t nr_calls;
	static size_t pause = MIN_PAUSE;
	struct sf_range range;
	size_t nr;
	size_t max;

	if (++nr_calls < pause)
		return;
	nr_calls = 0;
	pause = sf_min(2 * pause, MAX_PAUSE);
	if (sf_maps_count(0, &nr) != 0 || sf_limit_mappings(&max) != 0 ||
	    nr + MANY_SPARE > max)
		return;
	pause = MIN_PAUSE;
	for (int i = 0; i < NR_RETRIED; i++)
		if (!sf_ranges_next(&remembered, &range) ||
		    !really_unmap(range))
			break;
}

/* [addr, end) is unmapped: its neighbours can be now, and perhaps others. */
static void retry(uintptr_t addr, uintptr_t end)
{
	sf_ranges_cut(&remembered, addr, end);
	retry_at(addr);
	retry_at(end);
	if (sf_rescue_any())
		retry_some();
}

/* With what is remembered beside it, the range may be an end of a mapping. */
static bool unmap_with_neighbours(uintptr_t addr, uintptr_t end)
{
	struct sf_range all = { addr, end };
	const struct sf_range *range;

	range = sf_ranges_find(&remembered, addr - 1, addr + 1);
	if (range != NULL)
		all.start = sf_min(all.start, range->start);
	range = sf_ranges_find(&remembered, end - 1, end + 1);
	if (range != NULL)
		all.end = sf_max(all.end, range->end);
	if (all.start == addr && all.end == end)
		return false;
	return really_unmap(all);
}

/* Whether a page was touched that shares a page table with this one. */
static bool has_table(uintptr_t addr, uintptr_t end, uintptr_t page)
{
	size_t table_len = SF_LEAF_PAGES << sf_page_shift;
	uintptr_t start = sf_align_down(page, table_len);

	addr = sf_max(addr, start);
	end = sf_min(end, start + table_len);
	return sf_page_any_resident(addr, end - addr);
}

/*
 * Give the pages back where they are. Of shared memory and files that drops
 * only our use of it. What can't be discarded can't be marked either.
 */
static void release_in_place(uintptr_t addr, uintptr_t end)
{
	size_t len = end - addr;
	struct sf_release release = {
		.addr = addr,
		.len = len,
		.table_len = SF_LEAF_PAGES << sf_page_shift,
		.trap = sf_option(SF_OPTION_TRAP) &&
			sf_probe_has(SF_FEATURE_GUARD),
		.head_table = has_table(addr, end, addr),
		.tail_table = has_table(addr, end, end - sf_page_size),
	};

	if (sf_page_discard(addr, len) == 0 ||
	    sf_page_discard_locked(addr, len) == 0)
		sf_release(&release);
}

int sf_rescue_unmap(uintptr_t addr, uintptr_t end)
{
	int err = sf_page_unmap(addr, end - addr);

	if (err == 0) {
		if (sf_rescue_any())
			retry(addr, end);
		return 0;
	}
	if (err != -ENOMEM)
		return err;
	sf_mmap_count(SF_MMAP_RESCUED, 1);
	sf_mmap_count(SF_MMAP_RESCUED_LEN, end - addr);
	if (sf_rescue_any() && unmap_with_neighbours(addr, end))
		return 0;
	release_in_place(addr, end);
	sf_rescue_remember(addr, end);
	return 0;
}
