/* SPDX-License-Identifier: MIT */
/*
 * Marks: a byte for each block of a slab tells what the block is. What free()
 * gets is proved by it:
 *
 *	USED      the program has it
 *	REMOTE    another thread freed it, and the owner does not know yet
 *	NONE      it is free, or in a cache (see cache.h)
 *
 * So a second free() is seen at once. Marks are set by the slab's owner alone,
 * with plain stores, but for USED to REMOTE, an atomic exchange; where owner
 * and another free a block at the same moment, the owner finds it not REMOTE
 * when he takes it over. Bytes, not bits: a change need not wait for the last
 * one of a neighbour.
 *
 * A slot is as large as the largest power of two that is not larger than a
 * block: no two blocks start in the same. So a mark is found without a
 * division.
 *
 * Where no block is in use or freed by another thread, all marks are NONE,
 * which is 0: those of units that are no slabs can be given back to the kernel
 * (see headers.h). Nobody writes one then: the owner does so for his slabs, and
 * others for a block that is in use.
 */
#ifndef SF_MALLOC_MARKS_H
#define SF_MALLOC_MARKS_H

#include <stdatomic.h>

#include "malloc/size_class.h"

#define SF_NR_SLOTS ((size_t)1024)

enum sf_mark {
	SF_MARK_NONE,
	SF_MARK_USED,
	SF_MARK_REMOTE,
};

static inline unsigned sf_slot_of(uintptr_t addr, unsigned slot_shift)
{
	return (unsigned)(addr & (SF_SLAB_LEN - 1)) >> slot_shift;
}

/* A mark is plain memory to the owner, and read by others. */
static inline enum sf_mark sf_mark_get(const _Atomic uint8_t *mark)
{
	return (enum sf_mark)atomic_load_explicit(mark, memory_order_relaxed);
}

static inline void sf_mark_set(_Atomic uint8_t *mark, enum sf_mark value)
{
	atomic_store_explicit(mark, (uint8_t)value, memory_order_relaxed);
}

#endif
