/* SPDX-License-Identifier: MIT */
/*
 * Who allocated and who freed the blocks of the heaps: numbers of backtraces
 * (stacks.h) for every 16 bytes of a pool, where blocks start. For the mode
 * "hardened" with the option "backtrace"; without it nothing is noted.
 */
#ifndef SF_MALLOC_ORIGIN_H
#define SF_MALLOC_ORIGIN_H

#include "malloc/pool.h"

struct sf_origin {
	uint32_t taken_by;
	uint32_t freed_by;
};

/* Begin to note them. */
void sf_origin_init(void);

/* The caller of malloc() or of free() comes out of backtraces. */
void sf_origin_taken(uintptr_t addr);
void sf_origin_freed(uintptr_t addr);

/* Zeros: unknown. */
struct sf_origin sf_origin_get(uintptr_t addr);

/* Around fork(). */
void sf_origin_lock(void);
void sf_origin_unlock(void);

#endif
