/* SPDX-License-Identifier: MIT */
/*
 * Slabs: 64 KiB cut into equal blocks, with a header that lies elsewhere.
 *
 * One bit a block says that it is free. The bits of `free` are changed by the
 * slab's owner alone, without atomic read-modify-write; other threads free a
 * block by setting its bit in `remote`, which the owner collects. A block is
 * in use when neither bit is set, so a second free() is seen at once.
 *
 *	o         offset of the pointer in its slab
 *	fine      cell = o / 4096, i = (o % 4096) / size,
 *		  word = (cell << word_shift) + i / 64, bit = i % 64
 *	coarse    i = o / size, word = i / 64, bit = i % 64
 *
 * For each cell of 4 KiB two bits tell what it holds:
 *
 *	idle      no block of it is in use; old contents. Counted as retained by
 *		  the heap. In the slab that a bin takes blocks from it may be
 *		  set although blocks are in use: the count is never too low.
 *	clean     no block of it was freed since its page came from the kernel:
 *		  what is not in use reads as zeros.
 *
 * Not locked: all but free() from another thread needs the owner's heap (see
 * heap.h).
 */
#ifndef SF_MALLOC_SLAB_H
#define SF_MALLOC_SLAB_H

#include <stdatomic.h>

#include "malloc/pool.h"

#define SF_ALL_CELLS   ((1u << SF_NR_CELLS) - 1)
#define SF_UNIT_STARTS 16

struct sf_heap;

struct sf_slab {
	/* What free() reads. Written by the owner. */
	_Atomic(struct sf_heap *) owner; /* NULL: not a slab */
	uintptr_t addr;
	uint64_t full; /* as in struct sf_class */
	uint64_t last_full;
	uint32_t size;
	uint32_t recip;
	uint8_t class;
	uint8_t span_shift; /* fine: log2 of a cell's bytes, else a slab's */
	uint8_t word_shift;
	bool listed;	/* in its bin's list */
	bool waiting;	/* in its heap's list of slabs with idle cells */
	uint16_t avail; /* words that may have free blocks */
	uint16_t idle;
	uint16_t clean;
	/* Set by the thread that puts it into the owner's list of slabs with
	   remote frees, cleared by the owner. */
	_Atomic uint8_t notified;

	union {
		_Atomic uint64_t free[SF_NR_WORDS] SF_CACHE_ALIGNED;
		/* Not a slab: pages of the large block that starts here. */
		_Atomic uint32_t start[SF_UNIT_STARTS];
	};
	_Atomic uint64_t remote[SF_NR_WORDS];

	struct sf_slab *next, **link;		/* the bin's list */
	struct sf_slab *all_next, **all_link;	/* all of a heap */
	struct sf_slab *idle_next, **idle_link; /* oldest first */
	struct sf_slab *remote_next;
};

/* The words of bits are plain memory to their owner, and read by others. */
static inline uint64_t sf_bits_get(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static inline void sf_bits_set(_Atomic uint64_t *word, uint64_t bits)
{
	atomic_store_explicit(word, bits, memory_order_relaxed);
}

/* Where a block's bit is. */
struct sf_spot {
	unsigned word;
	unsigned bit;
	uint64_t full; /* all bits of the word */
};

static inline bool sf_slab_is_fine(const struct sf_slab *slab)
{
	return slab->class < SF_NR_FINE;
}

/* False when offset is not the start of a block. */
static inline bool sf_slab_spot(const struct sf_slab *slab, size_t offset,
				struct sf_spot *out)
{
	size_t span = offset >> slab->span_shift;
	uint32_t in = (uint32_t)(offset - (span << slab->span_shift));
	uint32_t i = (uint32_t)(((uint64_t)in * slab->recip) >> 32);

	out->word = (unsigned)(span << slab->word_shift) + i / 64;
	out->bit = i % 64;
	out->full = i < 64 ? slab->full : slab->last_full;
	return i * slab->size == in && out->word < SF_NR_WORDS;
}

/* The cells that a block of a slab lies in, one bit each. */
static inline unsigned sf_slab_cells(const struct sf_slab *slab, size_t offset)
{
	unsigned first = (unsigned)(offset >> SF_CELL_SHIFT);
	unsigned last = (unsigned)((offset + slab->size - 1) >> SF_CELL_SHIFT);

	return ((2u << last) - 1) & ~((1u << first) - 1);
}

static inline struct sf_slab *sf_slab_of(const struct sf_pool *pool,
					 uintptr_t addr)
{
	return &pool->slabs[(addr - pool->base) >> SF_UNIT_SHIFT];
}

/*
 * Make a slab of fresh pages the heap's. Its idle cells are counted.
 */
struct sf_slab *sf_slab_open(struct sf_heap *heap, unsigned number);

/* Give a slab without blocks in use back to the pool. */
void sf_slab_close(struct sf_heap *heap, struct sf_slab *slab);

/* Change its owner; both heaps are the caller's. */
void sf_slab_move(struct sf_heap *from, struct sf_heap *to,
		  struct sf_slab *slab);

/* Whether no block is in use. */
bool sf_slab_is_empty(const struct sf_slab *slab);

/* Free the owner's block. Fatal, with the pointer, when it is not in use. */
void sf_slab_free(struct sf_heap *heap, struct sf_slab *slab, uintptr_t addr);

/*
 * What follows when a word got its first free block, or a free made cells idle
 * that were not.
 */
void sf_slab_event(struct sf_heap *heap, struct sf_slab *slab, size_t offset,
		   unsigned word);

/* Whether there may be bits in `remote`. */
static inline bool sf_slab_notified(const struct sf_slab *slab)
{
	/* Relaxed: of two frees at the same time one may be missed here. */
	return atomic_load_explicit(&slab->notified, memory_order_relaxed) != 0;
}

/*
 * Whether freeing the block at offset may have made cells idle that were not.
 * bits are the word's now, full is all that it has.
 */
static inline bool sf_slab_is_event(const struct sf_slab *slab, size_t offset,
				    uint64_t bits, uint64_t full)
{
	const struct sf_class *class;
	unsigned cells;
	uint64_t first;
	uint64_t last;

	if (sf_slab_is_fine(slab))
		return bits == full &&
		       (slab->idle >> (offset >> SF_CELL_SHIFT) & 1) == 0;
	cells = sf_slab_cells(slab, offset);
	if ((slab->clean & cells) != 0)
		return true;
	if ((slab->idle & cells) == cells)
		return false;
	class = &sf_classes[slab->class];
	if (class->size >= SF_CELL_LEN || class->nr_words > 1)
		return true;
	first = class->cell_bits[offset >> SF_CELL_SHIFT];
	last = class->cell_bits[(offset + class->size - 1) >> SF_CELL_SHIFT];
	return (~bits & first) == 0 || (~bits & last) == 0;
}

/* Take over what other threads freed. Returns whether there was any. */
bool sf_slab_collect(struct sf_heap *heap, struct sf_slab *slab);

/* Release idle cells. Returns how many. */
unsigned sf_slab_purge(struct sf_heap *heap, struct sf_slab *slab);

/* Forget that cells are idle which are not: the bin takes from another slab. */
void sf_slab_settle(struct sf_heap *heap, struct sf_slab *slab);

SF_NORETURN void sf_slab_bad_free(const struct sf_slab *slab, uintptr_t addr);

#endif
