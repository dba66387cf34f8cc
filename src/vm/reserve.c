// SPDX-License-Identifier: MIT
/* What surefree reserves, see reserve.h. */
#include "vm/reserve.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "os/page.h"
#include "vm/pin.h"
#include "vm/state.h"

static struct {
	_Atomic uintptr_t start; /* 0: free */
	_Atomic size_t len;	 /* 0: not ready */
} reserved[SF_MAX_RESERVED];

/* Mostly relaxed: what another thread reserves meanwhile may be missed. */

static void note(uintptr_t start, size_t len)
{
	for (size_t i = 0; i < SF_MAX_RESERVED; i++) {
		uintptr_t expected = 0;

		if (!atomic_compare_exchange_strong_explicit(
			    &reserved[i].start, &expected, start,
			    memory_order_relaxed, memory_order_relaxed))
			continue;
		/* Release: with it, start is seen. */
		atomic_store_explicit(&reserved[i].len, len,
				      memory_order_release);
		return;
	}
}

/* The place of a reservation, or SF_MAX_RESERVED. */
static size_t place_of(uintptr_t start)
{
	size_t i = 0;

	while (i < SF_MAX_RESERVED &&
	       atomic_load_explicit(&reserved[i].start, memory_order_relaxed) !=
		       start)
		i++;
	return i;
}

static void clear(size_t i)
{
	if (i == SF_MAX_RESERVED)
		return;
	atomic_store_explicit(&reserved[i].len, 0, memory_order_relaxed);
	atomic_store_explicit(&reserved[i].start, 0, memory_order_relaxed);
}

/* The i-th, or 0 where there is none: a place may be given to another. */
static size_t get(size_t i, uintptr_t *start)
{
	size_t len;

	/* Acquire: start is no older than len, and not newer. */
	do {
		len = atomic_load_explicit(&reserved[i].len,
					   memory_order_acquire);
		*start = atomic_load_explicit(&reserved[i].start,
					      memory_order_acquire);
	} while (len !=
		 atomic_load_explicit(&reserved[i].len, memory_order_relaxed));
	return *start != 0 ? len : 0;
}

/*
 * The last page of a region is unlocked as all that is reserved, and has no
 * contents that a move would take away (5.7).
 */
static long copy_page(void)
{
	size_t nr = sf_state_nr_regions();

	for (size_t i = 0; i < nr; i++) {
		const struct sf_region *region = sf_state_region(i);
		long result = sf_page_call_remap(region->end - sf_page_size,
						 sf_page_size, sf_page_size,
						 MREMAP_MAYMOVE |
							 SF_MREMAP_DONTUNMAP,
						 0);

		if (!sf_page_is_error(result))
			return result;
	}
	return -EAGAIN;
}

/* A page of address space that is not locked, though new maps are. */
static long reserve_page(void)
{
	uintptr_t page;

	if (sf_page_reserve(sf_page_size, &page) != 0)
		return copy_page();
	if (sf_page_unlock(page, sf_page_size) == 0)
		return (long)page;
	sf_page_unmap(page, sf_page_size);
	return -EAGAIN;
}

/*
 * After mlockall(MCL_FUTURE) a new map is locked, and refused with EAGAIN where
 * that is too much; but one that was unlocked grows without a lock.
 */
static int reserve_unlocked(size_t len, uintptr_t *out)
{
	long page = reserve_page();
	long result;

	if (sf_page_is_error(page))
		return (int)page;
	result = sf_page_call_remap((uintptr_t)page, sf_page_size, len,
				    MREMAP_MAYMOVE, 0);
	if (sf_page_is_error(result)) {
		sf_page_unmap((uintptr_t)page, sf_page_size);
		return (int)result;
	}
	*out = (uintptr_t)result;
	return 0;
}

int sf_reserve(size_t len, uintptr_t *out)
{
	int err = sf_page_reserve(len, out);

	if (err == -EAGAIN)
		err = reserve_unlocked(len, out);
	else if (err == 0 && sf_pin_is_on())
		sf_page_unlock(*out, len);
	if (err == 0)
		note(*out, len);
	return err;
}

void sf_unreserve(uintptr_t start, size_t len)
{
	clear(place_of(start));
	sf_page_unmap(start, len);
}

void sf_reserve_cut_start(uintptr_t start, uintptr_t end, uintptr_t new_start)
{
	size_t i = place_of(start);

	if (new_start == start || sf_page_unmap(start, new_start - start) != 0)
		return;
	/* Both are noted for a moment, so that none is missed. */
	note(new_start, end - new_start);
	clear(i);
}

bool sf_reserve_cut_end(uintptr_t start, uintptr_t end, uintptr_t new_end)
{
	size_t i = place_of(start);

	if (new_end < end && sf_page_unmap(new_end, end - new_end) != 0)
		return false;
	if (i < SF_MAX_RESERVED)
		atomic_store_explicit(&reserved[i].len, new_end - start,
				      memory_order_relaxed);
	return true;
}

bool sf_reserve_split(uintptr_t start, uintptr_t end, uintptr_t stop,
		      uintptr_t resume)
{
	if (sf_page_unmap(stop, resume - stop) != 0)
		return false;
	note(resume, end - resume);
	return sf_reserve_cut_end(start, stop, stop);
}

bool sf_reserved_overlaps(uintptr_t start, uintptr_t end)
{
	for (size_t i = 0; i < SF_MAX_RESERVED; i++) {
		uintptr_t at;
		size_t len = get(i, &at);

		if (len > 0 && start < at + len && end > at)
			return true;
	}
	return false;
}

void sf_reserved_unlock(void)
{
	for (size_t i = 0; i < SF_MAX_RESERVED; i++) {
		uintptr_t at;
		size_t len = get(i, &at);

		if (len > 0)
			sf_page_unlock(at, len);
	}
}
