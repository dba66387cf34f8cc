// SPDX-License-Identifier: MIT
/* Tables of address ranges, see ranges.h. */
#include "mmap/ranges.h"

#include "base/log.h"
#include "vm/extent.h"

static void set_nr(struct sf_ranges *ranges, size_t nr)
{
	/* Relaxed: see sf_ranges_nr(). */
	atomic_store_explicit(&ranges->nr, nr, memory_order_relaxed);
}

/* The first range that ends at addr or behind it, or nr. */
static size_t first_from(const struct sf_ranges *ranges, uintptr_t addr)
{
	size_t low = 0;
	size_t high = sf_ranges_nr(ranges);

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (ranges->range[middle].end < addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct sf_range *sf_ranges_find(const struct sf_ranges *ranges,
				      uintptr_t addr, uintptr_t end)
{
	size_t i = first_from(ranges, addr + 1);

	if (i == sf_ranges_nr(ranges) || ranges->range[i].start >= end)
		return NULL;
	return &ranges->range[i];
}

/* Twice as large, in an extent. */
static bool grow(struct sf_ranges *ranges)
{
	size_t nr = sf_ranges_nr(ranges);
	size_t old_len = ranges->max * sizeof(struct sf_range);
	struct sf_extent old;
	struct sf_extent extent;

	if (ranges->max == 0) {
		ranges->range = ranges->first;
		ranges->max = SF_RANGES_FIRST;
		return true;
	}
	if (sf_extent_map(SF_REGION_NORMAL, sf_extent_pages(2 * old_len), 1, 0,
			  &extent) != 0)
		return false;
	__builtin_memcpy((void *)sf_extent_addr(&extent), ranges->range,
			 nr * sizeof(struct sf_range));
	if (ranges->range != ranges->first) {
		sf_extent_find("munmap", ranges->range, old_len, false, &old);
		sf_extent_unmap("munmap", &old);
	}
	ranges->range = (struct sf_range *)sf_extent_addr(&extent);
	ranges->max = sf_extent_len(&extent) / sizeof(struct sf_range);
	return true;
}

/* Put nr_new ranges in the place of those from first to last - 1. */
static bool replace(struct sf_ranges *ranges, size_t first, size_t last,
		    const struct sf_range *new, size_t nr_new)
{
	size_t nr = sf_ranges_nr(ranges);

	if (nr + nr_new > ranges->max + (last - first) && !grow(ranges))
		return false;
	__builtin_memmove(&ranges->range[first + nr_new], &ranges->range[last],
			  (nr - last) * sizeof(*new));
	for (size_t i = 0; i < nr_new; i++)
		ranges->range[first + i] = new[i];
	set_nr(ranges, nr - (last - first) + nr_new);
	return true;
}

bool sf_ranges_add(struct sf_ranges *ranges, uintptr_t addr, uintptr_t end)
{
	size_t first = first_from(ranges, addr);
	size_t last = first;
	struct sf_range new = { addr, end };

	for (; last < sf_ranges_nr(ranges); last++) {
		const struct sf_range *range = &ranges->range[last];

		if (range->start > end)
			break;
		new.start = sf_min(new.start, range->start);
		new.end = sf_max(new.end, range->end);
	}
	return replace(ranges, first, last, &new, 1);
}

void sf_ranges_cut(struct sf_ranges *ranges, uintptr_t addr, uintptr_t end)
{
	size_t first = first_from(ranges, addr + 1);
	size_t last = first;
	struct sf_range rest[2];
	size_t nr = 0;

	for (; last < sf_ranges_nr(ranges); last++) {
		struct sf_range range = ranges->range[last];

		if (range.start >= end)
			break;
		if (range.start < addr)
			rest[nr++] = (struct sf_range){ range.start, addr };
		if (range.end > end)
			rest[nr++] = (struct sf_range){ end, range.end };
	}
	if (first == last)
		return;
	if (!replace(ranges, first, last, rest, nr))
		replace(ranges, first, last, rest, nr - 1);
}

bool sf_ranges_next(struct sf_ranges *ranges, struct sf_range *out)
{
	size_t nr = sf_ranges_nr(ranges);

	if (nr == 0)
		return false;
	*out = ranges->range[ranges->turn++ % nr];
	return true;
}

void sf_ranges_prepare(struct sf_ranges *ranges)
{
	volatile struct sf_range *first = ranges->first;

	for (size_t i = 0; i < SF_RANGES_FIRST; i++)
		first[i].start = 0;
}

size_t sf_ranges_len(const struct sf_ranges *ranges)
{
	size_t len = 0;

	for (size_t i = 0; i < sf_ranges_nr(ranges); i++)
		len += ranges->range[i].end - ranges->range[i].start;
	return len;
}

void sf_ranges_check(const struct sf_ranges *ranges)
{
	uintptr_t last = 0;

	for (size_t i = 0; i < sf_ranges_nr(ranges); i++) {
		const struct sf_range *range = &ranges->range[i];

		if (range->start >= range->end ||
		    (i > 0 && range->start <= last))
			sf_fatal("bug: range %zu of a table is wrong", i);
		last = range->end;
	}
}
