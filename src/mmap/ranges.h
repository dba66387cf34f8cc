/* SPDX-License-Identifier: MIT */
/*
 * A sorted table of address ranges; ranges that touch become one. It starts
 * with storage of its own and grows into extents, never by malloc().
 *
 * Invariants: start < end in each, and end < the next one's start.
 *
 * Changed under the family's lock (space.h); nr may be read without, as a hint.
 */
#ifndef SF_MMAP_RANGES_H
#define SF_MMAP_RANGES_H

#include <stdatomic.h>

#include "base/compiler.h"

struct sf_range {
	uintptr_t start;
	uintptr_t end;
};

#define SF_RANGES_FIRST 128

struct sf_ranges {
	_Atomic size_t nr;
	size_t max;		/* 0: not used yet */
	struct sf_range *range; /* first, or an extent */
	size_t turn;		/* whose turn it is, see sf_ranges_next() */
	struct sf_range first[SF_RANGES_FIRST];
};

static inline size_t sf_ranges_nr(const struct sf_ranges *ranges)
{
	/* Relaxed: a hint without the lock, and ordered by it with it. */
	return atomic_load_explicit(&ranges->nr, memory_order_relaxed);
}

/*
 * The first range that ends behind addr, and starts before end; NULL: none.
 * Valid until the table changes.
 */
const struct sf_range *sf_ranges_find(const struct sf_ranges *ranges,
				      uintptr_t addr, uintptr_t end);

/* Add [addr, end). False when there is no memory for it. */
bool sf_ranges_add(struct sf_ranges *ranges, uintptr_t addr, uintptr_t end);

/*
 * Take [addr, end) out. Where that leaves two parts and there is no room for
 * the second, it is forgotten too.
 */
void sf_ranges_cut(struct sf_ranges *ranges, uintptr_t addr, uintptr_t end);

/* One of them, each in turn. False when there is none. */
bool sf_ranges_next(struct sf_ranges *ranges, struct sf_range *out);

/* Have the first storage resident: adding to it must not need memory. */
void sf_ranges_prepare(struct sf_ranges *ranges);

/* Bytes in all. */
size_t sf_ranges_len(const struct sf_ranges *ranges);

/* The invariants, as code: fatal when one is broken. */
void sf_ranges_check(const struct sf_ranges *ranges);

#endif
