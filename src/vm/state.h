/* SPDX-License-Identifier: MIT */
/*
 * What the library knows of itself: whether it is set up, and its regions.
 * The table of regions only grows; reading it takes no lock.
 */
#ifndef SF_VM_STATE_H
#define SF_VM_STATE_H

#include "vm/region.h"

#define SF_MAX_REGIONS 64

/* Set up at the first call; later ones are a single load. */
void sf_state_init_slow(void);
extern _Atomic unsigned char sf_state_ready;

static inline void sf_state_init(void)
{
	/* Acquire: pairs with the release at the end of the setting up. */
	if (SF_UNLIKELY(atomic_load_explicit(&sf_state_ready,
					     memory_order_acquire) == 0))
		sf_state_init_slow();
}

void sf_state_lock(void);
void sf_state_unlock(void);

size_t sf_state_nr_regions(void);
struct sf_region *sf_state_region(size_t i);

/* The region whose data holds all of [addr, addr + len), or NULL. */
struct sf_region *sf_state_find(uintptr_t addr, size_t len);

/*
 * Reserve another region of a kind, for nr_pages at least, unless there are
 * more than `seen` regions by now (another thread was faster). 0 or -errno.
 */
int sf_state_add_region(enum sf_region_kind kind, size_t nr_pages, size_t seen);

#endif
