// SPDX-License-Identifier: MIT
/* munmap(): of our maps it can't fail, of the kernel's it is rescued. */
#include <errno.h>

#include "mmap/alter.h"
#include "mmap/count.h"
#include "mmap/family.h"
#include "mmap/mmap.h"
#include "mmap/rescue.h"
#include "mmap/saved.h"
#include "os/signals.h"

static void release_run(struct sf_releasing *releasing)
{
	size_t len = sf_extent_len(&releasing->extent);

	if ((releasing->planes & SF_QUIET) != 0) {
		sf_alter_release(releasing);
	} else {
		sf_release(&releasing->release);
		sf_extent_release_end(releasing);
	}
	sf_mmap_count_released(len);
}

/*
 * The lock before the region is busy: fork() takes it, and then waits until no
 * region is.
 */
void sf_mmap_unmap_ours(const struct sf_extent *extent, bool locked)
{
	struct sf_extent rest = *extent;
	size_t end = rest.first + rest.nr;
	bool unlock = false;
	uint64_t signals = locked ? 0 : sf_signals_block();
	bool restore = !locked;

	while (rest.nr > 0) {
		struct sf_releasing releasing;
		enum sf_run run = sf_extent_release_begin(&rest, locked,
							  &releasing);

		if (run == SF_RUN_NONE)
			break;
		if (run == SF_RUN_QUIET) {
			sf_space_lock();
			locked = true;
			unlock = true;
			continue;
		}
		rest.first = releasing.extent.first + releasing.extent.nr;
		rest.nr = end - rest.first;
		release_run(&releasing);
	}
	if (SF_UNLIKELY(unlock))
		sf_space_unlock();
	if (restore)
		sf_signals_restore(signals);
}

/* The pieces that are the kernel's, or the others. The first -errno. */
static int unmap_pieces(uintptr_t addr, uintptr_t end, bool kernel)
{
	struct sf_piece piece;
	int err = 0;

	for (; err == 0 && addr < end; addr = piece.end) {
		piece = sf_piece_at(addr, end);
		if ((piece.kind == SF_PIECE_KERNEL) != kernel)
			continue;
		if (kernel) {
			err = sf_rescue_unmap(piece.start, piece.end);
		} else if (piece.kind == SF_PIECE_OURS) {
			struct sf_extent extent = sf_piece_extent(&piece);

			sf_mmap_unmap_ours(&extent, true);
		} else {
			sf_mmap_count(SF_MMAP_FOREIGN, 1);
		}
	}
	return err;
}

/* The kernel's first: what it refuses, it refuses as a whole. */
static int unmap_any(uintptr_t addr, uintptr_t end)
{
	int err;

	sf_space_lock();
	sf_alter_retry();
	err = unmap_pieces(addr, end, true);
	if (err == 0)
		err = unmap_pieces(addr, end, false);
	sf_space_unlock();
	return err;
}

int sf_mmap_unmap(uintptr_t addr, size_t len)
{
	struct sf_region *region;
	int err;

	if (!sf_mmap_is_on() || !sf_space_is_range(addr, len))
		return sf_page_unmap(addr, len);
	len = sf_space_round(len);
	region = sf_space_find(addr, len);
	if (region != NULL) {
		struct sf_extent extent = { region,
					    sf_region_page(region, addr),
					    len >> sf_page_shift };

		sf_mmap_count(SF_MMAP_UNMAPS, 1);
		if (sf_alter_any_aside())
			return unmap_any(addr, addr + len);
		sf_mmap_unmap_ours(&extent, false);
		sf_mmap_saved_changed();
		return 0;
	}
	if (!sf_rescue_any() && !sf_space_overlaps(addr, addr + len)) {
		err = sf_page_unmap(addr, len);
		if (err != -ENOMEM)
			return err;
	}
	return unmap_any(addr, addr + len);
}
