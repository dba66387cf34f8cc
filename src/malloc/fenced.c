// SPDX-License-Identifier: MIT
/* The mode "fence", see fenced.h. */
#include "malloc/fenced.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "malloc/fenced_space.h"
#include "malloc/report.h"
#include "malloc/size_class.h"
#include "malloc/stacks.h"
#include "malloc/trap.h"
#include "os/probe.h"
#include "vm/release.h"

#define PATTERN 0xfd

static bool has_guard;
static _Atomic bool is_refused; /* markers are, for some blocks */
static _Atomic size_t used_len;

bool sf_fenced_init(void)
{
	has_guard = sf_probe_has(SF_FEATURE_GUARD);
	if (sf_fenced_space_init(has_guard) != 0) {
		sf_warn("fence: no address space for it; it is off");
		return false;
	}
	if (!has_guard)
		sf_warn("fence: this kernel has no guard markers (6.13): only "
			"free() sees what went wrong");
	return true;
}

/*
 * Guards
 */

/* Say once that guards are missing. */
static void warn_unguarded(void)
{
	if (!atomic_exchange_explicit(&is_refused, true, memory_order_relaxed))
		sf_warn("fence: guard markers are refused, as on locked "
			"memory: blocks are without");
}

static bool mark(uintptr_t addr, size_t nr)
{
	return nr == 0 || sf_trap_set(addr, nr << sf_page_shift);
}

/* Make the block's pages accessible, and those beside it inaccessible. */
static bool set_guards(const struct sf_fenced_place *place)
{
	uintptr_t addr = sf_fenced_addr(place->space, place->first);
	size_t nr = place->nr - 1;
	bool marked;

	if (!has_guard)
		return true;
	if (nr > 0 && !sf_trap_remove(addr, nr << sf_page_shift))
		return false;
	if (place->is_guarded)
		return true;
	marked = mark(addr + (nr << sf_page_shift), 1) &&
		 mark(addr - (place->gap << sf_page_shift), place->gap);
	if (!marked)
		warn_unguarded();
	return true;
}

/* Where nothing traps, what is nobody's may have been written to. */
static bool is_zero(uintptr_t addr, size_t nr)
{
	bool was_locked;

	if (nr == 0 ||
	    (has_guard &&
	     !atomic_load_explicit(&is_refused, memory_order_relaxed)))
		return true;
	return sf_release_pages(addr, nr << sf_page_shift, &was_locked);
}

/* Give the pages back, for nobody to touch. False: they have old contents. */
static bool fence_off(uintptr_t addr, size_t nr)
{
	bool was_locked;

	if (nr == 0 || (has_guard && mark(addr, nr)))
		return true;
	if (has_guard)
		warn_unguarded();
	return sf_release_pages(addr, nr << sf_page_shift, &was_locked);
}

/*
 * Blocks
 */

/* A block that was found, or that an address belongs to. */
struct block {
	struct sf_fenced_record *record;
	uint64_t word;
	uintptr_t pages; /* where its pages start */
	size_t nr;	 /* of them, without the guard */
	uintptr_t addr;
	size_t size;
};

static void describe(const struct sf_fenced_space *space, size_t first,
		     struct block *out)
{
	out->record = sf_fenced_record(space, first);
	out->word = atomic_load_explicit(&out->record->word,
					 memory_order_acquire);
	out->pages = sf_fenced_addr(space, first);
	out->size = sf_fenced_size(out->word);
	out->nr = sf_fenced_pages(out->size) - 1;
	out->addr = out->pages + sf_fenced_start(out->word);
}

static struct sf_report_block report_of(const struct block *block)
{
	return (struct sf_report_block){
		.addr = block->addr,
		.size = block->size,
		.is_used = sf_fenced_state(block->word) == SF_FENCED_USED,
		.taken_by = block->record->taken_by,
		.freed_by = block->record->freed_by,
	};
}

SF_NORETURN static void bad_block(const char *call, const void *addr,
				  const struct block *block)
{
	struct sf_report_block report = report_of(block);

	sf_report_misuse(call, addr, &report);
}

/* The block in use that starts at addr; fatal when none does. */
static void find(const char *call, const void *addr, struct block *out)
{
	size_t page;
	struct sf_fenced_space *space = sf_fenced_space_find((uintptr_t)addr,
							     &page);

	if (space == NULL)
		sf_fatal("%s(%p): not a block of malloc", call, addr);
	describe(space, sf_fenced_space_first(space, page), out);
	if ((uintptr_t)addr != out->addr ||
	    sf_fenced_state(out->word) != SF_FENCED_USED)
		bad_block(call, addr, out);
}

/* Where the pages of a block end, and its guard starts. */
static uintptr_t end_of(const struct block *block)
{
	return block->pages + (block->nr << sf_page_shift);
}

static void *take(size_t size, size_t align, bool zero)
{
	uint32_t stack = sf_stacks_take();
	struct sf_fenced_place place;
	struct block block;
	size_t start;

	if (!sf_fenced_space_take(size, align, &place))
		return NULL;
	describe(place.space, place.first, &block);
	block.record->taken_by = stack;
	block.record->freed_by = 0;
	/* Pages are new, or were given back when their block was freed. */
	if (!set_guards(&place) || (zero && !is_zero(block.pages, block.nr))) {
		atomic_store_explicit(&block.record->word,
				      sf_fenced_word(size, 0, SF_FENCED_FREE),
				      memory_order_release);
		return NULL;
	}
	start = sf_align_down((block.nr << sf_page_shift) - size,
			      sf_min(sf_max(align, 16), sf_page_size));
	block.addr = block.pages + start;
	memset((void *)block.pages, PATTERN, start);
	memset((void *)(block.addr + size), PATTERN,
	       end_of(&block) - (block.addr + size));
	atomic_fetch_add_explicit(&used_len, size, memory_order_relaxed);
	/* Release: pairs with the acquire in describe(). */
	atomic_store_explicit(&block.record->word,
			      sf_fenced_word(size, start, SF_FENCED_USED),
			      memory_order_release);
	return (void *)block.addr;
}

/* The first byte from addr on that is not the pattern, or end. */
static uintptr_t check_pattern(uintptr_t addr, uintptr_t end)
{
	while (addr < end && *(const unsigned char *)addr == PATTERN)
		addr++;
	return addr;
}

static void check_around(const struct block *block)
{
	struct sf_report_block report = report_of(block);
	uintptr_t at = check_pattern(block->pages, block->addr);

	if (at == block->addr) {
		at = check_pattern(block->addr + block->size, end_of(block));
		if (at == end_of(block))
			return;
	}
	sf_warn("free(%p): offset %zd of the block of %zu bytes was written "
		"to",
		(void *)block->addr, (ssize_t)(at - block->addr), block->size);
	sf_report_abort(&report);
}

static void free_block(void *addr)
{
	uint32_t stack = sf_stacks_take();
	struct block block;
	uint64_t word;

	find("free", addr, &block);
	word = block.word;
	/* Of two threads that free it one is caught. */
	if (!atomic_compare_exchange_strong(&block.record->word, &word,
					    block.word - SF_FENCED_USED +
						    SF_FENCED_BUSY)) {
		block.word = word;
		bad_block("free", addr, &block);
	}
	check_around(&block);
	block.record->freed_by = stack;
	atomic_fetch_sub_explicit(&used_len, block.size, memory_order_relaxed);
	/* Else busy for ever: nobody gets memory that is not zero. */
	if (fence_off(block.pages, block.nr))
		atomic_store_explicit(&block.record->word,
				      block.word - SF_FENCED_USED +
					      SF_FENCED_FREE,
				      memory_order_release);
}

static size_t len_of(const char *call, const void *addr)
{
	struct block block;

	find(call, addr, &block);
	return block.size;
}

static void free_sized(void *addr, size_t align, size_t size)
{
	struct sf_report_block report;
	struct block block;

	(void)align;
	find("free_sized", addr, &block);
	if (size != block.size) {
		report = report_of(&block);
		sf_warn("free_sized(%p, %zu): the block has %zu bytes", addr,
			size, block.size);
		sf_report_abort(&report);
	}
	free_block(addr);
}

/* Always elsewhere, so that whoever still has the old address is caught. */
static void *resize(void *addr, size_t size)
{
	size_t old_size = len_of("realloc", addr);
	void *copy = take(size, 1, false);

	if (copy == NULL)
		return NULL;
	memcpy(copy, addr, sf_min(old_size, size));
	free_block(addr);
	return copy;
}

/*
 * Faults
 */

/* The guard's neighbour behind it, if the address is nearer to that. */
static void look_behind(const struct sf_fenced_space *space, size_t page,
			uintptr_t addr, struct block *block)
{
	struct block next;

	if (page >= space->next || addr < end_of(block) || block->nr == 0)
		return;
	describe(space, page, &next);
	if (sf_fenced_state(next.word) == SF_FENCED_USED && next.nr > 0 &&
	    next.addr - addr < addr - (block->addr + block->size))
		*block = next;
}

static bool explain(uintptr_t addr, bool is_write)
{
	size_t page;
	struct sf_fenced_space *space = sf_fenced_space_near(addr, &page);
	struct sf_report_block report;
	struct block block;

	if (space == NULL)
		return false;
	describe(space, sf_fenced_space_first(space, page), &block);
	look_behind(space, page + 1, addr, &block);
	report = report_of(&block);
	if (sf_report_is_allowed(&report, addr))
		return false;
	sf_report_fault(&report, addr, is_write);
	return true;
}

static void trim(void)
{
	/* Nothing is held back but addresses. */
}

static bool has(const void *addr)
{
	size_t page;

	return sf_fenced_space_find((uintptr_t)addr, &page) != NULL;
}

static size_t get_used_len(void)
{
	return atomic_load_explicit(&used_len, memory_order_relaxed);
}

static unsigned nr_cells(void)
{
	return SF_NR_CELLS;
}

const struct sf_mode sf_fenced_mode = {
	.nr_cells = nr_cells,
	.take = take,
	.resize = resize,
	.free = free_block,
	.free_sized = free_sized,
	.len = len_of,
	.has = has,
	.trim = trim,
	.used_len = get_used_len,
	.explain = explain,
	.lock = sf_fenced_space_lock,
	.unlock = sf_fenced_space_unlock,
};
