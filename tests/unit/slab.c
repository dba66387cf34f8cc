// SPDX-License-Identifier: MIT
/*
 * Marks and bits of blocks, for every class and every offset in a slab: a block
 * in use is found at its start and nowhere else, and each block has a mark and
 * bits of its own. And where blocks lie: which cells they are in, and which do
 * not start where a page does.
 */
#include <stdint.h>
#include <string.h>

#include "malloc/slab.h"
#include "test.h"

static _Atomic uint8_t marks[SF_NR_SLOTS];

/* As sf_slab_open() does, without pages: its address is only counted with. */
static void make(struct sf_slab *slab, unsigned number)
{
	memset(slab, 0, sizeof(*slab));
	memset(marks, 0, sizeof(marks));
	slab->addr = 5 * SF_SLAB_LEN;
	slab->marks = marks;
	sf_slab_set_class(slab, number);
}

/* Offsets of a class's blocks; returns their number. */
static size_t find_starts(unsigned number, bool *is_start)
{
	const struct sf_class *class = &sf_classes[number];
	size_t span = sf_class_is_fine(number) ? SF_CELL_LEN : SF_SLAB_LEN;
	size_t end = class->nr_cells * SF_CELL_LEN;
	size_t nr = 0;

	memset(is_start, 0, SF_SLAB_LEN * sizeof(*is_start));
	for (size_t first = 0; first < end; first += span)
		for (size_t o = class->first_at;
		     o + class->size <= sf_min(span, end); o += class->size) {
			is_start[first + o] = true;
			nr++;
		}
	return nr;
}

static bool is_start[SF_SLAB_LEN];

static void mark(struct sf_slab *slab, size_t offset, enum sf_mark value)
{
	sf_mark_set(sf_slab_mark_of(slab, slab->addr + offset), value);
}

static bool is_used(struct sf_slab *slab, size_t offset)
{
	return sf_slab_find_used(slab, slab->addr + offset) != NULL;
}

static void a_block_in_use_is_found_at_its_start(void)
{
	static struct sf_slab slab;

	for (unsigned number = 0; number < SF_NR_CLASSES; number++) {
		size_t nr_wrong = 0;

		make(&slab, number);
		CHECK_EQ(find_starts(number, is_start),
			 sf_classes[number].nr_blocks);
		for (size_t o = 0; o < SF_SLAB_LEN; o++)
			if (is_start[o])
				mark(&slab, o, SF_MARK_USED);
		for (size_t o = 0; o < SF_SLAB_LEN; o++)
			if (is_used(&slab, o) != is_start[o])
				nr_wrong++;
		CHECK_EQ(nr_wrong, 0);
	}
}

static void each_block_is_marked_alone(void)
{
	static struct sf_slab slab;

	for (unsigned number = 0; number < SF_NR_CLASSES; number++) {
		size_t nr_wrong = 0;

		make(&slab, number);
		find_starts(number, is_start);
		for (size_t o = 0; o < SF_SLAB_LEN; o++) {
			if (!is_start[o])
				continue;
			if (is_used(&slab, o))
				nr_wrong++;
			mark(&slab, o, SF_MARK_USED);
		}
		for (size_t o = 0; o < SF_SLAB_LEN; o++)
			if (is_start[o])
				mark(&slab, o, SF_MARK_NONE);
		for (size_t i = 0; i < SF_NR_SLOTS; i++)
			if (sf_mark_get(&marks[i]) != SF_MARK_NONE)
				nr_wrong++;
		CHECK_EQ(nr_wrong, 0);
	}
}

/* The dense bits: where a word begins, and which is a block's. */
static void each_block_has_a_free_bit(void)
{
	static struct sf_slab slab;
	static uint64_t seen[SF_NR_WORDS];

	for (unsigned number = 0; number < SF_NR_CLASSES; number++) {
		size_t nr_wrong = 0;

		make(&slab, number);
		memset(seen, 0, sizeof(seen));
		find_starts(number, is_start);
		for (size_t o = 0; o < SF_SLAB_LEN; o++) {
			struct sf_spot spot;
			uint64_t bit;

			if (!is_start[o])
				continue;
			spot = sf_slab_spot(&slab, o);
			bit = (uint64_t)1 << spot.bit;
			if (!CHECK_LT(spot.word, SF_NR_WORDS))
				return;
			if ((seen[spot.word] & bit) != 0 ||
			    (spot.full & bit) == 0 ||
			    sf_slab_word_addr(&slab, spot.word) +
					    (size_t)spot.bit * slab.size !=
				    slab.addr + o)
				nr_wrong++;
			seen[spot.word] |= bit;
		}
		for (unsigned w = 0; w < sf_classes[number].nr_words; w++)
			if (seen[w] != sf_class_full(&sf_classes[number], w))
				nr_wrong++;
		CHECK_EQ(nr_wrong, 0);
	}
}

/* Whether a cell's bits are those of the blocks that lie in it. */
static bool has_bits(const struct sf_class *class, unsigned cell)
{
	size_t start = cell * SF_CELL_LEN;

	for (unsigned i = 0; i < 64; i++) {
		size_t at = class->first_at + (size_t)i * class->size;
		bool is_in = i < class->nr_blocks && at < start + SF_CELL_LEN &&
			     at + class->size > start;

		if ((class->cell_bits[cell] >> i & 1) != is_in)
			return false;
	}
	return true;
}

/* With and without a guard behind the blocks. */
static void each_cell_knows_its_blocks(void)
{
	for (unsigned nr = SF_NR_CELLS - 1; nr <= SF_NR_CELLS; nr++) {
		sf_class_init(nr);
		for (unsigned i = SF_NR_FINE; i < SF_NR_CLASSES; i++) {
			const struct sf_class *class = &sf_classes[i];
			size_t len = class->nr_blocks * class->size;

			CHECK_LE(class->first_at + len, nr * SF_CELL_LEN);
			for (unsigned cell = 0;
			     class->nr_words == 1 && cell < SF_NR_CELLS; cell++)
				if (!has_bits(class, cell))
					FAIL("blocks of %u bytes, cell %u",
					     class->size, cell);
		}
	}
}

static void larger_blocks_do_not_start_at_a_page(void)
{
	for (unsigned i = SF_NR_FINE; i < SF_NR_CLASSES; i++) {
		const struct sf_class *class = &sf_classes[i];

		if (class->size <= SF_CELL_LEN ||
		    class->size % SF_CELL_LEN == 0)
			continue;
		for (unsigned n = 0; n < class->nr_blocks; n++)
			CHECK_GE((class->first_at + n * class->size) %
					 SF_CELL_LEN,
				 SF_FIRST_AT);
	}
}

static const struct test tests[] = {
	{ "a block in use is found at its start and nowhere else",
	  a_block_in_use_is_found_at_its_start },
	{ "each block is marked alone", each_block_is_marked_alone },
	{ "each block has a free bit of its own", each_block_has_a_free_bit },
	{ "each cell knows the blocks in it", each_cell_knows_its_blocks },
	{ "larger blocks do not start at a page",
	  larger_blocks_do_not_start_at_a_page },
};

int main(int argc, char **argv)
{
	sf_class_init(SF_NR_CELLS);
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
