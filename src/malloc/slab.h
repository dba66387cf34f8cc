/* SPDX-License-Identifier: MIT */
/*
 * Slabs: 64 KiB cut into equal blocks, with a header that lies elsewhere.
 *
 * Each block has a mark (see marks.h), and a bit in two rows:
 *
 *	free      the slab may hand it out; the owner's alone
 *	remote    set after the mark, for the owner to find it
 *
 * Where they are: marks are found without a division, the bits are dense, so
 * that whole cells of free blocks show.
 *
 *	mark      slot = o / 2^slot_shift
 *	fine      cell = o / 4096, i = (o % 4096) / size,
 *		  word = (cell << word_shift) + i / 64, bit = i % 64
 *	coarse    i = o / size, word = i / 64, bit = i % 64
 *	          with o, the offset of the block in its slab, in the last two
 *	          lines from the first block
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

#include "malloc/marks.h"
#include "malloc/pool.h"

#define SF_ALL_CELLS   ((1u << SF_NR_CELLS) - 1)
#define SF_UNIT_STARTS 16

struct sf_heap;

struct sf_slab {
	/* What free() reads. Rarely written. */
	_Atomic(struct sf_heap *) owner; /* NULL: not a slab */
	uintptr_t addr;
	_Atomic uint8_t *marks; /* of its slots */
	uint64_t recip;		/* as in struct sf_class */
	uint64_t full;
	uint64_t last_full;
	uint32_t size;
	uint16_t span_mask; /* fine: of offsets in a cell, else in the slab */
	uint8_t class;
	uint8_t slot_shift;
	uint8_t word_shift;
	uint16_t first_at; /* as in struct sf_class */

	/* Set to sf_slab_epoch by the thread that puts it into the owner's list
	   of slabs with remote frees, cleared by the owner. */
	_Atomic uint8_t notified SF_CACHE_ALIGNED;
	struct sf_slab *remote_next;

	_Atomic uint64_t free[SF_NR_WORDS] SF_CACHE_ALIGNED;
	_Atomic uint64_t remote[SF_NR_WORDS];

	/* The owner's. */
	uint16_t avail; /* words that may have free blocks */
	uint16_t idle;
	uint16_t clean;
	bool listed;				/* in its bin's list */
	bool waiting;				/* in idle_next's list */
	struct sf_slab *next, **link;		/* the bin's list */
	struct sf_slab *all_next, **all_link;	/* all of a heap */
	struct sf_slab *idle_next, **idle_link; /* oldest first */

	/* Not a slab: pages of the large block that starts here. All 0 in a
	   slab: who saw no owner, and comes late, finds no block. */
	_Atomic uint32_t start[SF_UNIT_STARTS];
} __attribute__((aligned(512)));

_Static_assert(sizeof(struct sf_slab) == 512, "an index is a shift");

/* The words of bits are plain memory to their owner, and read by others. */
static inline uint64_t sf_bits_get(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static inline void sf_bits_set(_Atomic uint64_t *word, uint64_t bits)
{
	atomic_store_explicit(word, bits, memory_order_relaxed);
}

/* Cut it into blocks of a class. */
static inline void sf_slab_set_class(struct sf_slab *slab, unsigned number)
{
	const struct sf_class *class = &sf_classes[number];
	bool is_fine = sf_class_is_fine(number);

	slab->recip = class->recip;
	slab->full = class->full;
	slab->last_full = class->last_full;
	slab->size = class->size;
	slab->span_mask = (uint16_t)((is_fine ? SF_CELL_LEN : SF_SLAB_LEN) - 1);
	slab->class = (uint8_t)number;
	slab->slot_shift = class->slot_shift;
	slab->word_shift = class->word_shift;
	slab->first_at = class->first_at;
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

static inline struct sf_spot sf_slab_spot(const struct sf_slab *slab,
					  size_t offset)
{
	/* Coarse: all is one span, and first_at less than a cell. */
	unsigned in = ((unsigned)offset & slab->span_mask) - slab->first_at;
	unsigned span = (unsigned)(offset - in) >> SF_CELL_SHIFT;
	unsigned i = (unsigned)(((unsigned __int128)in * slab->recip) >> 64);

	return (struct sf_spot){
		.word = (span << slab->word_shift) + i / 64,
		.bit = i % 64,
		.full = i < 64 ? slab->full : slab->last_full,
	};
}

/*
 * Blocks in use
 */

/* Of a block that starts at addr. */
static inline _Atomic uint8_t *sf_slab_mark_of(const struct sf_slab *slab,
					       uintptr_t addr)
{
	return &slab->marks[sf_slot_of(addr, slab->slot_shift)];
}

/* Whether a block of the slab may start at addr: size divides the offset from
 * the first one. */
static inline bool sf_slab_divides(const struct sf_slab *slab, uintptr_t addr)
{
	uint64_t in = (addr & slab->span_mask) - slab->first_at;

	/* What is left of the quotient behind the point. */
	return in * slab->recip < slab->recip;
}

/* The mark of the block that the program has at addr; NULL: it has none. */
static inline _Atomic uint8_t *sf_slab_find_used(struct sf_slab *slab,
						 uintptr_t addr)
{
	unsigned slot = sf_slot_of(addr, slab->slot_shift);

	if (SF_UNLIKELY(slot >= SF_NR_SLOTS ||
			sf_mark_get(&slab->marks[slot]) != SF_MARK_USED ||
			!sf_slab_divides(slab, addr)))
		return NULL;
	return &slab->marks[slot];
}

/* Mark the program's block at addr as freed by another thread; false: it has
 * none there. The mark is not read before: its line would pass twice. */
static inline bool sf_slab_mark_remote(struct sf_slab *slab, uintptr_t addr)
{
	unsigned slot = sf_slot_of(addr, slab->slot_shift);
	uint8_t used = SF_MARK_USED;

	return slot < SF_NR_SLOTS && sf_slab_divides(slab, addr) &&
	       atomic_compare_exchange_strong(&slab->marks[slot], &used,
					      (uint8_t)SF_MARK_REMOTE);
}

/* A block in a cache, and its mark, which free() had to find anyway. */
struct sf_cached {
	void *block;
	_Atomic uint8_t *mark;
} __attribute__((aligned(16)));

/*
 * Not 0; another one in each forked child. The lists of slabs are not passed
 * on, and a slab may be in one that is closed: what it notes says nothing then.
 */
extern uint8_t sf_slab_epoch;

/* Whether there may be bits in `remote`. */
static inline bool sf_slab_notified(const struct sf_slab *slab)
{
	/* Relaxed: a free at the same time may be missed here. */
	return atomic_load_explicit(&slab->notified, memory_order_relaxed) ==
	       sf_slab_epoch;
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

/* The same, of an address in the first pool. */
static inline struct sf_slab *sf_slab_first(uintptr_t addr)
{
	return &sf_pool_first
			.slabs[(addr - sf_pool_first.base) >> SF_UNIT_SHIFT];
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

/* Slabs of the heap may hand out blocks again that are not in use. */
void sf_slab_put(struct sf_heap *heap, struct sf_slab *slab, uintptr_t addr);
void sf_slab_put_all(struct sf_heap *heap, unsigned class,
		     const struct sf_cached *blocks, size_t nr);

/* Address of a word's first block. */
static inline uintptr_t sf_slab_word_addr(const struct sf_slab *slab,
					  unsigned word)
{
	unsigned cell = 0;

	if (sf_slab_is_fine(slab)) {
		cell = word >> slab->word_shift;
		word -= cell << slab->word_shift;
	}
	return slab->addr + slab->first_at + cell * SF_CELL_LEN +
	       (size_t)word * 64 * slab->size;
}

SF_NORETURN void sf_slab_bad_free(const struct sf_slab *slab, uintptr_t addr);

/*
 * For a forked child: a thread that freed a block may have got no further than
 * its mark. Have all such blocks be found by sf_slab_collect().
 */
void sf_slab_repair(struct sf_slab *slab);

/* Take over what other threads freed. Returns whether there was any. */
bool sf_slab_collect(struct sf_heap *heap, struct sf_slab *slab);

/* Release idle cells. Returns how many. */
unsigned sf_slab_purge(struct sf_heap *heap, struct sf_slab *slab);

/* Forget that cells are idle which are not: the bin takes from another slab. */
void sf_slab_settle(struct sf_heap *heap, struct sf_slab *slab);

#endif
