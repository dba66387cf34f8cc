/* SPDX-License-Identifier: MIT */
/*
 * munmap() of memory that the kernel mapped, refused for want of a mapping. The
 * memory goes back in place, is marked so that touching it faults, where the
 * kernel can, and the addresses are remembered: as the program sees it, they
 * are unmapped. They really are as soon as something beside them is unmapped,
 * since an end of a mapping can always be.
 *
 * All under the family's lock, but where it says otherwise.
 */
#ifndef SF_MMAP_RESCUE_H
#define SF_MMAP_RESCUE_H

#include "mmap/space.h"

/* Whether anything is remembered; without the lock, as a hint. */
bool sf_rescue_any(void);

/*
 * munmap() of the kernel's memory: 0, or -errno of what was refused for other
 * reasons.
 */
int sf_rescue_unmap(uintptr_t addr, uintptr_t end);

/* Cut off what a piece of the kernel's has remembered, or lacks. */
void sf_rescue_split(struct sf_piece *piece);

/* As sf_piece_at(), cut by what is remembered; takes the lock for it. */
struct sf_piece sf_rescue_piece(uintptr_t addr, uintptr_t end);

/* Whether any of the range is remembered, or all of it. */
bool sf_rescue_overlaps(uintptr_t addr, uintptr_t end);
bool sf_rescue_covers(uintptr_t addr, uintptr_t end);

/* Something is mapped there from now on. */
void sf_rescue_forget(uintptr_t addr, uintptr_t end);

/*
 * The kernel may have lost what is remembered, by calls that don't come to us:
 * forget what is not mapped there, as others may get the addresses.
 */
void sf_rescue_forget_holes(void);

/* Unmap really what is remembered and overlaps the range, where it can be. */
void sf_rescue_retry(uintptr_t addr, uintptr_t end);

/* It was not, after all. */
void sf_rescue_remember(uintptr_t addr, uintptr_t end);

/* Have what a rescue writes to resident. */
void sf_rescue_prepare(void);

size_t sf_rescue_nr(void);
size_t sf_rescue_len(void);

#endif
