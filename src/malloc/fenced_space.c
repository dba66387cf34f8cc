// SPDX-License-Identifier: MIT
/* The addresses of fenced blocks, see fenced_space.h. */
#include "malloc/fenced_space.h"

#include <errno.h>

#include "base/option.h"
#include "os/limit.h"
#include "os/lock.h"

#define MAX_SPACES    16
#define MIN_SPACE_LEN ((size_t)64 << 20)

/* A space takes at most this share of a limited address space. */
#define ADDRESS_SPACE_SHARE 8

/* Where no addresses are left, a space is taken that is this much longer. */
#define ROOM 2

static struct sf_lock lock;
static struct sf_fenced_space spaces[MAX_SPACES];
static _Atomic size_t nr_spaces;
static bool has_marks;

void sf_fenced_space_lock(void)
{
	sf_lock_acquire(&lock, SF_RANK_MODE);
}

void sf_fenced_space_unlock(void)
{
	sf_lock_release(&lock, SF_RANK_MODE);
}

/*
 * Opening spaces
 */

static int open_space(struct sf_fenced_space *space, size_t len)
{
	size_t nr = len >> sf_page_shift;
	int err = sf_array_open(&space->pages, len);

	if (err != 0)
		return err;
	err = sf_array_open(&space->records,
			    sf_align_up(nr * sizeof(struct sf_fenced_record),
					sf_page_size));
	if (err != 0)
		sf_array_close(&space->pages);
	return err;
}

/* As long as the option "region" says, or less, but min_len at least. */
static int add_space_locked(size_t min_len)
{
	size_t nr = atomic_load_explicit(&nr_spaces, memory_order_relaxed);
	size_t limit = sf_limit_address_space();
	size_t len = sf_align_up(sf_option(SF_OPTION_REGION), MIN_SPACE_LEN);
	int err = -ENOMEM;

	if (nr == MAX_SPACES)
		return -ENOMEM;
	if (limit != SIZE_MAX)
		len = sf_min(len, limit / ADDRESS_SPACE_SHARE);
	min_len = sf_align_up(sf_max(min_len, MIN_SPACE_LEN), MIN_SPACE_LEN);
	len = sf_align_up(sf_max(len, min_len), MIN_SPACE_LEN);
	for (; err != 0 && len >= min_len;
	     len = sf_align_down(len / 2, MIN_SPACE_LEN))
		err = open_space(&spaces[nr], len);
	/* Release: pairs with the acquire in sf_fenced_space_find(). */
	if (err == 0)
		atomic_store_explicit(&nr_spaces, nr + 1, memory_order_release);
	return err;
}

int sf_fenced_space_init(bool marks)
{
	has_marks = marks;
	return add_space_locked(0);
}

/*
 * Taking
 */

static void set_word(struct sf_fenced_space *space, size_t page, uint64_t word)
{
	/* Release: pairs with the acquires of who looks the record up. */
	atomic_store_explicit(&sf_fenced_record(space, page)->word, word,
			      memory_order_release);
}

static uint64_t get_word(const struct sf_fenced_space *space, size_t page)
{
	return atomic_load_explicit(&sf_fenced_record(space, page)->word,
				    memory_order_acquire);
}

/* Free pages that no block had, or that a block had once. */
static void set_filler(struct sf_fenced_space *space, size_t first, size_t end)
{
	size_t size = (end - first - 1) << sf_page_shift;

	if (first == end)
		return;
	sf_fenced_record(space, first)->taken_by = 0;
	sf_fenced_record(space, first)->freed_by = 0;
	set_word(space, first, sf_fenced_word(size, 0, SF_FENCED_FREE));
}

static size_t align_page(const struct sf_fenced_space *space, size_t page,
			 size_t align)
{
	uintptr_t addr = sf_fenced_addr(space, page);

	return page + ((sf_align_up(addr, align) - addr) >> sf_page_shift);
}

/* Mark what is accessible from a page on, which nobody has. */
static void mark_from(struct sf_fenced_space *space, size_t page)
{
	size_t end = space->pages.len >> sf_page_shift;

	if (has_marks && page < end &&
	    sf_page_mark(sf_fenced_addr(space, page),
			 (end - page) << sf_page_shift) == 0)
		space->marked = end;
}

static bool take_new(struct sf_fenced_space *space, size_t nr, size_t align,
		     struct sf_fenced_place *out)
{
	size_t first = align_page(space, space->next, align);
	size_t end = first + nr;

	if (end < first || end > space->pages.max_len >> sf_page_shift ||
	    !sf_array_grow(&space->pages, end << sf_page_shift) ||
	    !sf_array_grow(&space->records,
			   end * sizeof(struct sf_fenced_record)))
		return false;
	*out = (struct sf_fenced_place){ space, first, nr, first - space->next,
					 end <= space->marked };
	if (!out->is_guarded)
		mark_from(space, end);
	set_filler(space, space->next, first);
	space->next = end;
	return true;
}

/* Cut nr pages at `first` out of the free places [start, end). */
static void cut(struct sf_fenced_space *space, size_t start, size_t end,
		size_t first, size_t nr)
{
	size_t page = start;

	while (page < end) {
		uint64_t word = get_word(space, page);

		set_word(space, page, 0);
		page += sf_fenced_pages(sf_fenced_size(word));
	}
	set_filler(space, start, first);
	set_filler(space, first + nr, end);
	space->hand = first + nr;
}

/* The next free places that are long enough together, going once around. */
static bool take_again(struct sf_fenced_space *space, size_t nr, size_t align,
		       struct sf_fenced_place *out)
{
	size_t left = space->next + nr;
	size_t start = space->hand;
	size_t first;

	while (left > 0) {
		uint64_t word;
		size_t len;

		if (space->hand == space->next)
			start = space->hand = 0;
		if (space->next == 0)
			return false;
		word = get_word(space, space->hand);
		len = sf_fenced_pages(sf_fenced_size(word));
		space->hand += len;
		left -= sf_min(left, len);
		if (sf_fenced_state(word) != SF_FENCED_FREE) {
			start = space->hand;
			continue;
		}
		first = align_page(space, start, align);
		if (first + nr <= space->hand) {
			*out = (struct sf_fenced_place){ space, first, nr, 0,
							 false };
			cut(space, start, space->hand, first, nr);
			return true;
		}
	}
	return false;
}

static bool take_locked(size_t nr, size_t align, struct sf_fenced_place *out)
{
	size_t seen = atomic_load_explicit(&nr_spaces, memory_order_relaxed);

	for (size_t i = 0; i < seen; i++)
		if (take_new(&spaces[i], nr, align, out))
			return true;
	for (size_t i = 0; i < seen; i++)
		if (take_again(&spaces[i], nr, align, out))
			return true;
	if (add_space_locked(((nr << sf_page_shift) + align) * ROOM) != 0)
		return false;
	return take_new(&spaces[seen], nr, align, out);
}

bool sf_fenced_space_take(size_t size, size_t align,
			  struct sf_fenced_place *out)
{
	bool taken;

	align = sf_max(align, sf_page_size);
	if (size > SF_FENCED_MAX_SIZE || align > SF_FENCED_MAX_SIZE)
		return false;
	sf_fenced_space_lock();
	taken = take_locked(sf_fenced_pages(size), align, out);
	if (taken)
		set_word(out->space, out->first,
			 sf_fenced_word(size, 0, SF_FENCED_BUSY));
	sf_fenced_space_unlock();
	return taken;
}

/*
 * Finding
 */

static size_t next_of(const struct sf_fenced_space *space)
{
	/* Of a place that the caller knows, the page is below it. */
	return __atomic_load_n(&space->next, __ATOMIC_RELAXED);
}

struct sf_fenced_space *sf_fenced_space_near(uintptr_t addr, size_t *page)
{
	size_t nr = atomic_load_explicit(&nr_spaces, memory_order_acquire);

	for (size_t i = 0; i < nr; i++) {
		size_t next = next_of(&spaces[i]);
		size_t offset = addr - spaces[i].pages.base;

		if (addr >= spaces[i].pages.base &&
		    offset < spaces[i].pages.max_len && next > 0) {
			*page = sf_min(offset >> sf_page_shift, next - 1);
			return &spaces[i];
		}
	}
	return NULL;
}

struct sf_fenced_space *sf_fenced_space_find(uintptr_t addr, size_t *page)
{
	struct sf_fenced_space *space = sf_fenced_space_near(addr, page);

	if (space == NULL || addr >= sf_fenced_addr(space, *page + 1))
		return NULL;
	return space;
}

size_t sf_fenced_space_first(const struct sf_fenced_space *space, size_t page)
{
	while (sf_fenced_state(get_word(space, page)) == SF_FENCED_NONE)
		page--;
	return page;
}
