/* SPDX-License-Identifier: MIT */
/*
 * What mlockall() locks of our regions: not the reservation, as the kernel
 * would, but the pages up to the last one in use. After MCL_FUTURE the lock
 * follows what is handed out, up a second frontier:
 *
 *	| read-write, locked | read-write | NONE |
 *	base             pinned       frontier
 *
 * The last accessible page is left out, so that moving either frontier needs no
 * spare mapping.
 *
 * Locking is a best effort: what RLIMIT_MEMLOCK does not allow is handed out
 * all the same. That is passed over: `pinned` stays below, and `pin_reached`
 * goes on; both are the same where nothing was refused.
 */
#ifndef SF_VM_PIN_H
#define SF_VM_PIN_H

#include "vm/region.h"

/* Whether what is handed out from now on is to be locked. */
bool sf_pin_is_on(void);

/* A region was opened, and all can see it. */
void sf_pin_opened(struct sf_region *region);

/* Bytes in use in all regions but those of views: what is to be locked. */
size_t sf_pin_len(void);

/* Lock what is in use. flags: as for mlock2(). */
void sf_pin_current(unsigned flags);

/* Have the lock follow from here on. */
void sf_pin_future(unsigned flags);

/* The kernel locks all, and reads in what becomes accessible from now on. */
void sf_pin_by_kernel(void);

/* No longer; it takes no lock off. */
void sf_pin_end(void);

/*
 * Take the lock off what is free at the end of each region, while it is on.
 * Does nothing in a handler that interrupted the library.
 */
void sf_pin_trim(void);

/* Pages up to `end` were handed out. Called without the region's locks. */
void sf_pin_more(struct sf_region *region, size_t end);

/* The same of a run of them, by itself. */
void sf_pin_lock_run(struct sf_region *region, size_t first, size_t nr);

/* Programs that lock nothing pay for these no more than a load. */

static inline void sf_pin_follow(struct sf_region *region, size_t end)
{
	/* Relaxed: a hint. */
	if (SF_UNLIKELY(end > atomic_load_explicit(&region->pinned,
						   memory_order_relaxed)))
		sf_pin_more(region, end);
}

/* For a run that was kept out, as a guard lies before it. */
static inline void sf_pin_run(struct sf_region *region, size_t first, size_t nr)
{
	/* Relaxed: a hint. */
	if (SF_UNLIKELY(atomic_load_explicit(&region->pinned,
					     memory_order_relaxed) !=
			SF_NOT_PINNED))
		sf_pin_lock_run(region, first, nr);
}

#endif
