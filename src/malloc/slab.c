// SPDX-License-Identifier: MIT
/* Slabs and their bits, see slab.h. */
#include "malloc/slab.h"

#include <string.h>

#include "base/log.h"
#include "malloc/headers.h"
#include "malloc/heap.h"
#include "vm/account.h"
#include "vm/release.h"

uint8_t sf_slab_epoch = 1;

/*
 * Cells
 */

/* The bits of [first, end). */
static unsigned cell_mask(unsigned first, unsigned end)
{
	return (SF_ALL_CELLS >> (SF_NR_CELLS - (end - first))) << first;
}

static unsigned count(unsigned mask)
{
	return (unsigned)__builtin_popcount(mask);
}

/* Whether all blocks of a fine slab's cell are free. */
static bool is_free_fine(const struct sf_slab *slab, unsigned cell)
{
	unsigned nr = 1u << slab->word_shift;
	unsigned first = cell << slab->word_shift;

	for (unsigned i = 0; i < nr; i++)
		if (sf_bits_get(&slab->free[first + i]) !=
		    (i + 1 == nr ? slab->last_full : slab->full))
			return false;
	return true;
}

/* The same of the blocks that lie in a coarse slab's cell, or partly. */
static bool is_free_coarse(const struct sf_slab *slab, unsigned cell)
{
	const struct sf_class *class = &sf_classes[slab->class];
	size_t start = cell * SF_CELL_LEN;
	size_t end;

	if (class->nr_words == 1)
		return (~sf_bits_get(&slab->free[0]) &
			class->cell_bits[cell]) == 0;
	/* Small ones: the first starts where the slab does. */
	end = sf_min((start + SF_CELL_LEN - 1) / class->size + 1,
		     class->nr_blocks);
	for (size_t i = start / class->size; i < end; i++)
		if ((sf_bits_get(&slab->free[i / 64]) >> (i % 64) & 1) == 0)
			return false;
	return true;
}

/* Whether no block that lies in a cell, or partly, is in use. */
static bool cell_is_free(const struct sf_slab *slab, unsigned cell)
{
	if (cell >= sf_classes[slab->class].nr_cells)
		return true;
	return sf_slab_is_fine(slab) ? is_free_fine(slab, cell) :
				       is_free_coarse(slab, cell);
}

static void set_idle(struct sf_heap *heap, struct sf_slab *slab, unsigned mask)
{
	mask &= ~(unsigned)slab->idle;
	if (mask == 0)
		return;
	slab->idle |= (uint16_t)mask;
	slab->clean &= (uint16_t)~mask;
	sf_heap_add_idle(heap, slab, count(mask));
}

static void clear_idle(struct sf_heap *heap, struct sf_slab *slab,
		       unsigned mask)
{
	mask &= slab->idle;
	if (mask == 0)
		return;
	slab->idle &= (uint16_t)~mask;
	sf_heap_sub_idle(heap, slab, count(mask));
}

void sf_slab_settle(struct sf_heap *heap, struct sf_slab *slab)
{
	unsigned stale = 0;

	for (unsigned idle = slab->idle; idle != 0; idle &= idle - 1) {
		unsigned cell = (unsigned)__builtin_ctz(idle);

		if (!cell_is_free(slab, cell))
			stale |= 1u << cell;
	}
	clear_idle(heap, slab, stale);
}

bool sf_slab_is_empty(const struct sf_slab *slab)
{
	const struct sf_class *class = &sf_classes[slab->class];

	for (unsigned w = 0; w < class->nr_words; w++)
		if (sf_bits_get(&slab->free[w]) != sf_class_full(class, w))
			return false;
	return true;
}

/*
 * Opening and closing
 */

/* The cells of those of a unit's pages that are in the mask, or back. */
static unsigned cells_of_pages(uint64_t pages)
{
	unsigned shift = sf_page_shift - SF_CELL_SHIFT;
	unsigned mask = 0;

	for (unsigned cell = 0; cell < SF_NR_CELLS; cell++)
		mask |= (unsigned)(pages >> (cell >> shift) & 1) << cell;
	return mask;
}

static uint64_t pages_of_cells(unsigned mask)
{
	unsigned shift = sf_page_shift - SF_CELL_SHIFT;
	uint64_t pages = 0;

	for (unsigned cell = 0; cell < SF_NR_CELLS; cell++)
		pages |= (uint64_t)(mask >> cell & 1) << (cell >> shift);
	return pages;
}

static void set_free_words(struct sf_slab *slab, const struct sf_class *class)
{
	for (unsigned w = 0; w < class->nr_words; w++)
		sf_bits_set(&slab->free[w], sf_class_full(class, w));
}

/* The cells at the end that hold no blocks, but a mode's guard. */
static unsigned guard_cells(void)
{
	return SF_ALL_CELLS & (SF_ALL_CELLS << sf_class_nr_cells);
}

static size_t guard_len(void)
{
	return (SF_NR_CELLS - sf_class_nr_cells) * SF_CELL_LEN;
}

/* Best effort: refused on locked memory. */
static void set_guard(struct sf_slab *slab)
{
	uintptr_t addr = slab->addr + SF_SLAB_LEN - guard_len();

	/* Marking frees the page, whatever it held. */
	if (guard_len() > 0 && sf_page_mark(addr, guard_len()) == 0)
		slab->clean |= (uint16_t)guard_cells();
}

static bool remove_guard(const struct sf_slab *slab)
{
	uintptr_t addr = slab->addr + SF_SLAB_LEN - guard_len();

	return guard_len() == 0 || sf_page_unmark(addr, guard_len()) == 0;
}

static void insert_in_all(struct sf_heap *heap, struct sf_slab *slab)
{
	slab->all_next = heap->slabs;
	slab->all_link = &heap->slabs;
	if (slab->all_next != NULL)
		slab->all_next->all_link = &slab->all_next;
	heap->slabs = slab;
	sf_heap_count_slab(heap, 1);
}

static void remove_from_all(struct sf_heap *heap, struct sf_slab *slab)
{
	sf_heap_count_slab(heap, -1);
	*slab->all_link = slab->all_next;
	if (slab->all_next != NULL)
		slab->all_next->all_link = slab->all_link;
}

struct sf_slab *sf_slab_open(struct sf_heap *heap, unsigned number)
{
	const struct sf_class *class = &sf_classes[number];
	struct sf_pages pages;
	struct sf_slab *slab;

	if (sf_pool_take(SF_SLAB_LEN >> sf_page_shift, SF_SLAB_LEN,
			 SF_POOL_SLAB, &pages) != 0)
		return NULL;
	slab = sf_slab_of(pages.pool, sf_pool_addr(pages.pool, pages.first));
	slab->addr = sf_pool_addr(pages.pool, pages.first);
	slab->marks = sf_marks_of(pages.pool,
				  (size_t)(slab - pages.pool->slabs));
	sf_slab_set_class(slab, number);
	slab->avail = (uint16_t)(SF_ALL_CELLS >> (16 - class->nr_words));
	slab->listed = false;
	slab->waiting = false;
	slab->idle = 0;
	slab->clean = (uint16_t)~cells_of_pages(pages.used);
	set_guard(slab);
	set_free_words(slab, class);
	insert_in_all(heap, slab);
	/* Release: pairs with the acquire in sf_heap_free_remote(). */
	atomic_store_explicit(&slab->owner, heap, memory_order_release);
	set_idle(heap, slab, SF_ALL_CELLS & ~(unsigned)slab->clean);
	return slab;
}

/* In builds with checks: what may be given back to the kernel is all 0. */
static void check_marks(const struct sf_slab *slab)
{
#ifdef SF_DEBUG
	for (size_t i = 0; i < SF_NR_SLOTS; i++)
		sf_assert(sf_mark_get(&slab->marks[i]) == SF_MARK_NONE);
#else
	(void)slab;
#endif
}

void sf_slab_close(struct sf_heap *heap, struct sf_slab *slab)
{
	struct sf_pool *pool = sf_pool_of(slab->addr);
	uint64_t used = pages_of_cells(slab->idle);

	sf_heap_unlist(heap, slab);
	clear_idle(heap, slab, SF_ALL_CELLS);
	remove_from_all(heap, slab);
	check_marks(slab);
	for (unsigned w = 0; w < SF_NR_WORDS; w++)
		sf_bits_set(&slab->free[w], 0);
	atomic_store_explicit(&slab->owner, NULL, memory_order_relaxed);
	if (SF_UNLIKELY(!remove_guard(slab))) {
		/* Taken for ever: nobody gets pages that are inaccessible. */
		sf_count(SF_COUNT_STUCK, 1);
		sf_count(SF_COUNT_STUCK_LEN, SF_SLAB_LEN);
		return;
	}
	sf_pool_give_some(pool, sf_pool_page(pool, slab->addr),
			  SF_SLAB_LEN >> sf_page_shift, used);
}

void sf_slab_move(struct sf_heap *from, struct sf_heap *to,
		  struct sf_slab *slab)
{
	unsigned idle = slab->idle;

	sf_heap_unlist(from, slab);
	clear_idle(from, slab, SF_ALL_CELLS);
	remove_from_all(from, slab);
	insert_in_all(to, slab);
	/* Seq_cst: pairs with who notifies, see heap.c. */
	atomic_store(&slab->owner, to);
	set_idle(to, slab, idle);
	sf_heap_list(to, slab);
}

/* Nobody needs an empty slab but the bin that takes blocks from it. */
static void close_if_empty(struct sf_heap *heap, struct sf_slab *slab)
{
	unsigned cells = (1u << sf_classes[slab->class].nr_cells) - 1;

	if (heap->bins[slab->class].slab == slab)
		return;
	/* Most that are not empty are told at a glance. */
	if ((cells & ~((unsigned)slab->idle | slab->clean)) != 0) {
		sf_assert(!sf_slab_is_empty(slab));
		return;
	}
	if (sf_slab_is_empty(slab))
		sf_slab_close(heap, slab);
}

/*
 * Taking and freeing
 */

/* Take over what others freed of a word. Whether there was any. */
static bool merge_remote(struct sf_slab *slab, unsigned word)
{
	uintptr_t addr = sf_slab_word_addr(slab, word);
	uint64_t remote;

	if (sf_bits_get(&slab->remote[word]) == 0)
		return false;
	/* Acquire: the blocks' last users are done with them. */
	remote = atomic_exchange(&slab->remote[word], 0);
	sf_bits_set(&slab->free[word], sf_bits_get(&slab->free[word]) | remote);
	for (; remote != 0; remote &= remote - 1) {
		uintptr_t block = addr +
				  (size_t)__builtin_ctzll(remote) * slab->size;

		_Atomic uint8_t *mark = sf_slab_mark_of(slab, block);

		if (SF_UNLIKELY(sf_mark_get(mark) != SF_MARK_REMOTE))
			sf_fatal("free(%p): freed twice, by different threads "
				 "(a block of %u bytes)",
				 (void *)block, slab->size);
		sf_mark_set(mark, SF_MARK_NONE);
	}
	return true;
}

/* The cells that any of a word's blocks lie in. */
static unsigned cells_of_word(const struct sf_slab *slab, unsigned word)
{
	if (sf_slab_is_fine(slab))
		return 1u << (word >> slab->word_shift);
	return (1u << sf_classes[slab->class].nr_cells) - 1;
}

/* Of these cells, set those idle that have become so. */
static void note_idle(struct sf_heap *heap, struct sf_slab *slab,
		      unsigned cells)
{
	unsigned idle = 0;

	slab->clean &= (uint16_t)~cells;
	for (; cells != 0; cells &= cells - 1) {
		unsigned cell = (unsigned)__builtin_ctz(cells);

		if (cell_is_free(slab, cell))
			idle |= 1u << cell;
	}
	set_idle(heap, slab, idle);
}

/*
 * What follows when a word got its first free block, or a free made cells idle
 * that were not.
 */
static void on_event(struct sf_heap *heap, struct sf_slab *slab, size_t offset,
		     unsigned word)
{
	unsigned cells = sf_slab_cells(slab, offset);

	slab->avail |= (uint16_t)(1u << word);
	if (merge_remote(slab, word))
		cells = cells_of_word(slab, word);
	sf_heap_list(heap, slab);
	note_idle(heap, slab, cells);
	close_if_empty(heap, slab);
}

void sf_slab_bad_free(const struct sf_slab *slab, uintptr_t addr)
{
	size_t offset = addr - slab->addr;
	struct sf_spot spot = sf_slab_spot(slab, offset);
	uintptr_t start = 0;

	if (spot.word < SF_NR_WORDS)
		start = sf_slab_word_addr(slab, spot.word) +
			(size_t)spot.bit * slab->size;
	if (start != addr)
		sf_fatal("free(%p): not the start of a block (of %u bytes)",
			 (void *)addr, slab->size);
	sf_fatal("free(%p): already free (a block of %u bytes)", (void *)addr,
		 slab->size);
}

/*
 * Whether freeing the block at offset may have made cells idle that were not.
 * bits are the word's now, full is all that it has.
 */
static bool is_event(const struct sf_slab *slab, size_t offset, uint64_t bits,
		     uint64_t full)
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

static inline void put(struct sf_heap *heap, struct sf_slab *slab,
		       size_t offset)
{
	struct sf_spot spot = sf_slab_spot(slab, offset);
	uint64_t bits = sf_bits_get(&slab->free[spot.word]);
	uint64_t now = bits | (uint64_t)1 << spot.bit;
	uint64_t remote = 0;

	sf_bits_set(&slab->free[spot.word], now);
	/* Where others freed blocks, their bits count too. */
	if (SF_UNLIKELY(sf_slab_notified(slab)))
		remote = sf_bits_get(&slab->remote[spot.word]);
	if (bits == 0 || is_event(slab, offset, now | remote, spot.full))
		on_event(heap, slab, offset, spot.word);
}

void sf_slab_put(struct sf_heap *heap, struct sf_slab *slab, uintptr_t addr)
{
	put(heap, slab, addr - slab->addr);
}

/*
 * Put fine blocks back that are of one word of a cell; addr is one of them, or
 * in the same cell. Their bits are in mask.
 */
static void put_word(struct sf_heap *heap, const struct sf_class *class,
		     uintptr_t addr, unsigned word, uint64_t mask)
{
	struct sf_slab *slab = sf_slab_first(addr);
	unsigned cell = addr >> SF_CELL_SHIFT & (SF_NR_CELLS - 1);
	unsigned at = (cell << class->word_shift) + word;
	uint64_t full = word == 0 ? class->full : class->last_full;
	uint64_t bits = sf_bits_get(&slab->free[at]);
	uint64_t now = bits | mask;

	sf_bits_set(&slab->free[at], now);
	/* Where others freed blocks, their bits count too. */
	if (SF_UNLIKELY(sf_slab_notified(slab)))
		now |= sf_bits_get(&slab->remote[at]);
	if (SF_UNLIKELY(bits == 0 ||
			(now == full && (slab->idle >> cell & 1) == 0)))
		on_event(heap, slab, cell * SF_CELL_LEN, at);
}

/* The number of a fine block in its cell. */
static unsigned index_in_cell(uintptr_t addr, uint64_t recip)
{
	uint64_t in = addr & (SF_CELL_LEN - 1);

	return (unsigned)(((unsigned __int128)in * recip) >> 64);
}

/*
 * Fine blocks of one class. Those in a row are often of the same word, which is
 * then changed once.
 */
static void put_all_fine(struct sf_heap *heap, const struct sf_class *class,
			 const struct sf_cached *blocks, size_t nr)
{
	uint64_t recip = class->recip;
	uintptr_t cell = 0;
	unsigned word = 0;
	uint64_t mask = 0;

	for (size_t k = 0; k < nr; k++) {
		uintptr_t addr = (uintptr_t)blocks[k].block;
		unsigned i = index_in_cell(addr, recip);

		if ((cell ^ addr) >> SF_CELL_SHIFT != 0 || word != i / 64) {
			if (mask != 0)
				put_word(heap, class, cell, word, mask);
			cell = addr;
			word = i / 64;
			mask = 0;
		}
		mask |= (uint64_t)1 << i % 64;
	}
	if (mask != 0)
		put_word(heap, class, cell, word, mask);
}

void sf_slab_put_all(struct sf_heap *heap, unsigned class,
		     const struct sf_cached *blocks, size_t nr)
{
	if (sf_class_is_fine(class)) {
		put_all_fine(heap, &sf_classes[class], blocks, nr);
		return;
	}
	for (size_t i = 0; i < nr; i++)
		sf_slab_put(heap, sf_slab_first((uintptr_t)blocks[i].block),
			    (uintptr_t)blocks[i].block);
}

void sf_slab_free(struct sf_heap *heap, struct sf_slab *slab, uintptr_t addr)
{
	_Atomic uint8_t *mark = sf_slab_find_used(slab, addr);

	if (SF_UNLIKELY(mark == NULL))
		sf_slab_bad_free(slab, addr);
	sf_mark_set(mark, SF_MARK_NONE);
	sf_slab_put(heap, slab, addr);
}

bool sf_slab_collect(struct sf_heap *heap, struct sf_slab *slab)
{
	unsigned nr_words = sf_classes[slab->class].nr_words;
	unsigned cells = 0;

	for (unsigned word = 0; word < nr_words; word++) {
		if (!merge_remote(slab, word))
			continue;
		slab->avail |= (uint16_t)(1u << word);
		cells |= cells_of_word(slab, word);
	}
	if (cells == 0)
		return false;
	sf_heap_list(heap, slab);
	note_idle(heap, slab, cells & ~(unsigned)slab->idle);
	close_if_empty(heap, slab);
	return true;
}

/* Set the bits of all blocks of a word that another thread freed. */
static void repair_word(struct sf_slab *slab, unsigned word)
{
	uintptr_t addr = sf_slab_word_addr(slab, word);
	uint64_t left = sf_class_full(&sf_classes[slab->class], word);
	uint64_t remote = sf_bits_get(&slab->remote[word]);

	for (; left != 0; left &= left - 1) {
		size_t i = (size_t)__builtin_ctzll(left);

		if (sf_mark_get(sf_slab_mark_of(slab, addr + i * slab->size)) ==
		    SF_MARK_REMOTE)
			remote |= left & -left;
	}
	sf_bits_set(&slab->remote[word], remote);
}

void sf_slab_repair(struct sf_slab *slab)
{
	if (memchr((const void *)slab->marks, SF_MARK_REMOTE, SF_NR_SLOTS) ==
	    NULL)
		return;
	for (unsigned w = 0; w < sf_classes[slab->class].nr_words; w++)
		repair_word(slab, w);
}

/*
 * Releasing
 */

/* Nothing is taken from a cell that is released until it is chosen again. */
static void leave_cell(struct sf_heap *heap, struct sf_slab *slab)
{
	struct sf_bin *bin = &heap->bins[slab->class];

	if (bin->slab != slab || bin->word == &sf_no_blocks)
		return;
	if (sf_bits_get(bin->word) != 0)
		slab->avail |= (uint16_t)(1u << (bin->word - slab->free));
	bin->word = &sf_no_blocks;
}

/* Whole pages of the cells [first, end). */
static unsigned release_cells(struct sf_slab *slab, unsigned first,
			      unsigned end)
{
	unsigned per_page = 1u << (sf_page_shift - SF_CELL_SHIFT);
	bool was_locked;

	first = (unsigned)sf_align_up(first, per_page);
	end = (unsigned)sf_align_down(end, per_page);
	if (first >= end ||
	    !sf_release_pages(slab->addr + first * SF_CELL_LEN,
			      (end - first) * SF_CELL_LEN, &was_locked))
		return 0;
	return cell_mask(first, end);
}

unsigned sf_slab_purge(struct sf_heap *heap, struct sf_slab *slab)
{
	unsigned released = 0;
	unsigned first;
	unsigned end;

	leave_cell(heap, slab);
	sf_slab_settle(heap, slab);
	for (first = 0; first < SF_NR_CELLS; first = end) {
		for (end = first; end < SF_NR_CELLS; end++)
			if ((slab->idle >> end & 1) == 0)
				break;
		if (end > first)
			released |= release_cells(slab, first, end);
		else
			end++;
	}
	slab->clean |= (uint16_t)released;
	clear_idle(heap, slab, released);
	return count(released);
}
