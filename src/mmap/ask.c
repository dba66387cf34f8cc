// SPDX-License-Identifier: MIT
/*
 * mincore() and msync(), by which programs ask whether something is mapped:
 * what is not live of ours, or remembered, is not.
 */
#include <errno.h>

#include "mmap/family.h"
#include "mmap/mmap.h"
#include "mmap/rescue.h"

/* Whether the program sees all of [addr, end) as mapped, but for the kernel. */
static bool is_ours_live(uintptr_t addr, uintptr_t end)
{
	struct sf_piece piece;
	struct sf_extent extent;
	struct sf_extent run;
	bool live = true;

	for (; live && addr < end; addr = piece.end) {
		piece = sf_piece_at(addr, end);
		sf_rescue_split(&piece);
		if (piece.kind == SF_PIECE_GONE)
			return false;
		if (piece.kind != SF_PIECE_OURS)
			continue;
		extent = sf_piece_extent(&piece);
		live = sf_space_live_run(&extent, &run) && run.nr == extent.nr;
	}
	return live;
}

static bool has_hole(uintptr_t addr, size_t len)
{
	uintptr_t end = addr + sf_space_round(len);
	bool live;

	if (!sf_mmap_is_on() || !sf_space_is_range(addr, len) ||
	    (!sf_rescue_any() && !sf_space_overlaps(addr, end)))
		return false;
	sf_space_lock();
	live = is_ours_live(addr, end);
	sf_space_unlock();
	return !live;
}

int sf_mmap_look(uintptr_t addr, size_t len)
{
	return has_hole(addr, len) ? -ENOMEM : 0;
}

int sf_mmap_residency(uintptr_t addr, size_t len, unsigned char *vec)
{
	int err = sf_mmap_look(addr, len);

	return err == 0 ? sf_page_residency(addr, len, vec) : err;
}
