// SPDX-License-Identifier: MIT
/* Undoing what programs did to their maps, see alter.h. */
#include "mmap/alter.h"

#include <errno.h>
#include <sys/mman.h>

#include "mmap/count.h"
#include "mmap/family.h"
#include "mmap/ranges.h"
#include "os/maps.h"
#include "vm/account.h"
#include "vm/pin.h"
#include "vm/state.h"

static _Atomic unsigned kinds_used;

/* Taken, not live. What is mapped in the first waits to be undone. */
static struct sf_ranges aside;
static struct sf_ranges holes;

static unsigned get_kinds(void)
{
	/* Relaxed: changed under the lock. */
	return atomic_load_explicit(&kinds_used, memory_order_relaxed);
}

void sf_alter_note_kind(unsigned kinds)
{
	atomic_fetch_or_explicit(&kinds_used, kinds, memory_order_relaxed);
}

void sf_alter_note(const struct sf_extent *extent, unsigned kinds)
{
	sf_alter_note_kind(kinds);
	sf_space_set(extent, SF_QUIET);
}

void sf_alter_protected_again(const struct sf_extent *extent)
{
	if (get_kinds() == SF_ALTER_PROT)
		sf_space_clear(extent, SF_QUIET);
}

/*
 * Undoing
 */

/* Each kind by its own call. 0, or the first -errno. */
static int undo_kinds(uintptr_t addr, size_t len)
{
	static const struct {
		unsigned kind;
		int advice;
	} advices[] = {
		{ SF_ALTER_GUARD, SF_MADV_GUARD_REMOVE },
		{ SF_ALTER_FORK, MADV_DOFORK },
		{ SF_ALTER_WIPE, SF_MADV_KEEPONFORK },
		{ SF_ALTER_DUMP, MADV_DODUMP },
		{ SF_ALTER_HUGE, MADV_NOHUGEPAGE },
		{ SF_ALTER_MERGE, MADV_UNMERGEABLE },
	};
	static const struct sf_policy no_policy;
	unsigned kinds = get_kinds();
	int err = 0;

	if (kinds & SF_ALTER_LOCK)
		err = sf_page_unlock(addr, len);
	if (err == 0 && (kinds & SF_ALTER_POLICY))
		err = sf_page_call_bind(addr, len, &no_policy);
	for (size_t i = 0; err == 0 && i < SF_NR(advices); i++) {
		if ((kinds & advices[i].kind) == 0)
			continue;
		err = sf_page_call_advise(addr, len, advices[i].advice);
		/* A kernel that does not know the advice never took it. */
		if (err == -EINVAL)
			err = 0;
	}
	/* Last, when all other flags are those of the neighbours. */
	if (err == 0 && (kinds & SF_ALTER_KEY))
		err = sf_page_call_protect(addr, len, PROT_READ | PROT_WRITE,
					   0);
	else if (err == 0 && (kinds & SF_ALTER_PROT))
		err = sf_page_commit(addr, len);
	return err;
}

/* Give back what can be. */
static void discard(uintptr_t addr, size_t len)
{
	if (sf_page_discard_locked(addr, len) != 0)
		sf_page_discard(addr, len);
}

/* Fresh pages, which get the region's flags and become part of it again. */
static int renew(uintptr_t addr, size_t len, bool is_hole)
{
	int err = is_hole ? sf_page_renew_at(addr, len) :
			    sf_page_renew(addr, len);

	if (err != 0)
		return err;
	sf_page_set_huge(addr, len, false);
	/* After mlockall() they are locked and resident, but not in use. */
	if (sf_pin_is_on())
		sf_page_unlock(addr, len);
	if (sf_mmap_locks_all())
		discard(addr, len);
	return 0;
}

/*
 * Releasing
 */

/*
 * Make the pages of a release whole. *is_hole: they are unmapped instead; one
 * above the limit nothing else is allowed.
 */
static int make_whole(struct sf_releasing *releasing, bool *is_hole)
{
	struct sf_release *release = &releasing->release;
	uintptr_t addr = release->addr;
	size_t len = release->len;
	bool replaced = (get_kinds() & SF_ALTER_REPLACED) != 0;
	bool was_locked = false;
	int err = -EINVAL;

	*is_hole = false;
	if (!replaced && sf_release_pages(addr, len, &was_locked))
		err = undo_kinds(addr, len);
	if (err == 0)
		return 0;
	/* Page tables go with what was mapped. */
	sf_space_forget_tables(&releasing->extent);
	release->head_table = false;
	release->tail_table = false;
	err = renew(addr, len, false);
	if (err == 0 || !replaced)
		return err;
	if (sf_page_unmap(addr, len) != 0) {
		/* They can't be made whole, but go. */
		discard(addr, len);
		return err;
	}
	*is_hole = true;
	return renew(addr, len, true);
}

static void set_aside(struct sf_ranges *ranges, uintptr_t addr, size_t len)
{
	if (sf_ranges_add(ranges, addr, addr + len))
		return;
	/* Taken for ever. */
	sf_count(SF_COUNT_STUCK, 1);
	sf_count(SF_COUNT_STUCK_LEN, len);
}

void sf_alter_release(struct sf_releasing *releasing)
{
	bool is_hole;

	if (make_whole(releasing, &is_hole) == 0) {
		sf_release(&releasing->release);
		sf_extent_release_end(releasing);
		return;
	}
	set_aside(is_hole ? &holes : &aside, releasing->release.addr,
		  releasing->release.len);
	sf_extent_release_keep(releasing);
}

/* A hole that a release was begun on, and that could be filled or not. */
static void finish_hole(struct sf_releasing *releasing, bool filled)
{
	sf_space_forget_tables(&releasing->extent);
	if (filled) {
		sf_extent_release_end(releasing);
		return;
	}
	set_aside(&holes, releasing->release.addr, releasing->release.len);
	sf_extent_release_keep(releasing);
}

void sf_alter_fill(const struct sf_extent *hole)
{
	struct sf_releasing releasing;
	struct sf_extent rest = *hole;
	size_t end = rest.first + rest.nr;

	while (rest.nr > 0 &&
	       sf_extent_release_begin(&rest, true, &releasing) ==
		       SF_RUN_BEGUN) {
		rest.first = releasing.extent.first + releasing.extent.nr;
		rest.nr = end - rest.first;
		finish_hole(&releasing,
			    renew(releasing.release.addr, releasing.release.len,
				  true) == 0);
	}
}

/*
 * What was set aside
 */

bool sf_alter_any_aside(void)
{
	return SF_UNLIKELY(sf_ranges_nr(&aside) + sf_ranges_nr(&holes) > 0);
}

size_t sf_alter_aside_len(void)
{
	return sf_ranges_len(&aside) + sf_ranges_len(&holes);
}

static struct sf_extent extent_of(struct sf_range range)
{
	struct sf_region *region = sf_space_find(range.start,
						 range.end - range.start);

	return (struct sf_extent){
		region,
		sf_region_page(region, range.start),
		(range.end - range.start) >> sf_page_shift,
	};
}

static bool undo_aside(struct sf_range range)
{
	size_t len = range.end - range.start;

	if ((get_kinds() & SF_ALTER_REPLACED) == 0 &&
	    undo_kinds(range.start, len) == 0)
		return true;
	return renew(range.start, len, false) == 0;
}

static void retry_aside(void)
{
	struct sf_range range;
	struct sf_extent extent;

	if (!sf_ranges_next(&aside, &range) || !undo_aside(range))
		return;
	sf_ranges_cut(&aside, range.start, range.end);
	extent = extent_of(range);
	sf_extent_give(&extent);
}

/*
 * What can be filled of a hole is free. Where a stranger has moved in the pages
 * are as if replaced; what is refused waits.
 */
static void fill_hole(uintptr_t addr, uintptr_t end)
{
	size_t len = end - addr;
	uintptr_t middle = addr + sf_align_down(len / 2, sf_page_size);
	struct sf_range range = { addr, end };
	struct sf_extent extent = extent_of(range);
	int err = renew(addr, len, true);

	if (err != 0 && err != -EEXIST)
		return;
	if (err == -EEXIST && middle > addr && !sf_page_is_mapped(addr, len)) {
		fill_hole(addr, middle);
		fill_hole(middle, end);
		return;
	}
	sf_ranges_cut(&holes, addr, end);
	if (err == 0)
		sf_extent_give(&extent);
	else
		sf_space_adopt(&extent);
}

static void retry_hole(void)
{
	struct sf_range range;

	if (sf_ranges_next(&holes, &range))
		fill_hole(range.start, range.end);
}

void sf_alter_retry(void)
{
	if (!sf_alter_any_aside())
		return;
	retry_aside();
	retry_hole();
}

static bool reclaim(struct sf_ranges *ranges, uintptr_t addr, uintptr_t end,
		    struct sf_extent *out)
{
	const struct sf_range *found = sf_ranges_find(ranges, addr, end);
	struct sf_range part;

	if (found == NULL)
		return false;
	part.start = sf_max(found->start, addr);
	part.end = sf_min(found->end, end);
	sf_ranges_cut(ranges, part.start, part.end);
	*out = extent_of(part);
	sf_space_adopt(out);
	return true;
}

bool sf_alter_reclaim(uintptr_t addr, uintptr_t end, struct sf_extent *out)
{
	return sf_alter_any_aside() && (reclaim(&aside, addr, end, out) ||
					reclaim(&holes, addr, end, out));
}

/* To the program it is unmapped, and should fault. */
static void trap(struct sf_release *release)
{
	release->marked_all = release->trap &&
			      release->len <= SF_TRAP_WHOLE_LEN;
	release->trap_skipped = release->marked_all &&
				sf_page_mark(release->addr, release->len) != 0;
}

static void drop_hole(const struct sf_extent *hole, bool filled)
{
	struct sf_releasing releasing;

	if (sf_extent_release_begin(hole, true, &releasing) != SF_RUN_BEGUN)
		return;
	if (filled)
		trap(&releasing.release);
	finish_hole(&releasing, filled);
	sf_mmap_count_released(sf_extent_len(hole));
}

/*
 * How many pages to look at by themselves of an extent that could not be filled
 * at once: as the kernel says whether something is there, half of them. When it
 * allows no mapping at all, those up to the first end of a mapping or a hole.
 */
static size_t first_part(const struct sf_extent *extent, int err)
{
	uintptr_t addr = sf_extent_addr(extent);
	uintptr_t end = addr + sf_extent_len(extent);
	struct sf_mapping mapping = { 0 };
	int found = err == -EEXIST ? err : sf_maps_find(addr, &mapping);

	/* -ENOENT without a mapping: there may be no /proc. */
	if (found != 0 && (found != -ENOENT || mapping.end == 0))
		return extent->nr / 2;
	if (found == 0)
		end = sf_min(end, mapping.end);
	else if (mapping.start > addr)
		end = sf_min(end, mapping.start);
	return (end - addr) >> sf_page_shift;
}

void sf_alter_drop_holes(const struct sf_extent *extent)
{
	struct sf_extent rest = *extent;

	while (rest.nr > 0 && !sf_page_is_mapped(sf_extent_addr(&rest),
						 sf_extent_len(&rest))) {
		/* It says whether all of it is a hole, too. */
		int err = renew(sf_extent_addr(&rest), sf_extent_len(&rest),
				true);
		struct sf_extent part = rest;

		part.nr = err == 0 ? rest.nr : first_part(&rest, err);
		if (part.nr == 0 || part.nr == rest.nr) {
			drop_hole(&rest, err == 0);
			return;
		}
		sf_alter_drop_holes(&part);
		rest.first += part.nr;
		rest.nr -= part.nr;
	}
}

static void drop_holes_of(struct sf_region *region)
{
	struct sf_extent rest = { region, 0, region->nr_pages };
	struct sf_extent run;

	for (; rest.nr > 0; rest.nr = region->nr_pages - rest.first) {
		if ((sf_space_run(&rest, &run) & SF_QUIET) != 0)
			sf_alter_drop_holes(&run);
		rest.first = run.first + run.nr;
	}
}

void sf_alter_fork_child(void)
{
	size_t nr = sf_state_nr_regions();

	if ((get_kinds() & SF_ALTER_FORK) == 0)
		return;
	for (size_t i = 0; i < nr; i++)
		if (sf_state_region(i)->kind == SF_REGION_MAP)
			drop_holes_of(sf_state_region(i));
}

void sf_alter_prepare(void)
{
	sf_ranges_prepare(&aside);
	sf_ranges_prepare(&holes);
}
