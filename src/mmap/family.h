/* SPDX-License-Identifier: MIT */
/* What the files of the family share. */
#ifndef SF_MMAP_FAMILY_H
#define SF_MMAP_FAMILY_H

#include "base/option.h"
#include "mmap/space.h"
#include "vm/state.h"

/* Longer ranges are protected by a mapping: each marker takes time. */
#define SF_MMAP_MARK_LEN ((size_t)2 << 20)

/* Whether calls are served, at all; sets up what there is to set up. */
static inline bool sf_mmap_is_on(void)
{
	sf_state_init();
	return sf_option(SF_OPTION_MMAP) != 0;
}

/*
 * Release what is live in an extent of ours. The family's lock is taken when it
 * is needed, unless the caller has it.
 */
void sf_mmap_unmap_ours(const struct sf_extent *extent, bool locked);

/* mmap() with MAP_FIXED or MAP_FIXED_NOREPLACE, of sensible arguments. */
long sf_mmap_map_fixed(uintptr_t addr, size_t len, int prot, int flags, int fd,
		       off_t off);

/* Take pages from our regions, as sf_extent_map(). 0 or -errno. */
int sf_mmap_take(size_t nr, unsigned flags, struct sf_extent *out);

/*
 * Make all of [addr, end) the program's and altered, for a call that will put
 * something else there. If the call is refused, sf_mmap_unclaim() gives back
 * what was not its before. One at a time: under the family's lock.
 */
int sf_mmap_claim(uintptr_t addr, uintptr_t end);
void sf_mmap_unclaim(void);

/* The kernel put something there: what is noted of the pages no longer holds. */
void sf_mmap_replaced(uintptr_t addr, uintptr_t end);

/*
 * The kernel chose these addresses, so nothing was there, whatever we remember.
 * They are ours where a call of the program had left a hole.
 */
void sf_mmap_adopt(uintptr_t addr, size_t len);
void sf_mmap_adopt_locked(uintptr_t addr, size_t len);

/* In a forked child nothing is locked. */
void sf_mmap_lock_fork_child(void);

/* After mlockall(): new maps are the kernel's. */
bool sf_mmap_locks_all(void);

/* Whether there ever was one. */
bool sf_mmap_locked_all(void);

/* Whether a page can be made inaccessible by a marker. */
bool sf_mmap_can_mark(void);

/* Mark live pages, or remove markers. 0 or -errno. */
int sf_mmap_mark(const struct sf_extent *extent);
int sf_mmap_unmark(const struct sf_extent *extent);

/*
 * Have the kernel protect what is marked, and remove the markers: for calls
 * that would lose them, or carry them along. 0 or -errno.
 */
int sf_mmap_protect_marked(const struct sf_extent *extent);

#endif
