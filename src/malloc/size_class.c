// SPDX-License-Identifier: MIT
/* The tables of size classes, see size_class.h. */
#include "malloc/size_class.h"

#include "base/log.h"

struct sf_class sf_classes[SF_NR_CLASSES];
unsigned sf_class_nr_cells = SF_NR_CELLS;
uint8_t sf_listed_class[SF_LISTED_MAX / 16 + 1];

/* Blocks to a cell; the size follows. */
static const uint16_t fine_per_cell[SF_NR_FINE] = {
	256, 128, 85, 64, 51, 42, 36, 32, 28, 25, 23, 21,
	19,  18,  17, 16, 15, 14, 13, 12, 11, 10, 9,  8,
};

static uint64_t low_bits(unsigned nr)
{
	return nr == 0 ? 0 : UINT64_MAX >> (64 - nr);
}

static void set_fine(struct sf_class *class, unsigned per_cell,
		     unsigned nr_cells)
{
	unsigned shift = per_cell > 128 ? 2 : per_cell > 64 ? 1 : 0;
	unsigned last = per_cell - (((1u << shift) - 1) * 64);

	nr_cells = (unsigned)sf_min(nr_cells, SF_NR_WORDS >> shift);
	class->size = (uint32_t)sf_align_down(SF_CELL_LEN / per_cell, 16);
	class->nr_blocks = (uint16_t)(nr_cells * per_cell);
	class->nr_cells = (uint8_t)nr_cells;
	class->nr_words = (uint8_t)(nr_cells << shift);
	class->word_shift = (uint8_t)shift;
	class->last_word = (uint8_t)((1u << shift) - 1);
	class->full = low_bits(shift == 0 ? per_cell : 64);
	class->last_full = low_bits(last);
}

static void set_cell_bits(struct sf_class *class)
{
	for (unsigned cell = 0; cell < SF_NR_CELLS; cell++) {
		size_t start = cell * SF_CELL_LEN;
		size_t last = start + SF_CELL_LEN - 1 - class->first_at;
		size_t end = sf_min(last / class->size + 1, class->nr_blocks);
		size_t first = 0;

		if (start > class->first_at)
			first = (start - class->first_at) / class->size;
		class->cell_bits[cell] =
			first < end ? low_bits((unsigned)end) &
					      ~low_bits((unsigned)first) :
				      0;
	}
}

/* Where the first of nr coarse blocks starts, in a slab of len bytes. */
static size_t first_at(size_t size, size_t nr, size_t len)
{
	if (size <= SF_CELL_LEN || size % SF_CELL_LEN == 0 ||
	    len - nr * size < SF_FIRST_AT)
		return 0;
	return SF_FIRST_AT;
}

static void set_coarse(struct sf_class *class, unsigned step, unsigned nr_cells)
{
	unsigned shift = 6 + step / 8;
	size_t size = (size_t)(9 + step % 8) << shift;
	unsigned nr = (unsigned)(nr_cells * SF_CELL_LEN / size);
	size_t first = first_at(size, nr, nr_cells * SF_CELL_LEN);
	size_t end = first + nr * size;

	class->size = (uint32_t)size;
	class->nr_blocks = (uint16_t)nr;
	class->first_at = (uint16_t)first;
	class->nr_cells = (uint8_t)sf_min((end + SF_CELL_LEN - 1) / SF_CELL_LEN,
					  SF_NR_CELLS);
	class->nr_words = (uint8_t)((nr + 63) / 64);
	class->word_shift = 0;
	class->last_word = (uint8_t)(class->nr_words - 1);
	class->last_full = low_bits(nr - (class->nr_words - 1u) * 64);
	class->full = nr > 64 ? UINT64_MAX : class->last_full;
	if (nr <= 64)
		set_cell_bits(class);
}

void sf_class_init(unsigned nr_cells)
{
	unsigned number = 0;

	sf_class_nr_cells = nr_cells;
	for (unsigned i = 0; i < SF_NR_FINE; i++)
		set_fine(&sf_classes[i], fine_per_cell[i], nr_cells);
	for (unsigned i = 0; i < SF_NR_COARSE; i++)
		set_coarse(&sf_classes[SF_NR_FINE + i], i, nr_cells);
	for (unsigned i = 0; i < SF_NR_CLASSES; i++) {
		struct sf_class *class = &sf_classes[i];

		class->recip = UINT64_MAX / class->size + 1;
		class->slot_shift = (uint8_t)(31 - __builtin_clz(class->size));
	}
	for (size_t i = 0; i < SF_NR(sf_listed_class); i++) {
		while (sf_classes[number].size < i * 16)
			number++;
		sf_listed_class[i] = (uint8_t)number;
	}
	sf_assert(sf_classes[number].size == SF_LISTED_MAX);
}

unsigned sf_class_aligned(size_t size, size_t align)
{
	unsigned class;

	if (size > SF_SMALL_MAX || align > SF_CELL_LEN)
		return SF_NR_CLASSES;
	/* Cells and slabs start at multiples of any such align. */
	for (class = sf_class_of(size); class < SF_NR_CLASSES; class ++)
		if (((sf_classes[class].size | sf_classes[class].first_at) &
		     (align - 1)) == 0)
			break;
	return class;
}
