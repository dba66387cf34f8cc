// SPDX-License-Identifier: MIT
/* mlock() and its like. */
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "mmap/alter.h"
#include "mmap/family.h"
#include "mmap/mmap.h"
#include "mmap/rescue.h"

/* After mlockall(), until munlockall(); and ever. */
static _Atomic bool is_locked;
static _Atomic bool locked_all;

/* Relaxed, all: the calls themselves are not ordered with maps either. */

bool sf_mmap_locks_all(void)
{
	return SF_UNLIKELY(
		atomic_load_explicit(&is_locked, memory_order_relaxed));
}

void sf_mmap_lock_fork_child(void)
{
	atomic_store_explicit(&is_locked, false, memory_order_relaxed);
}

enum work { LOCK, UNLOCK };

static int call(uintptr_t addr, size_t len, enum work work, unsigned flags)
{
	if (work == UNLOCK)
		return sf_page_unlock(addr, len);
	return sf_page_call_lock(addr, len, flags);
}

static int lock_run(const struct sf_extent *run, unsigned planes,
		    enum work work, unsigned flags)
{
	/* Never locked: no reason to risk a mapping. */
	if (work == UNLOCK && (planes & SF_QUIET) == 0 &&
	    !atomic_load_explicit(&locked_all, memory_order_relaxed))
		return 0;
	sf_alter_note(run, SF_ALTER_LOCK);
	return call(sf_extent_addr(run), sf_extent_len(run), work, flags);
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
		unsigned planes = sf_space_run(&rest, &run);
		int err = -ENOMEM;

		if ((planes & SF_LIVE) != 0)
			err = lock_run(&run, planes, work, flags);
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
		piece = sf_piece_at(addr, end);
		sf_rescue_split(&piece);
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
	int err;

	if (!sf_mmap_is_on() || len > all || !sf_space_is_range(start, all) ||
	    (!sf_rescue_any() && !sf_space_overlaps(start, start + all)))
		return call(addr, len, work, flags);
	sf_space_lock();
	sf_alter_retry();
	err = lock_any(start, start + all, work, flags);
	sf_space_unlock();
	return err;
}

int sf_mmap_lock(uintptr_t addr, size_t len, unsigned flags)
{
	return lock_or_unlock(addr, len, LOCK, flags);
}

int sf_mmap_unlock(uintptr_t addr, size_t len)
{
	return lock_or_unlock(addr, len, UNLOCK, 0);
}

int sf_mmap_lock_all(int flags)
{
	int err = sf_page_call_lock_all(flags);

	if (err == 0) {
		/* Also without MCL_FUTURE: our regions are locked now. */
		atomic_store_explicit(&is_locked, true, memory_order_relaxed);
		atomic_store_explicit(&locked_all, true, memory_order_relaxed);
	}
	return err;
}

int sf_mmap_unlock_all(void)
{
	int err = sf_page_call_unlock_all();

	if (err == 0)
		atomic_store_explicit(&is_locked, false, memory_order_relaxed);
	return err;
}
