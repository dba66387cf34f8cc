// SPDX-License-Identifier: MIT
/* Heaps: taking blocks, idle cells, frees from other threads; see heap.h. */
#include "malloc/heap.h"

#include "base/log.h"
#include "malloc/threads.h"
#include "vm/retain.h"

/* Cells. A page each, or a part of one. */
#define QUOTA_STEP ((size_t)16)

/* No heap takes more than this part of what may be retained. */
#define HEAP_SHARE 2

/*
 * What others freed of a heap may take this part until somebody collects it;
 * where that is too little, up to so many times as much.
 */
#define REMOTE_SHARE	 64
#define REMOTE_MAX_STEPS 4

_Atomic uint64_t sf_no_blocks;

/*
 * The lists of bins
 */

void sf_heap_list(struct sf_heap *heap, struct sf_slab *slab)
{
	struct sf_bin *bin = &heap->bins[slab->class];

	if (slab->listed || bin->slab == slab)
		return;
	slab->next = NULL;
	slab->link = bin->list_end;
	*bin->list_end = slab;
	bin->list_end = &slab->next;
	slab->listed = true;
}

void sf_heap_unlist(struct sf_heap *heap, struct sf_slab *slab)
{
	struct sf_bin *bin = &heap->bins[slab->class];

	if (bin->slab == slab) {
		bin->slab = NULL;
		bin->word = &sf_no_blocks;
	}
	if (!slab->listed)
		return;
	*slab->link = slab->next;
	if (slab->next != NULL)
		slab->next->link = slab->link;
	else
		bin->list_end = slab->link;
	slab->listed = false;
}

/*
 * Idle cells
 */

static void push_idle(struct sf_heap *heap, struct sf_slab *slab)
{
	slab->idle_next = NULL;
	slab->idle_link = heap->idle_end;
	*heap->idle_end = slab;
	heap->idle_end = &slab->idle_next;
	slab->waiting = true;
}

static void remove_idle(struct sf_heap *heap, struct sf_slab *slab)
{
	*slab->idle_link = slab->idle_next;
	if (slab->idle_next != NULL)
		slab->idle_next->idle_link = slab->idle_link;
	else
		heap->idle_end = slab->idle_link;
	slab->waiting = false;
}

/* Release idle cells of the slab that has some for longest. */
static size_t purge_oldest(struct sf_heap *heap)
{
	struct sf_slab *slab = heap->idle;
	size_t nr = 0;

	/* A slab without a whole idle page gives none: the next one. */
	for (; slab != NULL && nr == 0; slab = slab->idle_next)
		nr = sf_slab_purge(heap, slab);
	return nr;
}

static bool grow_quota(struct sf_heap *heap)
{
	size_t max = sf_retain_bound() / HEAP_SHARE >> SF_CELL_SHIFT;

	if (heap->quota + QUOTA_STEP > max ||
	    !sf_retain_try(QUOTA_STEP << SF_CELL_SHIFT))
		return false;
	heap->quota += QUOTA_STEP;
	return true;
}

/* Let others have what the heap does not need of its quota. */
static void shrink_quota(struct sf_heap *heap, size_t spare)
{
	size_t want = sf_align_up(heap->nr_idle, spare > 0 ? QUOTA_STEP : 1) +
		      spare;

	if (heap->quota <= want)
		return;
	sf_retain_end((heap->quota - want) << SF_CELL_SHIFT);
	heap->quota = want;
}

void sf_heap_add_idle(struct sf_heap *heap, struct sf_slab *slab,
		      unsigned nr_cells)
{
	heap->nr_idle += nr_cells;
	if (!slab->waiting)
		push_idle(heap, slab);
	while (SF_UNLIKELY(heap->nr_idle > heap->quota) && !grow_quota(heap))
		if (purge_oldest(heap) == 0)
			break;
}

void sf_heap_sub_idle(struct sf_heap *heap, struct sf_slab *slab,
		      unsigned nr_cells)
{
	heap->nr_idle -= nr_cells;
	if (slab->idle == 0)
		remove_idle(heap, slab);
}

/*
 * Taking blocks
 */

/* The next slab to take from, or NULL without memory. */
static struct sf_slab *next_slab(struct sf_heap *heap, unsigned class)
{
	struct sf_bin *bin = &heap->bins[class];
	struct sf_slab *slab;

	sf_heap_collect(heap);
	slab = bin->list;
	if (slab == NULL && heap != &sf_heap_common)
		slab = sf_threads_adopt(heap, class);
	if (slab == NULL) {
		shrink_quota(heap, 2 * QUOTA_STEP);
		slab = sf_slab_open(heap, class);
	}
	if (slab != NULL)
		sf_heap_unlist(heap, slab);
	bin->slab = slab;
	return slab;
}

/*
 * The word to take from next. One in a cell that is in use already, if there
 * is one: idle cells are left to become an empty slab.
 */
static unsigned choose_word(const struct sf_slab *slab)
{
	unsigned in_use = slab->avail & ~(unsigned)slab->idle;

	if (sf_slab_is_fine(slab) && slab->word_shift == 0 && in_use != 0)
		return (unsigned)__builtin_ctz(in_use);
	return (unsigned)__builtin_ctz(slab->avail);
}

/* Take from the next word of the bin's slab. False when it has none. */
static bool next_word(struct sf_bin *bin)
{
	struct sf_slab *slab = bin->slab;

	while (slab->avail != 0) {
		unsigned word = choose_word(slab);

		slab->avail &= (uint16_t) ~(1u << word);
		if (sf_bits_get(&slab->free[word]) == 0)
			continue;
		bin->word = &slab->free[word];
		bin->size = slab->size;
		bin->base = sf_slab_word_addr(slab, word);
		return true;
	}
	return false;
}

/* The bin's slab is used up, or somebody else's turn. */
static void leave_slab(struct sf_heap *heap, struct sf_bin *bin)
{
	struct sf_slab *slab = bin->slab;

	bin->slab = NULL;
	bin->word = &sf_no_blocks;
	if (slab != NULL)
		sf_slab_settle(heap, slab);
}

/* A block of the word that the bin takes from; 0: it has none left. */
static uintptr_t take_of_word(struct sf_bin *bin)
{
	uint64_t bits = sf_bits_get(bin->word);

	if (SF_UNLIKELY(bits == 0))
		return 0;
	sf_bits_set(bin->word, bits & (bits - 1));
	return bin->base + (size_t)__builtin_ctzll(bits) * bin->size;
}

void *sf_heap_take(struct sf_heap *heap, unsigned class, bool *clean)
{
	struct sf_bin *bin = &heap->bins[class];
	uintptr_t addr;
	unsigned cells;

	*clean = false;
	while ((addr = take_of_word(bin)) == 0) {
		if (bin->slab != NULL && next_word(bin))
			continue;
		leave_slab(heap, bin);
		if (next_slab(heap, class) == NULL)
			return NULL;
	}
	sf_mark_set(sf_slab_mark_of(bin->slab, addr), SF_MARK_USED);
	if (!sf_class_is_fine(class)) {
		cells = sf_slab_cells(bin->slab, addr - bin->slab->addr);
		*clean = (bin->slab->clean & cells) == cells;
	}
	return (void *)addr;
}

/*
 * Frees from other threads
 *
 * A thread sets the block's bit in slab->remote, and unless someone did before
 * sets slab->notified and puts the slab into the owner's list. The owner takes
 * the list, clears notified and then looks at the bits. If the slab changed
 * hands meanwhile it may be in the wrong heap's list: whoever changes the owner
 * empties the old one's list afterwards, and whoever puts a slab there looks at
 * the owner afterwards. One of them sees it, and passes it on: the one who
 * freed follows the slab until its heap's list is empty.
 */

static void push_remote(struct sf_heap *heap, struct sf_slab *slab)
{
	struct sf_slab *head = atomic_load(&heap->remote);

	do {
		slab->remote_next = head;
	} while (!atomic_compare_exchange_weak(&heap->remote, &head, slab));
}

/* Have the owner look at the slab. Returns the owner, or NULL. */
static struct sf_heap *notify(struct sf_slab *slab)
{
	struct sf_heap *owner = atomic_load(&slab->owner);

	if (owner == NULL || atomic_load(&slab->notified) == sf_slab_epoch ||
	    atomic_exchange(&slab->notified, sf_slab_epoch) == sf_slab_epoch)
		return owner;
	push_remote(owner, slab);
	return owner;
}

void sf_heap_collect(struct sf_heap *heap)
{
	struct sf_slab *slab;

	if (SF_LIKELY(atomic_load_explicit(&heap->remote,
					   memory_order_relaxed) == NULL))
		return;
	atomic_store_explicit(&heap->nr_remote, 0, memory_order_relaxed);
	slab = atomic_exchange(&heap->remote, NULL);
	while (slab != NULL) {
		struct sf_slab *next = slab->remote_next;

		atomic_exchange(&slab->notified, 0);
		if (atomic_load(&slab->owner) == heap)
			sf_slab_collect(heap, slab);
		else
			notify(slab);
		slab = next;
	}
}

void sf_heap_collect_many(struct sf_heap *heap)
{
	if (atomic_load_explicit(&heap->nr_remote, memory_order_relaxed) >
	    atomic_load_explicit(&heap->remote_quota, memory_order_relaxed) / 2)
		sf_heap_collect(heap);
}

/* Cells that a free may have made idle; more rather than fewer. */
static size_t cells_freed(size_t size, uint64_t full, uint64_t bits,
			  uint64_t remote)
{
	if (size <= SF_FINE_MAX)
		return (bits | remote) == full;
	if (size >= SF_CELL_LEN)
		return (size + SF_CELL_LEN - 1) >> SF_CELL_SHIFT;
	return (unsigned)__builtin_popcountll(remote) % (SF_CELL_LEN / size) ==
	       0;
}

/* Whether a heap has to be stopped to keep the bound. */
static bool too_many(struct sf_heap *heap, size_t nr_cells)
{
	size_t quota;
	size_t more;
	size_t nr;

	if (heap == &sf_heap_common)
		return true;
	if (nr_cells == 0)
		return false;
	nr = atomic_fetch_add_explicit(&heap->nr_remote, nr_cells,
				       memory_order_relaxed) +
	     nr_cells;
	quota = atomic_load_explicit(&heap->remote_quota, memory_order_relaxed);
	if (nr <= quota)
		return false;
	more = sf_retain_bound() / REMOTE_SHARE >> SF_CELL_SHIFT;
	if (quota >= REMOTE_MAX_STEPS * more ||
	    !sf_retain_try(more << SF_CELL_SHIFT))
		return true;
	if (atomic_compare_exchange_strong(&heap->remote_quota, &quota,
					   quota + more))
		return nr > quota + more;
	sf_retain_end(more << SF_CELL_SHIFT);
	return true;
}

static void give_remote_quota(struct sf_heap *heap)
{
	size_t remote = atomic_exchange(&heap->remote_quota, 0);

	sf_retain_end(remote << SF_CELL_SHIFT);
}

/*
 * Have a slab's frees taken over, which are in that heap's list; or in
 * another's by now: where the slab went, nobody may come to look for long. A
 * heap that it left may have no thread to need what too_many() counted for it.
 */
static void collect_for(struct sf_heap *owner, const struct sf_slab *slab)
{
	struct sf_heap *heap;

	do {
		heap = owner;
		sf_heap_stop(heap);
		sf_heap_collect(heap);
		owner = atomic_load(&slab->owner);
		if (owner != heap) {
			give_remote_quota(heap);
			/* What came meanwhile is counted by nobody. */
			sf_heap_collect(heap);
		}
		sf_heap_resume(heap);
	} while (owner != NULL && owner != heap);
}

void sf_heap_free_remote(struct sf_slab *slab, uintptr_t addr)
{
	struct sf_heap *owner;
	struct sf_spot spot;
	size_t size = slab->size;
	uint64_t bit;
	uint64_t bits;
	uint64_t old;

	if (!sf_slab_mark_remote(slab, addr))
		sf_slab_bad_free(slab, addr);
	spot = sf_slab_spot(slab, addr - slab->addr);
	bit = (uint64_t)1 << spot.bit;
	bits = sf_bits_get(&slab->free[spot.word]);
	/* From here on the slab may be closed, when this was its last block. */
	old = atomic_fetch_or(&slab->remote[spot.word], bit);
	owner = notify(slab);
	if (owner == NULL)
		return;
	if (too_many(owner, cells_freed(size, spot.full, bits, old | bit)) ||
	    atomic_load(&slab->owner) != owner)
		collect_for(owner, slab);
}

/*
 * All at once
 */

void sf_heap_leave_bins(struct sf_heap *heap)
{
	sf_cache_flush(heap);
	sf_large_cache_flush(&heap->large);
	for (unsigned class = 0; class < SF_NR_CLASSES; class ++) {
		struct sf_bin *bin = &heap->bins[class];
		struct sf_slab *slab = bin->slab;

		if (slab == NULL)
			continue;
		leave_slab(heap, bin);
		slab->avail = (uint16_t)(SF_ALL_CELLS >>
					 (16 - sf_classes[class].nr_words));
		sf_heap_list(heap, slab);
	}
}

void sf_heap_give_quota(struct sf_heap *heap)
{
	give_remote_quota(heap);
	shrink_quota(heap, 0);
}

/* Release idle cells, of slabs that have some for longest first. */
static void purge_idle(struct sf_heap *heap, size_t keep_len)
{
	struct sf_slab *slab = heap->idle;

	while (slab != NULL && sf_retain_len() > keep_len) {
		struct sf_slab *next = slab->idle_next;

		sf_slab_purge(heap, slab);
		shrink_quota(heap, 0);
		slab = next;
	}
}

/* The same with what is cached, and close slabs that are empty then. */
static void release_all(struct sf_heap *heap)
{
	struct sf_slab *next;

	sf_heap_leave_bins(heap);
	for (struct sf_slab *slab = heap->slabs; slab != NULL; slab = next) {
		next = slab->all_next;
		if (slab->idle != 0)
			sf_slab_purge(heap, slab);
		if (sf_slab_is_empty(slab))
			sf_slab_close(heap, slab);
	}
	shrink_quota(heap, 0);
}

void sf_heap_trim(struct sf_heap *heap, size_t keep_len)
{
	/* First: what is freed from here on is counted anew. */
	give_remote_quota(heap);
	sf_heap_collect(heap);
	shrink_quota(heap, 0);
	purge_idle(heap, keep_len);
	if (!sf_retain_is_within(keep_len))
		release_all(heap);
}
