// SPDX-License-Identifier: MIT
/* The mode "hardened", see hardened.h. */
#include "malloc/hardened.h"

#include <string.h>

#include "base/log.h"
#include "malloc/heap.h"
#include "malloc/large.h"
#include "malloc/lookup.h"
#include "malloc/malloc.h"
#include "malloc/origin.h"
#include "malloc/quarantine.h"
#include "malloc/random.h"
#include "malloc/report.h"
#include "malloc/trap.h"
#include "os/probe.h"
#include "vm/release.h"

static bool has_guard;

bool sf_hardened_init(void)
{
	if (sf_quarantine_init() != 0) {
		sf_warn("hardened: no memory for the quarantine; it is off");
		return false;
	}
	has_guard = sf_probe_has(SF_FEATURE_GUARD);
	if (!has_guard)
		sf_warn("hardened: this kernel has no guard markers (6.13): "
			"slabs and large blocks are without guards");
	return true;
}

/* All but the last page; a slab that is one page has no room for a guard. */
static unsigned nr_cells(void)
{
	size_t guard = sf_page_size >> SF_CELL_SHIFT;

	return has_guard && guard < SF_NR_CELLS ?
		       (unsigned)(SF_NR_CELLS - guard) :
		       SF_NR_CELLS;
}

/*
 * Finding
 */

static bool is_small(uintptr_t addr)
{
	return sf_lookup_is_small(sf_slab_of(sf_pool_of(addr), addr));
}

static struct sf_report_block report_of(const struct sf_lookup *found)
{
	struct sf_origin origin = sf_origin_get(found->addr);

	return (struct sf_report_block){
		.addr = found->addr,
		/* Of a large block the last page is the guard. */
		.size = found->is_small ? found->len :
					  found->len - sf_page_size,
		.is_used = found->is_used && !sf_quarantine_has(found->addr),
		.is_new = found->is_new,
		.taken_by = origin.taken_by,
		.freed_by = origin.freed_by,
	};
}

/* What is known of the block that an address is of, or beside. */
static bool describe(uintptr_t addr, struct sf_report_block *out)
{
	struct sf_lookup found;

	if (!sf_lookup(addr, &found))
		return false;
	*out = report_of(&found);
	return true;
}

/*
 * What reached the guard of a slab came from a block in use, of which the one
 * beside the guard may be none.
 */
static void look_before(struct sf_report_block *block)
{
	struct sf_lookup found = { .addr = block->addr };
	struct sf_report_block before;

	while (sf_lookup_used_before(&found)) {
		before = report_of(&found);
		if (before.is_used) {
			before.is_near = true;
			*block = before;
			return;
		}
	}
}

SF_NORETURN static void bad_block(const char *call, const void *addr)
{
	struct sf_report_block block;

	if (sf_pool_of((uintptr_t)addr) == NULL)
		sf_fatal("%s(%p): not a block of malloc", call, addr);
	if (!describe((uintptr_t)addr, &block))
		sf_fatal("%s(%p): no block starts here, or it is already free",
			 call, addr);
	sf_report_misuse(call, addr, &block);
}

/* The bytes of the block in use that starts here; fatal: none does. */
static size_t len_of(const char *call, const void *addr)
{
	struct sf_report_block block;

	if (!describe((uintptr_t)addr, &block) || !block.is_used ||
	    block.addr != (uintptr_t)addr)
		bad_block(call, addr);
	return block.size;
}

/*
 * Write after free
 */

/* Fatal when a freed block is not zero. */
static void check_zero(uintptr_t addr, size_t len)
{
	const uint64_t *words = (const uint64_t *)addr;
	struct sf_report_block block;
	size_t i = 0;

	while (i < len / 8 && words[i] == 0)
		i++;
	if (SF_LIKELY(i == len / 8))
		return;
	for (i *= 8; ((const char *)addr)[i] == 0;)
		i++;
	describe(addr, &block);
	sf_warn("write after free: offset %zu of the block of %zu bytes at %p "
		"was written to",
		i, len, (void *)addr);
	sf_report_abort(&block);
}

/*
 * Taking
 */

/* A random one of the words that have free blocks; there is one. */
static unsigned random_word(const struct sf_slab *slab)
{
	unsigned nr_words = sf_classes[slab->class].nr_words;
	unsigned word = sf_random_below(nr_words);

	while (sf_bits_get(&slab->free[word]) == 0)
		word = (word + 1) % nr_words;
	return word;
}

static unsigned random_bit(uint64_t bits)
{
	unsigned skip = sf_random_below((unsigned)__builtin_popcountll(bits));

	for (; skip > 0; skip--)
		bits &= bits - 1;
	return (unsigned)__builtin_ctzll(bits);
}

/*
 * Give back the block that was taken, which is the lowest of its word, and take
 * any other of the slab, or the same.
 */
static void *shuffle(struct sf_heap *heap, unsigned class, void *block)
{
	struct sf_slab *slab = heap->bins[class].slab;
	uintptr_t addr = (uintptr_t)block;
	struct sf_spot spot;
	unsigned word;
	unsigned bit;

	spot = sf_slab_spot(slab, addr - slab->addr);
	sf_mark_set(sf_slab_mark_of(slab, addr), SF_MARK_NONE);
	sf_bits_set(&slab->free[spot.word],
		    sf_bits_get(&slab->free[spot.word]) | (uint64_t)1
								  << spot.bit);
	word = random_word(slab);
	bit = random_bit(sf_bits_get(&slab->free[word]));
	sf_bits_set(&slab->free[word],
		    sf_bits_get(&slab->free[word]) & ~((uint64_t)1 << bit));
	addr = sf_slab_word_addr(slab, word) + (size_t)bit * slab->size;
	sf_mark_set(sf_slab_mark_of(slab, addr), SF_MARK_USED);
	return (void *)addr;
}

static void *take_small(unsigned class)
{
	struct sf_heap_hold hold = sf_heap_hold(sf_heap_get());
	void *block;
	bool clean;

	block = sf_heap_take(hold.heap, class, &clean);
	if (block != NULL)
		block = shuffle(hold.heap, class, block);
	sf_heap_release(hold);
	if (block != NULL)
		check_zero((uintptr_t)block, sf_classes[class].size);
	return block;
}

/* Pages, and one more that is the guard. */
static void *take_large(size_t size, size_t align, bool zero)
{
	size_t len = sf_align_up(sf_max(size, 1), sf_page_size);
	void *block = sf_large_take(len + sf_page_size, align, zero);

	/* Refused on locked memory, which then is without. */
	if (block != NULL && has_guard)
		sf_page_mark((uintptr_t)block + len, sf_page_size);
	return block;
}

/* The class that serves it, or SF_NR_CLASSES: it is large. */
static unsigned class_of(size_t size, size_t align)
{
	if (size > SF_SMALL_MAX)
		return SF_NR_CLASSES;
	return align > 16 ? sf_class_aligned(size, align) : sf_class_of(size);
}

static void *take(size_t size, size_t align, bool zero)
{
	unsigned class = class_of(size, align);
	void *block;

	if (class < SF_NR_CLASSES)
		block = take_small(class);
	else
		block = take_large(size, align, zero);
	if (block != NULL)
		sf_origin_taken((uintptr_t)block);
	return block;
}

/*
 * Freeing
 */

/* Out of quarantine. */
static void let_go(const struct sf_quarantined *old)
{
	struct sf_pool *pool = sf_pool_of(old->addr);

	if (is_small(old->addr))
		check_zero(old->addr, sf_slab_of(pool, old->addr)->size);
	else if (has_guard &&
		 !sf_trap_remove(old->addr, sf_large_len(pool, old->addr)))
		return; /* inaccessible for ever: nobody may get it */
	sf_free_plain((void *)old->addr);
}

/* Nothing of its contents may remain. Returns the bytes it still takes. */
static size_t wipe(uintptr_t addr, size_t size)
{
	size_t len;
	bool was_locked;

	if (is_small(addr)) {
		memset((void *)addr, 0, size);
		return size;
	}
	len = size + sf_page_size;
	if (has_guard && sf_trap_set(addr, len))
		return 0;
	return sf_release_pages(addr, len, &was_locked) ? 0 : len;
}

static void free_block(void *block)
{
	uintptr_t addr = (uintptr_t)block;
	size_t size = len_of("free", block);
	struct sf_quarantined new = { addr, wipe(addr, size) };
	struct sf_quarantined old;
	enum sf_quarantine_result result;

	sf_origin_freed(addr);
	while ((result = sf_quarantine_put(&new, &old)) == SF_QUARANTINE_FULL)
		let_go(&old);
	if (result == SF_QUARANTINE_TWICE)
		bad_block("free", block);
	if (result == SF_QUARANTINE_NEVER)
		let_go(&new);
}

/* Whether a block of len bytes is what a call for size gives. */
static bool is_for(size_t len, size_t size, size_t align)
{
	unsigned class = class_of(size, align);

	if (class < SF_NR_CLASSES)
		return sf_classes[class].size == len;
	return sf_align_up(sf_max(size, 1), sf_page_size) == len;
}

static void free_sized(void *block, size_t align, size_t size)
{
	size_t len = len_of("free_sized", block);

	if (!is_for(len, size, align)) {
		struct sf_report_block report;

		describe((uintptr_t)block, &report);
		sf_warn("free_sized(%p, %zu): the block has %zu bytes", block,
			size, len);
		sf_report_abort(&report);
	}
	free_block(block);
}

static void *resize(void *block, size_t size)
{
	size_t len = len_of("realloc", block);
	void *copy;

	if (is_for(len, size, 1))
		return block;
	copy = take(size, 1, false);
	if (copy == NULL)
		return NULL;
	memcpy(copy, block, sf_min(len, size));
	free_block(block);
	return copy;
}

static void trim(void)
{
	struct sf_quarantined old;

	while (sf_quarantine_pop(&old))
		let_go(&old);
}

static size_t used_len(void)
{
	return 0;
}

static bool explain(uintptr_t addr, bool is_write)
{
	struct sf_report_block block;

	if (!describe(addr, &block) || sf_report_is_allowed(&block, addr))
		return false;
	if (!block.is_used && is_small(addr) && addr >= block.addr + block.size)
		look_before(&block);
	sf_report_fault(&block, addr, is_write);
	return true;
}

static void lock(void)
{
	sf_quarantine_lock();
	sf_origin_lock();
}

static void unlock(void)
{
	sf_origin_unlock();
	sf_quarantine_unlock();
}

const struct sf_mode sf_hardened_mode = {
	.nr_cells = nr_cells,
	.take = take,
	.resize = resize,
	.free = free_block,
	.free_sized = free_sized,
	.len = len_of,
	.trim = trim,
	.used_len = used_len,
	.explain = explain,
	.lock = lock,
	.unlock = unlock,
};
