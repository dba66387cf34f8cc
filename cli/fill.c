// SPDX-License-Identifier: MIT
/*
 * One inaccessible mapping in which every second page is made readable: each
 * such island cuts one mapping in three. A single readable page at the tail
 * makes odd numbers. What the kernel then counts is read back and corrected,
 * since either end may merge with a stranger.
 *
 * An island needs two spare mappings for a moment and uses two, the tail one:
 * so the limit itself is reached and never missed. The whole goes in one
 * munmap(), which the limit never refuses when it spans several mappings.
 */
#include "fill.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "avail.h"
#include "os/limit.h"
#include "os/maps.h"

#define TRIES 8
#define SLACK ((size_t)16) /* islands to correct with */

static int set_page(struct sf_fill *fill, size_t page, int prot)
{
	char *addr = fill->addr + page * fill->page_len;

	return mprotect(addr, fill->page_len, prot) == 0 ? 0 : -errno;
}

static int set_tail(struct sf_fill *fill, bool on)
{
	size_t last = fill->len / fill->page_len - 1;
	int err = set_page(fill, last, on ? PROT_READ : PROT_NONE);

	if (err == 0)
		fill->tail = on;
	return err;
}

/* Two mappings more. Page 0 and the one before the tail stay as they are. */
static int add_island(struct sf_fill *fill)
{
	size_t page = 2 * fill->nr_islands + 1;
	int err;

	if (page + 2 >= fill->len / fill->page_len)
		return -EBUSY;
	err = set_page(fill, page, PROT_READ);
	if (err == 0)
		fill->nr_islands++;
	return err;
}

static int remove_island(struct sf_fill *fill)
{
	if (fill->nr_islands == 0)
		return -ERANGE;
	fill->nr_islands--;
	return set_page(fill, 2 * fill->nr_islands + 1, PROT_NONE);
}

/* Use up missing mappings; below 0, give some back. */
static int adjust(struct sf_fill *fill, long missing)
{
	int err = 0;

	while (err == 0 && missing < 0) {
		if (fill->tail && missing == -1)
			return set_tail(fill, false);
		err = remove_island(fill);
		missing += 2;
	}
	for (; err == 0 && missing >= 2; missing -= 2)
		err = add_island(fill);
	if (err != 0 || missing == 0)
		return err;
	if (!fill->tail)
		return set_tail(fill, true);
	err = set_tail(fill, false);
	return err != 0 ? err : add_island(fill);
}

/* Adjust until the kernel's count says that spare are left. */
static int settle(struct sf_fill *fill, size_t limit, size_t spare)
{
	size_t nr;
	int err, i;

	for (i = 0; i < TRIES; i++) {
		err = sf_maps_count(0, &nr);
		if (err != 0)
			return err;
		if (nr + spare == limit)
			return 0;
		err = adjust(fill, (long)(limit - spare) - (long)nr);
		if (err != 0)
			return err;
	}
	return -EBUSY;
}

/* How many to use up into *missing, the limit into *limit. 0 or -errno. */
static int look(size_t spare, size_t *limit, size_t *missing)
{
	size_t nr;
	int err = sf_limit_mappings(limit);

	if (err == 0)
		err = sf_maps_count(0, &nr);
	if (err != 0)
		return err;
	if (nr > *limit || spare > *limit - nr)
		return -ERANGE;
	*missing = *limit - nr - spare;
	if (*missing > SF_FILL_MAX)
		return -E2BIG;
	return *missing * SF_FILL_COST <= sf_avail_memory() ? 0 : -ENOMEM;
}

int sf_fill_check(size_t spare)
{
	size_t limit, missing;

	return look(spare, &limit, &missing);
}

int sf_fill_up(struct sf_fill *fill, size_t spare)
{
	size_t limit, missing;
	int err = look(spare, &limit, &missing);

	*fill = (struct sf_fill){ 0 };
	if (err != 0 || missing == 0)
		return err;
	fill->page_len = (size_t)sysconf(_SC_PAGESIZE);
	fill->len = (missing + 2 * SLACK) * fill->page_len;
	fill->addr = mmap(NULL, fill->len, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (fill->addr == MAP_FAILED) {
		*fill = (struct sf_fill){ 0 };
		return -ENOMEM;
	}
	err = settle(fill, limit, spare);
	if (err != 0)
		sf_fill_empty(fill);
	return err;
}

void sf_fill_empty(struct sf_fill *fill)
{
	if (fill->addr != NULL)
		munmap(fill->addr, fill->len);
	*fill = (struct sf_fill){ 0 };
}

const char *sf_fill_why(int err)
{
	switch (-err) {
	case ERANGE:
		return "fewer are left than asked for; ask for fewer spare";
	case E2BIG:
		return "the limit is too high to be reached; "
		       "try where vm.max_map_count is lower";
	case ENOMEM:
		return "not enough memory or address space for them; raise "
		       "the memory limit or ulimit -v";
	case EBUSY:
		return "their number changes by itself; try again";
	default:
		return "/proc/self/maps or /proc/sys/vm cannot be read; "
		       "mount /proc";
	}
}
