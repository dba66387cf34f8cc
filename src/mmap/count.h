/* SPDX-License-Identifier: MIT */
/* What is counted of the family's calls, and told at exit. */
#ifndef SF_MMAP_COUNT_H
#define SF_MMAP_COUNT_H

#include <stdatomic.h>

#include "base/compiler.h"

enum sf_mmap_counter {
	SF_MMAP_MAPS,	      /* mmap() served from a region */
	SF_MMAP_UNMAPS,	      /* munmap() of such memory */
	SF_MMAP_LIVE_LEN,     /* bytes mapped at present */
	SF_MMAP_PEAK_LEN,     /* at most */
	SF_MMAP_RELEASED_LEN, /* bytes released in place */
	SF_MMAP_RELEASES,     /* runs of pages they were */
	SF_MMAP_PASSED,	      /* mmap() left to the kernel */
	SF_MMAP_FELL_BACK,    /* of those, for want of a region's pages */
	SF_MMAP_MARKS,	      /* mprotect() done by markers */
	SF_MMAP_MOVED_COPIED, /* mremap() that moved a map */
	SF_MMAP_MOVED_KERNEL, /* the same, by the kernel */
	SF_MMAP_RESCUED,      /* munmap() refused by the kernel, done here */
	SF_MMAP_RESCUED_LEN,  /* bytes of those */
	SF_MMAP_ASIDE,	      /* releases whose addresses had to wait */
	SF_MMAP_FOREIGN,      /* munmap() of surefree's own memory: ignored */
	SF_MMAP_NR,
};

struct sf_mmap_counters {
	_Atomic uint64_t of[SF_MMAP_NR];
} SF_CACHE_ALIGNED;

extern struct sf_mmap_counters sf_mmap_counters;

static inline void sf_mmap_count(enum sf_mmap_counter counter, uint64_t n)
{
	/* Relaxed: counters order nothing. */
	atomic_fetch_add_explicit(&sf_mmap_counters.of[counter], n,
				  memory_order_relaxed);
}

static inline uint64_t sf_mmap_counted(enum sf_mmap_counter counter)
{
	return atomic_load_explicit(&sf_mmap_counters.of[counter],
				    memory_order_relaxed);
}

/* Bytes of ours became live. sf_mmap_count_released() when they end. */
void sf_mmap_count_live(size_t len);
void sf_mmap_count_released(size_t len);

#endif
