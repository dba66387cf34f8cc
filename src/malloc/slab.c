// SPDX-License-Identifier: MIT
/* Slabs and their bits, see slab.h. */
#include "malloc/slab.h"

#include "base/log.h"
#include "malloc/heap.h"
#include "vm/release.h"

/*
 * Cells
 */

/* The bits of [first, end). */
static unsigned cells(unsigned first, unsigned end)
{
	return (SF_ALL_CELLS >> (SF_NR_CELLS - (end - first))) << first;
}

static unsigned count(unsigned mask)
{
	return (unsigned)__builtin_popcount(mask);
}

static bool is_fine(const struct sf_slab *slab)
{
	return slab->class < SF_NR_FINE;
}

/* Fine: whether no block of a cell is in use. */
static bool cell_is_free(const struct sf_slab *slab, unsigned cell)
{
	unsigned nr = 1u << slab->word_shift;
	unsigned first = cell << slab->word_shift;

	if (cell >= sf_classes[slab->class].nr_cells)
		return true;
	for (unsigned i = 0; i < nr; i++)
		if (sf_bits_get(&slab->free[first + i]) !=
		    (i + 1 == nr ? slab->last_full : slab->full))
			return false;
	return true;
}

static void set_idle(struct sf_heap *heap, struct sf_slab *slab, unsigned mask)
{
	mask &= ~(unsigned)slab->idle;
	if (mask == 0)
		return;
	slab->idle |= (uint16_t)mask;
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

void sf_slab_settle(struct sf_heap *heap, struct sf_slab *slab, unsigned cell)
{
	if ((slab->idle >> cell & 1) != 0 && !cell_is_free(slab, cell))
		clear_idle(heap, slab, 1u << cell);
}

static void settle_all(struct sf_heap *heap, struct sf_slab *slab)
{
	for (unsigned cell = 0; is_fine(slab) && cell < SF_NR_CELLS; cell++)
		sf_slab_settle(heap, slab, cell);
}

bool sf_slab_is_empty(struct sf_heap *heap, struct sf_slab *slab)
{
	if ((slab->idle | slab->clean) != SF_ALL_CELLS)
		return false;
	settle_all(heap, slab);
	return (slab->idle | slab->clean) == SF_ALL_CELLS;
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
	unsigned per_cell = 1u << class->word_shift;

	if (!is_fine(slab))
		__builtin_memset(slab->coarse.live, 0,
				 sizeof(slab->coarse.live));
	for (unsigned w = 0; w < class->nr_words; w++) {
		bool last = is_fine(slab) ? (w + 1) % per_cell == 0 :
					    w + 1u == class->nr_words;

		sf_bits_set(&slab->free[w],
			    last ? class->last_full : class->full);
	}
}

static void insert_in_all(struct sf_heap *heap, struct sf_slab *slab)
{
	slab->all_next = heap->slabs;
	slab->all_link = &heap->slabs;
	if (slab->all_next != NULL)
		slab->all_next->all_link = &slab->all_next;
	heap->slabs = slab;
}

static void remove_from_all(struct sf_slab *slab)
{
	*slab->all_link = slab->all_next;
	if (slab->all_next != NULL)
		slab->all_next->all_link = slab->all_link;
}

struct sf_slab *sf_slab_open(struct sf_heap *heap, unsigned number)
{
	const struct sf_class *class = &sf_classes[number];
	struct sf_pages pages;
	struct sf_slab *slab;

	if (sf_pool_take(SF_SLAB_LEN >> sf_page_shift, SF_SLAB_LEN, 0,
			 &pages) != 0)
		return NULL;
	slab = sf_slab_of(pages.pool, sf_pool_addr(pages.pool, pages.first));
	slab->addr = sf_pool_addr(pages.pool, pages.first);
	slab->full = class->full;
	slab->last_full = class->last_full;
	slab->size = class->size;
	slab->recip = class->recip;
	slab->class = (uint8_t)number;
	slab->word_shift = class->word_shift;
	slab->avail = (uint16_t)(SF_ALL_CELLS >> (16 - class->nr_words));
	slab->listed = false;
	slab->waiting = false;
	slab->idle = 0;
	slab->clean = (uint16_t)~cells_of_pages(pages.used);
	set_free_words(slab, class);
	insert_in_all(heap, slab);
	/* Release: pairs with the acquire in sf_heap_free_remote(). */
	atomic_store_explicit(&slab->owner, heap, memory_order_release);
	set_idle(heap, slab, SF_ALL_CELLS & ~(unsigned)slab->clean);
	return slab;
}

void sf_slab_close(struct sf_heap *heap, struct sf_slab *slab)
{
	struct sf_pool *pool = sf_pool_of(slab->addr);
	uint64_t used = pages_of_cells(slab->idle);

	sf_heap_unlist(heap, slab);
	clear_idle(heap, slab, SF_ALL_CELLS);
	remove_from_all(slab);
	for (unsigned w = 0; w < SF_NR_WORDS; w++)
		sf_bits_set(&slab->free[w], 0);
	atomic_store_explicit(&slab->owner, NULL, memory_order_relaxed);
	sf_pool_give_some(pool, sf_pool_page(pool, slab->addr),
			  SF_SLAB_LEN >> sf_page_shift, used);
}

void sf_slab_move(struct sf_heap *from, struct sf_heap *to,
		  struct sf_slab *slab)
{
	unsigned idle = slab->idle;

	sf_heap_unlist(from, slab);
	clear_idle(from, slab, SF_ALL_CELLS);
	remove_from_all(slab);
	insert_in_all(to, slab);
	/* Seq_cst: pairs with who notifies, see heap.c. */
	atomic_store(&slab->owner, to);
	set_idle(to, slab, idle);
	sf_heap_list(to, slab);
}

/* Nobody needs an empty slab but the bin that takes blocks from it. */
static void close_if_empty(struct sf_heap *heap, struct sf_slab *slab)
{
	if (heap->bins[slab->class].slab != slab &&
	    sf_slab_is_empty(heap, slab))
		sf_slab_close(heap, slab);
}

/*
 * Taking and freeing
 */

/* The cells of a block of a coarse slab: first, and the one behind the last. */
static void cells_of_block(const struct sf_slab *slab, size_t offset,
			   unsigned *first, unsigned *end)
{
	*first = (unsigned)(offset >> SF_CELL_SHIFT);
	*end = (unsigned)((offset + slab->size - 1) >> SF_CELL_SHIFT) + 1;
}

void *sf_slab_take_coarse(struct sf_heap *heap, struct sf_slab *slab,
			  bool *clean)
{
	unsigned word = sf_bits_get(&slab->coarse.words[0]) == 0;
	uint64_t bits = sf_bits_get(&slab->coarse.words[word]);
	unsigned i = word * 64 + (unsigned)__builtin_ctzll(bits);
	size_t offset = (size_t)i * slab->size;
	unsigned first;
	unsigned end;
	unsigned was_clean;

	sf_bits_set(&slab->coarse.words[word], bits & (bits - 1));
	cells_of_block(slab, offset, &first, &end);
	for (unsigned cell = first; cell < end; cell++)
		slab->coarse.live[cell]++;
	clear_idle(heap, slab, cells(first, end));
	was_clean = slab->clean & cells(first, end);
	*clean = was_clean == cells(first, end);
	if (was_clean != 0) {
		slab->clean &= (uint16_t)~was_clean;
		sf_heap_regret(heap, count(was_clean));
	}
	return (void *)(slab->addr + offset);
}

/* A block's bit was set: its cells may be idle now. */
static void freed_coarse(struct sf_heap *heap, struct sf_slab *slab,
			 size_t offset)
{
	unsigned idle = 0;
	unsigned first;
	unsigned end;

	cells_of_block(slab, offset, &first, &end);
	for (unsigned cell = first; cell < end; cell++)
		if (--slab->coarse.live[cell] == 0)
			idle |= 1u << cell;
	set_idle(heap, slab, idle);
	sf_heap_list(heap, slab);
}

void sf_slab_event(struct sf_heap *heap, struct sf_slab *slab, unsigned word)
{
	unsigned cell = word >> slab->word_shift;
	uint64_t remote = sf_bits_get(&slab->remote[word]);

	slab->avail |= (uint16_t)(1u << word);
	if (remote != 0) {
		remote = atomic_exchange(&slab->remote[word], 0);
		sf_bits_set(&slab->free[word],
			    sf_bits_get(&slab->free[word]) | remote);
	}
	sf_heap_list(heap, slab);
	if (cell_is_free(slab, cell))
		set_idle(heap, slab, 1u << cell);
	close_if_empty(heap, slab);
}

void sf_slab_bad_free(const struct sf_slab *slab, uintptr_t addr)
{
	struct sf_spot spot;
	size_t offset = addr - slab->addr;

	if (!sf_slab_spot(slab, offset, &spot))
		sf_fatal("free(%p): not the start of a block (of %u bytes)",
			 (void *)addr, slab->size);
	sf_fatal("free(%p): already free (a block of %u bytes)", (void *)addr,
		 slab->size);
}

void sf_slab_free(struct sf_heap *heap, struct sf_slab *slab, uintptr_t addr)
{
	size_t offset = addr - slab->addr;
	struct sf_spot spot;
	uint64_t bits;
	uint64_t remote;
	uint64_t bit;

	if (!sf_slab_spot(slab, offset, &spot))
		sf_slab_bad_free(slab, addr);
	bit = (uint64_t)1 << spot.bit;
	bits = sf_bits_get(&slab->free[spot.word]);
	remote = sf_bits_get(&slab->remote[spot.word]);
	if (SF_UNLIKELY(((bits | remote | ~spot.full) & bit) != 0))
		sf_slab_bad_free(slab, addr);
	sf_bits_set(&slab->free[spot.word], bits | bit);
	if (!is_fine(slab)) {
		freed_coarse(heap, slab, offset);
		close_if_empty(heap, slab);
	} else if (bits == 0 || (bits | remote | bit) == spot.full) {
		sf_slab_event(heap, slab, spot.word);
	}
}

/* The owner's share of a word that others freed blocks of. */
static void collect_word(struct sf_heap *heap, struct sf_slab *slab,
			 unsigned word)
{
	/* Acquire: the blocks' last users are done with them. */
	uint64_t remote = atomic_exchange(&slab->remote[word], 0);
	uint64_t bits = sf_bits_get(&slab->free[word]);

	if (SF_UNLIKELY((bits & remote) != 0))
		sf_fatal("free(%p): a block of %u bytes was freed twice, by "
			 "different threads",
			 (void *)slab->addr, slab->size);
	sf_bits_set(&slab->free[word], bits | remote);
	slab->avail |= (uint16_t)(1u << word);
	if (is_fine(slab)) {
		unsigned cell = word >> slab->word_shift;

		if (cell_is_free(slab, cell))
			set_idle(heap, slab, 1u << cell);
		return;
	}
	for (; remote != 0; remote &= remote - 1)
		freed_coarse(heap, slab,
			     (word * 64 + (size_t)__builtin_ctzll(remote)) *
				     slab->size);
}

bool sf_slab_collect(struct sf_heap *heap, struct sf_slab *slab)
{
	unsigned nr_words = sf_classes[slab->class].nr_words;
	bool any = false;

	for (unsigned word = 0; word < nr_words; word++) {
		if (sf_bits_get(&slab->remote[word]) == 0)
			continue;
		collect_word(heap, slab, word);
		any = true;
	}
	if (any) {
		sf_heap_list(heap, slab);
		close_if_empty(heap, slab);
	}
	return any;
}

/*
 * Releasing
 */

/* Nothing is taken from the bin's cell until it is chosen again. */
static void leave_cell(struct sf_heap *heap, struct sf_slab *slab)
{
	struct sf_bin *bin = &heap->bins[slab->class];

	if (bin->slab != slab || !is_fine(slab) || bin->word == &sf_no_blocks)
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
	return cells(first, end);
}

unsigned sf_slab_purge(struct sf_heap *heap, struct sf_slab *slab)
{
	unsigned released = 0;
	unsigned first;
	unsigned end;

	leave_cell(heap, slab);
	settle_all(heap, slab);
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
