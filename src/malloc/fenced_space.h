/* SPDX-License-Identifier: MIT */
/*
 * The addresses of fenced blocks: each its own pages and a guard page behind
 * them, one after the other, with a record of 16 bytes for each page elsewhere.
 *
 *	pages    | block | guard | block block | guard | guard | never used ...
 *	records  | 2 pg. |       | 3 pages     |       | 1 pg. |
 *
 * A record stands at the first page of each place; a place is pages that were
 * handed out in one, the guard included. Places follow each other without gaps.
 *
 * Addresses are used once each, from the lowest on. When they are used up,
 * those of freed blocks are used again, in the same order: a hand goes over the
 * places and takes the next free ones that are long enough together. Only then,
 * when too few are free, another space is reserved.
 */
#ifndef SF_MALLOC_FENCED_SPACE_H
#define SF_MALLOC_FENCED_SPACE_H

#include <assert.h>
#include <stdatomic.h>

#include "malloc/array.h"
#include "os/page.h"

/*
 * What is known of a place, in one word:
 *
 *	63           14 13       2 1   0
 *	| size         | start    | state |
 *
 * size is the block's, start where it starts in its first page, in units of 16
 * bytes. The pages follow from the size.
 */
enum sf_fenced_state {
	SF_FENCED_NONE, /* no place starts here */
	SF_FENCED_USED,
	SF_FENCED_BUSY, /* being taken or freed */
	SF_FENCED_FREE,
};

#define SF_FENCED_SIZE_SHIFT  14
#define SF_FENCED_START_SHIFT 2
#define SF_FENCED_MAX_SIZE    ((size_t)1 << 47)

struct sf_fenced_record {
	_Atomic uint64_t word;
	/* Numbers of backtraces; the second is set while the state is BUSY. */
	uint32_t taken_by;
	uint32_t freed_by;
};

static_assert(sizeof(struct sf_fenced_record) == 16, "one a page");

struct sf_fenced_space {
	/* Under lock: what was handed out never gets inaccessible. */
	struct sf_array pages;
	struct sf_array records;
	size_t next; /* page from which on none was used */
	size_t hand;
	size_t marked; /* pages below it that were never used are marked */
};

struct sf_fenced_place {
	struct sf_fenced_space *space;
	size_t first;
	size_t nr;	 /* the guard included */
	size_t gap;	 /* pages before it, new and nobody's */
	bool is_guarded; /* the guard and the gap are marked already */
};

static inline uint64_t sf_fenced_word(size_t size, size_t start,
				      enum sf_fenced_state state)
{
	return (uint64_t)size << SF_FENCED_SIZE_SHIFT |
	       (uint64_t)(start / 16) << SF_FENCED_START_SHIFT | state;
}

static inline enum sf_fenced_state sf_fenced_state(uint64_t word)
{
	return (enum sf_fenced_state)(word & 3);
}

static inline size_t sf_fenced_size(uint64_t word)
{
	return (size_t)(word >> SF_FENCED_SIZE_SHIFT);
}

static inline size_t sf_fenced_start(uint64_t word)
{
	return (size_t)(word >> SF_FENCED_START_SHIFT & 0xfff) * 16;
}

/* Pages of a place, the guard included. */
static inline size_t sf_fenced_pages(size_t size)
{
	return (size + sf_page_size - 1) / sf_page_size + 1;
}

static inline struct sf_fenced_record *
sf_fenced_record(const struct sf_fenced_space *space, size_t page)
{
	return (struct sf_fenced_record *)space->records.base + page;
}

static inline uintptr_t sf_fenced_addr(const struct sf_fenced_space *space,
				       size_t page)
{
	return space->pages.base + (page << sf_page_shift);
}

/*
 * Reserve the first space. If marks is set, all that can be accessed beyond
 * what was used is kept marked. 0 or -errno.
 */
int sf_fenced_space_init(bool marks);

/*
 * A place for a block of size bytes whose first page is at a multiple of align.
 * Its pages may be marked. Its record is BUSY, with this size. False: no
 * addresses, or no memory.
 */
bool sf_fenced_space_take(size_t size, size_t align,
			  struct sf_fenced_place *out);

/* The space and page of an address that was handed out; NULL: it was not. */
struct sf_fenced_space *sf_fenced_space_find(uintptr_t addr, size_t *page);

/* The same; what was not handed out yet is of the last page that was. */
struct sf_fenced_space *sf_fenced_space_near(uintptr_t addr, size_t *page);

/* The first page of the place that a page belongs to. */
size_t sf_fenced_space_first(const struct sf_fenced_space *space, size_t page);

void sf_fenced_space_lock(void);
void sf_fenced_space_unlock(void);

#endif
