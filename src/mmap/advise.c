// SPDX-License-Identifier: MIT
/* madvise(): what changes attributes is noted, what has no effect not done. */
#include <errno.h>
#include <sys/mman.h>

#include "mmap/alter.h"
#include "mmap/family.h"
#include "mmap/mmap.h"
#include "mmap/rescue.h"
#include "os/signals.h"

/* What the advice alters, or 0. */
static unsigned kind_of(int advice)
{
	switch (advice) {
	case MADV_DONTFORK:
	case MADV_DOFORK:
		return SF_ALTER_FORK;
	case SF_MADV_WIPEONFORK:
	case SF_MADV_KEEPONFORK:
		return SF_ALTER_WIPE;
	case MADV_DONTDUMP:
	case MADV_DODUMP:
		return SF_ALTER_DUMP;
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
		return SF_ALTER_HUGE;
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
		return SF_ALTER_MERGE;
	case SF_MADV_GUARD_INSTALL:
	case SF_MADV_GUARD_REMOVE:
		return SF_ALTER_GUARD;
	default:
		return 0;
	}
}

/* Whether it asks for what all our memory is, or means nothing for it. */
static bool is_idle(int advice)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_NOHUGEPAGE:
	case MADV_DOFORK:
	case MADV_DODUMP:
	case SF_MADV_KEEPONFORK:
	case SF_MADV_GUARD_REMOVE:
		return true;
	default:
		return false;
	}
}

static bool is_guard(int advice)
{
	return advice == SF_MADV_GUARD_INSTALL ||
	       advice == SF_MADV_GUARD_REMOVE;
}

/* Before advice that our markers, which stand for PROT_NONE, don't survive. */
static int prepare_run(const struct sf_extent *run, unsigned planes, int advice)
{
	if ((planes & SF_MARKED) == 0 ||
	    (advice != SF_MADV_WIPEONFORK && !is_guard(advice)))
		return 0;
	return sf_mmap_protect_marked(run);
}

/* Note what is to be altered. 1: ask the kernel, 0: no need to, or -errno. */
static int begin_run(const struct sf_extent *run, unsigned planes, int advice)
{
	unsigned kind = kind_of(advice);
	int err;

	if ((planes & SF_LIVE) == 0)
		return -ENOMEM;
	if (is_idle(advice) && (planes & SF_QUIET) == 0)
		return 0;
	err = prepare_run(run, planes, advice);
	if (err != 0)
		return err;
	if (kind != 0)
		sf_alter_note(run, kind);
	else
		/* Page tables that are emptied whole go. */
		sf_space_forget_tables(run);
	return 1;
}

/*
 * The first run of the rest, and what begin_run() says of it. For advice that
 * alters pages the caller has the family's lock.
 */
static int next_run(const struct sf_extent *rest, struct sf_extent *run,
		    unsigned *planes, int advice)
{
	bool open = kind_of(advice) == 0;
	uint64_t signals = open ? sf_signals_block() : 0;
	int result;

	*planes = sf_space_run(rest, run);
	result = begin_run(run, *planes, advice);
	if (open)
		sf_signals_restore(signals);
	return result;
}

static int advise_run(const struct sf_extent *run, unsigned planes, int advice)
{
	int err = sf_page_call_advise(sf_extent_addr(run), sf_extent_len(run),
				      advice);

	/* What the kernel says of pages without access. */
	if (err == -EFAULT && (planes & SF_MARKED) != 0)
		err = -EINVAL;
	return err;
}

/* The first error that ends it, or -ENOMEM after all: there was a hole. */
static int advise_ours(const struct sf_piece *piece, int advice)
{
	struct sf_extent rest = sf_piece_extent(piece);
	struct sf_extent run;
	size_t end = rest.first + rest.nr;
	int result = 0;

	for (; rest.nr > 0; rest.nr = end - rest.first) {
		unsigned planes;
		int err = next_run(&rest, &run, &planes, advice);

		if (err > 0)
			err = advise_run(&run, planes, advice);
		if (err != 0)
			result = err;
		if (err != 0 && err != -ENOMEM)
			break;
		rest.first = run.first + run.nr;
	}
	return result;
}

/* Without what is remembered. The lock as for next_run(). */
static struct sf_piece next_piece(uintptr_t addr, uintptr_t end, int advice)
{
	struct sf_piece piece;

	if (kind_of(advice) == 0)
		return sf_rescue_piece(addr, end);
	piece = sf_piece_at(addr, end);
	sf_rescue_split(&piece);
	return piece;
}

static int advise_any(uintptr_t addr, uintptr_t end, int advice)
{
	struct sf_piece piece;
	int result = 0;

	for (; addr < end; addr = piece.end) {
		int err = -ENOMEM;

		piece = next_piece(addr, end, advice);
		if (piece.kind == SF_PIECE_OURS)
			err = advise_ours(&piece, advice);
		else if (piece.kind != SF_PIECE_GONE)
			err = sf_page_call_advise(piece.start,
						  piece.end - piece.start,
						  advice);
		if (err != 0)
			result = err;
		/* As the kernel: holes are told at the end. */
		if (err != 0 && err != -ENOMEM)
			break;
	}
	/* Unknown advice is told first. */
	if (result == -ENOMEM &&
	    sf_page_call_advise(sf_align_down(addr - 1, sf_page_size), 0,
				advice) != 0)
		result = -EINVAL;
	return result;
}

int sf_mmap_advise(uintptr_t addr, size_t len, int advice)
{
	uintptr_t end = addr + sf_space_round(len);
	int err;

	if (!sf_mmap_is_on() || !sf_space_is_range(addr, len) ||
	    (!sf_rescue_any() && !sf_space_overlaps(addr, end)))
		return sf_page_call_advise(addr, len, advice);
	/* Not held while the kernel works: a page may wait for another thread. */
	if (kind_of(advice) == 0)
		return advise_any(addr, end, advice);
	sf_space_lock();
	sf_alter_retry();
	err = advise_any(addr, end, advice);
	sf_space_unlock();
	return err;
}
