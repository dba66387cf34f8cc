// SPDX-License-Identifier: MIT
/* The release ladder, see release.h. */
#include "vm/release.h"

#include <errno.h>

#include "base/log.h"
#include "os/maps.h"
#include "os/page.h"
#include "os/probe.h"

#define MAX_RETRIES  8
#define MAX_MAPPINGS 8

/* MADV_DONTNEED; -EAGAIN is no answer. */
static int discard(uintptr_t addr, size_t len)
{
	int err;
	int tries = 0;

	do {
		err = sf_page_discard(addr, len);
	} while (err == -EAGAIN && ++tries < MAX_RETRIES);
	return err;
}

/*
 * Take the lock off mappings that lie wholly in the range: that never splits
 * one. A lock that reaches further is the caller's wish for other memory too.
 */
static void unlock_inside(uintptr_t addr, size_t len)
{
	uintptr_t at = addr;

	for (int i = 0; i < MAX_MAPPINGS && at < addr + len; i++) {
		struct sf_mapping mapping;

		if (sf_maps_find(at, &mapping) != 0)
			return;
		if (mapping.start >= addr && mapping.end <= addr + len)
			sf_page_unlock(mapping.start,
				       mapping.end - mapping.start);
		at = mapping.end;
	}
}

/*
 * Before 5.18. Unlocking a range may need mappings; unlocking all mappings that
 * it touches, whole, never does.
 */
static bool unlock_and_discard(uintptr_t addr, size_t len)
{
	struct sf_mapping mapping = { .end = addr };

	if (sf_page_unlock(addr, len) == 0 && discard(addr, len) == 0)
		return true;
	while (mapping.end < addr + len) {
		if (sf_maps_find(mapping.end, &mapping) != 0)
			return false;
		sf_page_unlock(mapping.start, mapping.end - mapping.start);
	}
	return discard(addr, len) == 0;
}

bool sf_release_pages(uintptr_t addr, size_t len, bool *was_locked)
{
	int err = discard(addr, len);

	if (SF_LIKELY(err == 0))
		return true;
	*was_locked = err == -EINVAL;
	if (sf_probe_has(SF_FEATURE_DONTNEED_LOCKED) &&
	    sf_page_discard_locked(addr, len) == 0)
		return true;
	/* A second look: what refused may have been passing. */
	if (discard(addr, len) == 0 || unlock_and_discard(addr, len))
		return true;
	sf_assert(err == -ENOMEM);
	return false;
}

static void release_pages(struct sf_release *release, uintptr_t addr,
			  size_t len)
{
	bool was_locked = false;

	if (!sf_release_pages(addr, len, &was_locked))
		release->stuck = true;
	if (SF_UNLIKELY(was_locked)) {
		release->was_locked = true;
		if (!release->locked)
			unlock_inside(addr, len);
	}
}

/*
 * Whether a page table exists for a page of the range: it does when any page
 * that it covers is resident.
 */
static bool table_exists(const struct sf_release *release, uintptr_t page)
{
	uintptr_t start = sf_align_down(page, release->table_len);
	uintptr_t first = sf_max(start, release->addr);
	uintptr_t end = sf_min(start + release->table_len,
			       release->addr + release->len);

	return sf_page_any_resident(first, end - first);
}

/* Find out about both ends what the caller does not know. */
static void look_for_tables(struct sf_release *release)
{
	uintptr_t last = release->addr + release->len - sf_page_size;
	bool same = release->addr / release->table_len ==
		    last / release->table_len;

	if (!release->head_table)
		release->head_table = table_exists(release, release->addr);
	if (same)
		release->tail_table = release->head_table;
	if (!release->tail_table)
		release->tail_table = table_exists(release, last);
}

/* Up to SF_TRAP_WHOLE_LEN: mark everything, else give up the trap. */
static void release_and_mark_all(struct sf_release *release)
{
	if (release->head_table && release->tail_table) {
		/* When it fails, part of the range may carry markers. */
		release->marked_all = true;
		if (sf_page_mark(release->addr, release->len) == 0)
			return;
	}
	release->trap_skipped = true;
	release_pages(release, release->addr, release->len);
}

static bool mark_page(uintptr_t page)
{
	return sf_page_mark(page, sf_page_size) == 0;
}

/*
 * Longer: discard all and mark both ends. Two things ask for marking an end
 * first and leaving its page out of the discarding. A page table that is
 * covered whole goes away with the discarding; the last page will do for both
 * ends of a range that has one table only. And khugepaged, which would fill
 * what was discarded again, leaves alone what has a marker.
 */
static void release_and_mark_ends(struct sf_release *release)
{
	uintptr_t first = release->addr;
	uintptr_t end = release->addr + release->len;
	uintptr_t last = end - sf_page_size;
	bool head = release->head_table;
	bool tail = release->tail_table;
	bool head_first = release->mark_first ||
			  (release->len > release->table_len &&
			   first % release->table_len == 0);
	bool tail_first = release->mark_first ||
			  (release->len >= release->table_len &&
			   end % release->table_len == 0);

	if (head && head_first && mark_page(first)) {
		release->marked_head = true;
		first += sf_page_size;
	}
	if (tail && tail_first && mark_page(last)) {
		release->marked_tail = true;
		end -= sf_page_size;
	}
	release_pages(release, first, end - first);
	if (head && !head_first)
		release->marked_head = mark_page(release->addr);
	if (tail && !tail_first)
		release->marked_tail = mark_page(last);
	release->trap_skipped = !release->marked_head || !release->marked_tail;
}

void sf_release(struct sf_release *release)
{
	if (SF_UNLIKELY(release->locked)) {
		release_pages(release, release->addr, release->len);
		/* A table that this freed is not to be made anew for a mark. */
		if (release->was_locked || release->len >= release->table_len) {
			release->trap_skipped = release->trap;
			return;
		}
		/* More than may be locked is handed out without a lock. */
	}
	if (!release->trap) {
		release_pages(release, release->addr, release->len);
		return;
	}
	look_for_tables(release);
	if (release->len <= SF_TRAP_WHOLE_LEN)
		release_and_mark_all(release);
	else
		release_and_mark_ends(release);
}
