// SPDX-License-Identifier: MIT
/*
 * mprotect(). What becomes inaccessible and was never touched is marked instead
 * (guard pages of stacks, mostly), which takes no mapping.
 */
#include <errno.h>
#include <sys/mman.h>

#include "mmap/alter.h"
#include "mmap/count.h"
#include "mmap/family.h"
#include "mmap/mmap.h"
#include "mmap/rescue.h"
#include "mmap/saved.h"
#include "os/pagemap.h"
#include "os/probe.h"

bool sf_mmap_can_mark(void)
{
	return sf_option(SF_OPTION_TRAP) && sf_probe_has(SF_FEATURE_GUARD);
}

int sf_mmap_mark(const struct sf_extent *extent)
{
	int err;

	/* Before the kernel does: a refused call may have marked some. */
	sf_space_set(extent, SF_MARKED);
	err = sf_page_mark(sf_extent_addr(extent), sf_extent_len(extent));
	if (err != 0) {
		sf_mmap_unmark(extent);
		return err;
	}
	sf_space_note_tables(extent);
	sf_mmap_count(SF_MMAP_MARKS, 1);
	return 0;
}

int sf_mmap_unmark(const struct sf_extent *extent)
{
	int err = sf_page_unmark(sf_extent_addr(extent), sf_extent_len(extent));

	if (err == 0)
		sf_space_clear(extent, SF_MARKED);
	return err;
}

/* Whether all pages of a part are as asked for. */
static bool all_are(struct sf_pagemap *pagemap, const struct sf_extent *part,
		    bool (*is)(struct sf_pagemap *pagemap, uintptr_t addr))
{
	bool all = true;

	for (size_t i = 0; all && i < part->nr; i++)
		all = is(pagemap, sf_extent_addr(part) + (i << sf_page_shift));
	return all;
}

static bool is_untouched(struct sf_pagemap *pagemap, uintptr_t addr)
{
	return !sf_pagemap_touched(pagemap, addr);
}

static bool is_empty(struct sf_pagemap *pagemap, uintptr_t addr)
{
	return is_untouched(pagemap, addr) || sf_pagemap_is_zero(addr);
}

/*
 * Mark a run if all of it is marked already, or as asked for. Markers look as
 * if the pages had been swapped out.
 */
static bool mark_if(const struct sf_extent *run,
		    bool (*is)(struct sf_pagemap *pagemap, uintptr_t addr))
{
	struct sf_pagemap pagemap;
	struct sf_extent rest = *run;
	struct sf_extent part;
	size_t end = rest.first + rest.nr;
	bool all = true;

	sf_pagemap_open(&pagemap);
	for (; all && rest.nr > 0; rest.nr = end - rest.first) {
		unsigned planes = sf_space_marked_run(&rest, &part);

		if ((planes & SF_MARKED) == 0)
			all = all_are(&pagemap, &part, is);
		rest.first = part.first + part.nr;
	}
	sf_pagemap_close(&pagemap);
	return all && sf_mmap_mark(run) == 0;
}

static int protect_really(const struct sf_extent *run, int prot, int key)
{
	sf_alter_note(run, key == -1 ? SF_ALTER_PROT : SF_ALTER_KEY);
	return sf_page_call_protect(sf_extent_addr(run), sf_extent_len(run),
				    prot, key);
}

/* What fn does, to each run of marked pages. The first -errno. */
static int each_marked(const struct sf_extent *extent,
		       int (*fn)(const struct sf_extent *run))
{
	struct sf_extent rest = *extent;
	struct sf_extent run;
	size_t end = rest.first + rest.nr;
	int err = 0;

	for (; err == 0 && rest.nr > 0; rest.nr = end - rest.first) {
		unsigned planes = sf_space_marked_run(&rest, &run);

		if ((planes & SF_MARKED) != 0)
			err = fn(&run);
		rest.first = run.first + run.nr;
	}
	return err;
}

static int protect_instead(const struct sf_extent *run)
{
	int err = protect_really(run, PROT_NONE, -1);

	return err == 0 ? sf_mmap_unmark(run) : err;
}

int sf_mmap_protect_marked(const struct sf_extent *extent)
{
	return each_marked(extent, protect_instead);
}

/*
 * At the limit zeros that were touched may go, too: they read the same after.
 * What a refused call did to a part of the run is undone before.
 */
static int protect_none(const struct sf_extent *run, unsigned planes)
{
	bool can_mark = (planes & SF_QUIET) == 0 && sf_mmap_can_mark();
	int err;

	if (can_mark && sf_extent_len(run) <= SF_MMAP_MARK_LEN &&
	    mark_if(run, is_untouched))
		return 0;
	err = protect_really(run, PROT_NONE, -1);
	if (err == -ENOMEM && can_mark &&
	    protect_really(run, PROT_READ | PROT_WRITE, -1) == 0 &&
	    mark_if(run, is_empty))
		return 0;
	return err;
}

/* A run of live pages of ours. */
static int protect_run(const struct sf_extent *run, unsigned planes, int prot,
		       int key)
{
	int err = 0;

	if (prot == PROT_NONE && key == -1)
		return protect_none(run, planes);
	if ((planes & SF_MARKED) != 0)
		err = each_marked(run, sf_mmap_unmark);
	if (err != 0)
		return -ENOMEM;
	if (prot != (PROT_READ | PROT_WRITE) || key != -1)
		return protect_really(run, prot, key);
	if ((planes & SF_QUIET) == 0)
		return 0;
	err = protect_really(run, prot, key);
	if (err == 0)
		sf_alter_protected_again(run);
	return err;
}

static int protect_ours(const struct sf_piece *piece, int prot, int key)
{
	struct sf_extent rest = sf_piece_extent(piece);
	struct sf_extent run;
	size_t end = rest.first + rest.nr;
	int err = 0;

	for (; err == 0 && rest.nr > 0; rest.nr = end - rest.first) {
		unsigned planes = sf_space_run(&rest, &run);

		if ((planes & SF_LIVE) == 0)
			return -ENOMEM;
		err = protect_run(&run, planes, prot, key);
		rest.first = run.first + run.nr;
	}
	return err;
}

static int protect_any(uintptr_t addr, uintptr_t end, int prot, int key)
{
	struct sf_piece piece;
	int err = 0;

	for (; err == 0 && addr < end; addr = piece.end) {
		piece = sf_piece_at(addr, end);
		sf_rescue_split(&piece);
		if (piece.kind == SF_PIECE_OURS)
			err = protect_ours(&piece, prot, key);
		else if (piece.kind == SF_PIECE_GONE)
			err = -ENOMEM;
		else
			err = sf_page_call_protect(piece.start,
						   piece.end - piece.start,
						   prot, key);
	}
	return err;
}

int sf_mmap_protect(uintptr_t addr, size_t len, int prot, int key)
{
	uintptr_t end = addr + sf_space_round(len);
	int err;

	if (!sf_mmap_is_on() || !sf_space_is_range(addr, len) ||
	    (!sf_rescue_any() && !sf_space_overlaps(addr, end)))
		return sf_page_call_protect(addr, len, prot, key);
	sf_space_lock();
	sf_alter_retry();
	err = protect_any(addr, end, prot, key);
	sf_space_unlock();
	sf_mmap_saved_changed();
	return err;
}
