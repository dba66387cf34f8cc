// SPDX-License-Identifier: MIT
/*
 * Memory policies, and the names that prctl() gives to mappings. Both split
 * mappings, as protections do.
 */
#include <errno.h>
#include <linux/mempolicy.h>

#include "mmap/alter.h"
#include "mmap/family.h"
#include "mmap/mmap.h"
#include "mmap/rescue.h"

/* The piece at addr, without what is remembered. */
static struct sf_piece next_piece(uintptr_t addr, uintptr_t end)
{
	struct sf_piece piece = sf_piece_at(addr, end);

	sf_rescue_split(&piece);
	return piece;
}

/*
 * Whether all of a piece is mapped, as the program sees it. That of the
 * kernel's is the kernel's to say.
 */
static bool is_live(const struct sf_piece *piece)
{
	struct sf_extent extent;
	struct sf_extent run;

	if (piece->kind != SF_PIECE_OURS)
		return piece->kind != SF_PIECE_GONE;
	extent = sf_piece_extent(piece);
	for (size_t end = extent.first + extent.nr; extent.nr > 0;
	     extent.nr = end - extent.first) {
		if ((sf_space_run(&extent, &run) & SF_LIVE) == 0)
			return false;
		extent.first = run.first + run.nr;
	}
	return true;
}

/*
 * mbind()
 */

static bool all_live(uintptr_t addr, uintptr_t end)
{
	struct sf_piece piece;

	for (; addr < end; addr = piece.end) {
		piece = next_piece(addr, end);
		if (!is_live(&piece))
			return false;
	}
	return true;
}

static void note_all(uintptr_t addr, uintptr_t end)
{
	struct sf_extent extent;
	struct sf_piece piece;

	for (; addr < end; addr = piece.end) {
		piece = next_piece(addr, end);
		if (piece.kind != SF_PIECE_OURS)
			continue;
		extent = sf_piece_extent(&piece);
		sf_alter_note(&extent, SF_ALTER_POLICY);
	}
}

/* The kernel does nothing where there is a hole. */
static int bind_any(uintptr_t addr, size_t len, const struct sf_policy *policy)
{
	uintptr_t end = addr + sf_space_round(len);
	/* Of no pages: what is wrong with the rest is told first. */
	int err = sf_page_call_bind(addr, 0, policy);

	if (err == 0 && !all_live(addr, end))
		err = -EFAULT;
	if (err != 0)
		return err;
	note_all(addr, end);
	return sf_page_call_bind(addr, len, policy);
}

int sf_mmap_bind(uintptr_t addr, size_t len, const struct sf_policy *policy)
{
	uintptr_t end = addr + sf_space_round(len);
	int err;

	/* The default is what all our memory has, and holes don't matter. */
	if (policy->mode == MPOL_DEFAULT || !sf_mmap_is_on() ||
	    !sf_space_is_range(addr, len) ||
	    (!sf_rescue_any() && !sf_space_overlaps(addr, end)))
		return sf_page_call_bind(addr, len, policy);
	sf_space_lock();
	sf_alter_retry();
	err = bind_any(addr, len, policy);
	sf_space_unlock();
	return err;
}

/*
 * prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME)
 */

/* As the kernel: what is wrong with one mapping ends it, holes do not. */
static int name_any(uintptr_t addr, uintptr_t end, uintptr_t name)
{
	struct sf_piece piece;
	int result = 0;
	int err;

	for (; addr < end; addr = piece.end) {
		piece = next_piece(addr, end);
		err = is_live(&piece) ? 0 : -ENOMEM;
		if (piece.kind == SF_PIECE_KERNEL)
			err = sf_page_call_name(piece.start,
						piece.end - piece.start, name);
		if (err != 0)
			result = err;
		if (err != 0 && err != -ENOMEM)
			break;
	}
	return result;
}

int sf_mmap_name(uintptr_t addr, size_t len, uintptr_t name)
{
	uintptr_t end = addr + sf_space_round(len);
	int err;

	if (!sf_mmap_is_on() || !sf_space_is_range(addr, len) ||
	    (!sf_rescue_any() && !sf_space_overlaps(addr, end)))
		return sf_page_call_name(addr, len, name);
	/* Of no pages: the kernel looks at the name, if it has any. */
	err = sf_page_call_name(addr, 0, name);
	if (err != 0)
		return err;
	sf_space_lock();
	err = name_any(addr, end, name);
	sf_space_unlock();
	return err;
}
