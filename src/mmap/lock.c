// SPDX-License-Identifier: MIT
/* mlock() and its like; mlockall() is in lock_all.c. */
#include <errno.h>
#include <sys/mman.h>

#include "mmap/alter.h"
#include "mmap/count.h"
#include "mmap/family.h"
#include "mmap/mmap.h"
#include "mmap/rescue.h"

enum work { LOCK, UNLOCK };

static int call(uintptr_t addr, size_t len, enum work work, unsigned flags)
{
	if (work == UNLOCK)
		return sf_page_unlock(addr, len);
	return sf_page_call_lock(addr, len, flags);
}

static int call_run(const struct sf_extent *run, enum work work, unsigned flags)
{
	return call(sf_extent_addr(run), sf_extent_len(run), work, flags);
}

/* Take free pages, and release them as altered ones are. False: not all are. */
static bool undo_free(const struct sf_extent *run)
{
	if (sf_extent_map_at(run) != 0)
		return false;
	sf_mmap_count_live(sf_extent_len(run));
	sf_alter_note(run, SF_ALTER_LOCK);
	sf_mmap_unmap_ours(run, true);
	return true;
}

/*
 * Pages were locked while others could unmap them. What is live is altered,
 * whoever has it now, as the kernel's own lock would be on it. What is not is
 * unlocked: a page that comes to life meanwhile is not locked by its owner yet,
 * as that is noted before, under the family's lock.
 */
static void settle(const struct sf_extent *extent)
{
	struct sf_extent rest = *extent;
	struct sf_extent run;
	size_t end = rest.first + rest.nr;

	sf_alter_note(extent, SF_ALTER_LOCK);
	for (; rest.nr > 0; rest.nr = end - rest.first) {
		bool live = sf_space_live_run(&rest, &run);

		rest.first = run.first + run.nr;
		if (live || undo_free(&run))
			continue;
		if (run.nr == 1) {
			call_run(&run, UNLOCK, 0);
			continue;
		}
		run.nr /= 2;
		settle(&run);
		rest.first = run.first + run.nr;
	}
}

/* The kernel reads pages in, and may wait for another thread that serves it. */
static int lock_run(const struct sf_extent *run, unsigned flags)
{
	int err = call_run(run, LOCK, flags);

	sf_space_lock();
	settle(run);
	sf_space_unlock();
	return err;
}

static int unlock_run(const struct sf_extent *run, unsigned planes)
{
	/* Never locked: no reason to risk a mapping. */
	if ((planes & SF_QUIET) == 0 && !sf_mmap_locked_all())
		return 0;
	sf_alter_note(run, SF_ALTER_LOCK);
	return call_run(run, UNLOCK, 0);
}

/*
 * To be locked, live pages are one run, altered or not: whether the limit
 * allows it the kernel asks of the whole.
 */
static unsigned find_run(const struct sf_extent *rest, enum work work,
			 struct sf_extent *run)
{
	if (work == LOCK)
		return sf_space_live_run(rest, run) ? SF_LIVE : 0;
	return sf_space_run(rest, run);
}

/* The first run of the rest, whose planes are returned. */
static unsigned do_run(const struct sf_extent *rest, enum work work,
		       unsigned flags, struct sf_extent *run, int *err)
{
	unsigned planes;

	*err = -ENOMEM;
	sf_space_lock();
	sf_alter_retry();
	planes = find_run(rest, work, run);
	if ((planes & SF_LIVE) != 0 && work == LOCK)
		sf_alter_note(run, SF_ALTER_LOCK);
	else if ((planes & SF_LIVE) != 0)
		*err = unlock_run(run, planes);
	sf_space_unlock();
	if ((planes & SF_LIVE) != 0 && work == LOCK)
		*err = lock_run(run, flags);
	return planes;
}

/* Pages that can't be read in are told at the end: all are locked before. */
static int lock_ours(const struct sf_piece *piece, enum work work,
		     unsigned flags)
{
	struct sf_extent rest = sf_piece_extent(piece);
	struct sf_extent run;
	size_t end = rest.first + rest.nr;
	int result = 0;

	for (; rest.nr > 0; rest.nr = end - rest.first) {
		int err;
		unsigned planes = do_run(&rest, work, flags, &run, &err);

		if (err != 0)
			result = err;
		if (err != 0 && ((planes & SF_LIVE) == 0 || err != -ENOMEM))
			break;
		rest.first = run.first + run.nr;
	}
	return result;
}

static int lock_any(uintptr_t addr, uintptr_t end, enum work work,
		    unsigned flags)
{
	struct sf_piece piece;
	int err = 0;

	for (; err == 0 && addr < end; addr = piece.end) {
		piece = sf_rescue_piece(addr, end);
		if (piece.kind == SF_PIECE_OURS)
			err = lock_ours(&piece, work, flags);
		else if (piece.kind == SF_PIECE_GONE)
			err = -ENOMEM;
		else
			err = call(piece.start, piece.end - piece.start, work,
				   flags);
	}
	return err;
}

static int lock_or_unlock(uintptr_t addr, size_t len, enum work work,
			  unsigned flags)
{
	/* Any address will do: the kernel takes the pages around it. */
	uintptr_t start = sf_align_down(addr, sf_page_size);
	size_t all = sf_space_round(len + (addr - start));

	if (!sf_mmap_is_on() || len > all || !sf_space_is_range(start, all) ||
	    (!sf_rescue_any() && !sf_space_overlaps(start, start + all)))
		return call(addr, len, work, flags);
	return lock_any(start, start + all, work, flags);
}

int sf_mmap_lock(uintptr_t addr, size_t len, unsigned flags)
{
	return lock_or_unlock(addr, len, LOCK, flags);
}

int sf_mmap_unlock(uintptr_t addr, size_t len)
{
	return lock_or_unlock(addr, len, UNLOCK, 0);
}
