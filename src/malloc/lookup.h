/* SPDX-License-Identifier: MIT */
/*
 * The block of the heaps that an address is of: slow, and for any address. For
 * modes and their reports; others may free the block meanwhile.
 */
#ifndef SF_MALLOC_LOOKUP_H
#define SF_MALLOC_LOOKUP_H

#include "malloc/slab.h"

struct sf_lookup {
	uintptr_t addr; /* where the block starts */
	size_t len;
	bool is_small; /* it is of a slab */
	bool is_used;
	bool is_new; /* it is known that it never was */
};

/*
 * False: an address of no block. Behind the blocks of a slab's cell, or of the
 * slab, it is of the last one, before the first of a slab of that one.
 */
bool sf_lookup(uintptr_t addr, struct sf_lookup *out);

/* The nearest block in use of the same slab before *found; false: none. */
bool sf_lookup_used_before(struct sf_lookup *found);

/* Whether a unit is a slab. */
static inline bool sf_lookup_is_small(const struct sf_slab *slab)
{
	/* Acquire: pairs with the release in sf_slab_open(). */
	return atomic_load_explicit(&slab->owner, memory_order_acquire) != NULL;
}

#endif
