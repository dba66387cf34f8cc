/* SPDX-License-Identifier: MIT */
/*
 * Whose an address is. A range that a program names may span its maps in our
 * regions (SF_REGION_MAP), the rest of what surefree reserved, memory that the
 * kernel mapped, and holes; each call cuts it into pieces.
 *
 * In our regions a page is live from the map to the unmap. What is not live
 * there is a hole to the program.
 *
 * One lock for the family: held by every call but plain maps, and the release
 * of maps that nobody altered. System calls are made under it, as the kernel
 * makes these calls one after the other too, but not those that read pages in:
 * another thread may have to serve them. fork() takes it first.
 *
 * A thread that holds it, or a region's lock, has signals held back: handlers
 * may make these calls too, and a collector that stopped the thread may need
 * them before it goes on.
 */
#ifndef SF_MMAP_SPACE_H
#define SF_MMAP_SPACE_H

#include "vm/extent.h"

enum sf_piece_kind {
	SF_PIECE_KERNEL, /* mapped by the kernel, or by nobody; also what
			    surefree has outside of regions, as metadata of
			    one that was cut */
	SF_PIECE_OURS,	 /* in the data of a region for maps */
	SF_PIECE_OTHER,	 /* surefree's: blocks, stacks, metadata */
	SF_PIECE_GONE,	 /* the kernel's, unmapped as the program sees it */
};

struct sf_piece {
	enum sf_piece_kind kind;
	uintptr_t start;
	uintptr_t end;
	struct sf_region *region; /* NULL: the kernel's */
};

/* The piece of [addr, end) that starts at addr; never SF_PIECE_GONE. */
struct sf_piece sf_piece_at(uintptr_t addr, uintptr_t end);

/* Whether any of [addr, end) lies in a region. */
bool sf_space_overlaps(uintptr_t addr, uintptr_t end);

/* The region for maps that all of [addr, addr + len) lies in, or NULL. */
struct sf_region *sf_space_find(uintptr_t addr, size_t len);

/* The extent of a piece that is ours. */
struct sf_extent sf_piece_extent(const struct sf_piece *piece);

/*
 * The first run of pages of the extent that are alike: live or not, and if
 * live, altered or not (SF_QUIET), or marked or not (SF_MARKED). Returns what
 * it has of SF_LIVE, SF_QUIET and SF_MARKED, on any page.
 */
unsigned sf_space_run(const struct sf_extent *extent, struct sf_extent *run);
unsigned sf_space_marked_run(const struct sf_extent *extent,
			     struct sf_extent *run);

/* The first run of pages that are all live, or all not. Whether they are. */
bool sf_space_live_run(const struct sf_extent *extent, struct sf_extent *run);

/* Whether any page is live. */
bool sf_space_any_live(const struct sf_extent *extent);

/* Set or clear planes of those pages that are live. */
void sf_space_set(const struct sf_extent *extent, unsigned planes);
void sf_space_clear(const struct sf_extent *extent, unsigned planes);

/* Note that page tables of the extent exist, or may be gone. */
void sf_space_note_tables(const struct sf_extent *extent);
void sf_space_forget_tables(const struct sf_extent *extent);

/* Pages that are taken, and nobody's, become the program's, and altered. */
void sf_space_adopt(const struct sf_extent *extent);

void sf_space_lock(void);
void sf_space_unlock(void);

/* len rounded up to pages; the caller knows that it does not wrap. */
static inline size_t sf_space_round(size_t len)
{
	return sf_align_up(len, sf_page_size);
}

/*
 * Whether the kernel would look at [addr, addr + len) at all: aligned, not
 * empty, not beyond the end of addresses.
 */
bool sf_space_is_range(uintptr_t addr, size_t len);

#endif
