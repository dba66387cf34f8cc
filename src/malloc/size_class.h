/* SPDX-License-Identifier: MIT */
/*
 * Size classes: which block serves a request, and how blocks lie in a slab.
 *
 * A slab is 64 KiB, 16 cells of 4 KiB. Classes are of two kinds:
 *
 *  fine    up to 512 bytes. Blocks do not cross cells: n of them lie in each,
 *          and the size is the largest multiple of 16 of which n fit. So
 *          whether a cell is free can be read off its words of bits. A slab of
 *          blocks of less than 64 bytes uses its first cells only, as many as
 *          16 words have bits for.
 *  coarse  up to 32 KiB, eight sizes for each doubling, laid end to end over
 *          the whole slab.
 *
 * Coarse blocks of more than a cell start SF_FIRST_AT bytes into the slab,
 * where these are to spare, so that none starts where a page does. A program
 * that has a header of a few bytes in its buffer has the kernel read to behind
 * it, often from the start of a page. Where a copy's target is less than 16
 * bytes further into its page than the source into its own, `rep movsb` takes
 * up to four times as long (seen on AMD's Zen 4). Blocks of whole cells stay:
 * those are for who asks for an alignment.
 *
 * At most 12.5 % of a block of more than 128 bytes is beyond the request.
 */
#ifndef SF_MALLOC_SIZE_CLASS_H
#define SF_MALLOC_SIZE_CLASS_H

#include "base/compiler.h"

#define SF_SLAB_SHIFT 16
#define SF_SLAB_LEN   ((size_t)1 << SF_SLAB_SHIFT)
#define SF_CELL_SHIFT 12
#define SF_CELL_LEN   ((size_t)1 << SF_CELL_SHIFT)
#define SF_NR_CELLS   (SF_SLAB_LEN / SF_CELL_LEN)
#define SF_NR_WORDS   16 /* words of bits that a slab has */

#define SF_FINE_MAX   ((size_t)512)
#define SF_SMALL_MAX  ((size_t)32 << 10)
#define SF_NR_FINE    24
#define SF_NR_COARSE  48
#define SF_NR_CLASSES (SF_NR_FINE + SF_NR_COARSE)
#define SF_FIRST_AT   ((size_t)64)

struct sf_class {
	uint64_t recip;	    /* 2^64 / size, rounded up */
	uint32_t size;	    /* of a block */
	uint16_t nr_blocks; /* in a slab */
	uint16_t first_at;  /* where a slab's first block starts */
	uint8_t nr_cells;   /* that a slab uses */
	uint8_t nr_words;   /* that a slab uses */
	uint8_t slot_shift; /* log2 of size, rounded down */
	uint8_t word_shift; /* fine: log2 of the words of a cell */
	uint8_t last_word;  /* mask of word numbers: last of cell or slab */
	/* The bits of words: of the first of a cell (fine) or slab (coarse),
	   and of the last; there are only these two, or all have 64. */
	uint64_t full;
	uint64_t last_full;
	/* Coarse, one word: the blocks that lie in a cell, or partly. */
	uint64_t cell_bits[SF_NR_CELLS];
};

extern struct sf_class sf_classes[SF_NR_CLASSES];

/* The class that serves size, by (size + 15) / 16: the sizes that programs ask
   for most need no branch that depends on the size. */
#define SF_LISTED_MAX ((size_t)1024)
extern uint8_t sf_listed_class[SF_LISTED_MAX / 16 + 1];

/* Cells of a slab that may hold blocks. */
extern unsigned sf_class_nr_cells;

/* Compute the tables. */
void sf_class_init(unsigned nr_cells);

/* The bits that a word of a slab has. */
static inline uint64_t sf_class_full(const struct sf_class *class,
				     unsigned word)
{
	return (word & class->last_word) == class->last_word ?
		       class->last_full :
		       class->full;
}

/* The class that serves size, at most SF_SMALL_MAX. */
static inline unsigned sf_class_of(size_t size)
{
	unsigned shift;

	if (SF_LIKELY(size <= SF_LISTED_MAX))
		return sf_listed_class[(size + 15) / 16];
	/* Eight steps for each doubling, from 2^9 on. */
	shift = 60 - (unsigned)__builtin_clzl(size - 1);
	return SF_NR_FINE + (shift - 6) * 8 +
	       (unsigned)(((size - 1) >> shift) - 8);
}

/*
 * The class that serves size with every block at a multiple of align, a power
 * of two; SF_NR_CLASSES when none does.
 */
unsigned sf_class_aligned(size_t size, size_t align);

static inline bool sf_class_is_fine(unsigned class)
{
	return class < SF_NR_FINE;
}

#endif
