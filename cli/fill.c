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

static int set_here(void *arg, size_t page, size_t nr, int prot)
{
	const struct sf_fill *fill = arg;
	int err = 0;

	for (; nr > 0 && err == 0; nr--, page += 2)
		err = mprotect(fill->addr + page * fill->page_len,
			       fill->page_len, prot) == 0 ?
			      0 :
			      -errno;
	return err;
}

static int count_here(void *arg, size_t *nr)
{
	(void)arg;
	return sf_maps_count(0, nr);
}

static const struct sf_fill_hands here = { set_here, count_here };

static int set_tail(struct sf_fill *fill, bool on)
{
	size_t last = fill->len / fill->page_len - 1;
	int err = fill->hands->set(fill->arg, last, 1,
				   on ? PROT_READ : PROT_NONE);

	if (err == 0)
		fill->tail = on;
	return err;
}

/* Two mappings more each. Page 0 and the one before the tail stay. */
static int add_islands(struct sf_fill *fill, size_t nr)
{
	size_t page = 2 * fill->nr_islands + 1;
	int err;

	if (page + 2 * nr >= fill->len / fill->page_len)
		return -EBUSY;
	err = fill->hands->set(fill->arg, page, nr, PROT_READ);
	if (err == 0)
		fill->nr_islands += nr;
	return err;
}

static int remove_islands(struct sf_fill *fill, size_t nr)
{
	if (fill->nr_islands < nr)
		return -ERANGE;
	fill->nr_islands -= nr;
	return fill->hands->set(fill->arg, 2 * fill->nr_islands + 1, nr,
				PROT_NONE);
}

/* Use up missing mappings; below 0, give some back. */
static int adjust(struct sf_fill *fill, long missing)
{
	int err = 0;

	if (fill->tail && missing == -1)
		return set_tail(fill, false);
	if (missing < 0) {
		size_t nr = ((size_t)-missing + 1) / 2;

		err = remove_islands(fill, nr);
		missing += 2 * (long)nr;
	} else if (missing >= 2) {
		err = add_islands(fill, (size_t)missing / 2);
		missing %= 2;
	}
	if (err != 0 || missing == 0)
		return err;
	if (!fill->tail)
		return set_tail(fill, true);
	err = set_tail(fill, false);
	return err != 0 ? err : add_islands(fill, 1);
}

/* Adjust until the kernel's count says that spare are left. */
int sf_fill_settle(struct sf_fill *fill, size_t limit, size_t spare)
{
	size_t nr;
	int err, i;

	for (i = 0; i < TRIES; i++) {
		err = fill->hands->count(fill->arg, &nr);
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

int sf_fill_look(size_t nr, size_t spare, size_t *limit, size_t *missing)
{
	int err = sf_limit_mappings(limit);

	if (err != 0)
		return err;
	if (nr > *limit || spare > *limit - nr)
		return -ERANGE;
	*missing = *limit - nr - spare;
	if (*missing > SF_FILL_MAX)
		return -E2BIG;
	return *missing * SF_FILL_COST <= sf_avail_memory() ? 0 : -ENOMEM;
}

size_t sf_fill_len(size_t missing, size_t page_len)
{
	return (missing + 2 * SLACK) * page_len;
}

static int look_here(size_t spare, size_t *limit, size_t *missing)
{
	size_t nr;
	int err = sf_maps_count(0, &nr);

	return err == 0 ? sf_fill_look(nr, spare, limit, missing) : err;
}

int sf_fill_check(size_t spare)
{
	size_t limit, missing;

	return look_here(spare, &limit, &missing);
}

int sf_fill_up(struct sf_fill *fill, size_t spare)
{
	size_t limit, missing;
	int err = look_here(spare, &limit, &missing);

	*fill = (struct sf_fill){ 0 };
	if (err != 0 || missing == 0)
		return err;
	fill->page_len = (size_t)sysconf(_SC_PAGESIZE);
	fill->hands = &here;
	fill->arg = fill;
	fill->len = sf_fill_len(missing, fill->page_len);
	fill->addr = mmap(NULL, fill->len, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (fill->addr == MAP_FAILED) {
		*fill = (struct sf_fill){ 0 };
		return -ENOMEM;
	}
	err = sf_fill_settle(fill, limit, spare);
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
