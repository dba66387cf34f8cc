/* SPDX-License-Identifier: MIT */
/*
 * Pages of ours that a program altered: by mprotect(), mlock(), madvise(),
 * mbind(), or by mapping something over them. They are noted (SF_QUIET) before
 * the kernel is asked, since a refused call may have done half its work, and
 * made whole when the program unmaps them, before others get the addresses.
 *
 * Making them whole takes only the calls for kinds that were ever used in this
 * process, or its parents. Where it is refused, for want of a spare mapping,
 * the pages are set aside: the memory is back with the kernel, the addresses
 * wait, and later calls try again.
 *
 * All under the family's lock.
 */
#ifndef SF_MMAP_ALTER_H
#define SF_MMAP_ALTER_H

#include "mmap/space.h"

enum sf_alter {
	SF_ALTER_PROT = 1,	/* mprotect() */
	SF_ALTER_KEY = 2,	/* pkey_mprotect() */
	SF_ALTER_LOCK = 4,	/* mlock() */
	SF_ALTER_FORK = 8,	/* madvise(): not in a child */
	SF_ALTER_WIPE = 16,	/* empty in a child */
	SF_ALTER_DUMP = 32,	/* not in a core dump */
	SF_ALTER_HUGE = 64,	/* huge pages */
	SF_ALTER_MERGE = 128,	/* merged with like pages */
	SF_ALTER_GUARD = 256,	/* guards of the program's own */
	SF_ALTER_POLICY = 1024, /* mbind() */
	SF_ALTER_REPLACED = 512 /* something else is mapped there */
};

/* Note pages as altered, before they are. */
void sf_alter_note(const struct sf_extent *extent, unsigned kinds);

/* Note a kind, of pages that are noted already. */
void sf_alter_note_kind(unsigned kinds);

/*
 * All pages of an altered extent are read-write again by the program's own
 * call: if nothing else was ever altered, they are as they were.
 */
void sf_alter_protected_again(const struct sf_extent *extent);

/* Release a run of altered pages, or set it aside. Cannot fail. */
void sf_alter_release(struct sf_releasing *releasing);

/*
 * Pages became a hole: another call moved away what was there. Fill it and
 * make it free, or set it aside. They are live.
 */
void sf_alter_fill(const struct sf_extent *hole);

/* Try one that is set aside. To be called wherever the lock is held anyway. */
void sf_alter_retry(void);

/* Whether there are any; without the lock, as a hint. */
bool sf_alter_any_aside(void);
size_t sf_alter_aside_len(void);

/*
 * Make what is set aside in [addr, end) live again, and altered, a part at a
 * time. False when there is no more.
 */
bool sf_alter_reclaim(uintptr_t addr, uintptr_t end, struct sf_extent *out);

/* Have what setting aside writes to resident. */
void sf_alter_prepare(void);

/* Of altered pages, free those that the kernel has lost, or set them aside. */
void sf_alter_drop_holes(const struct sf_extent *extent);

/* In a forked child: what was not to be there is a hole. */
void sf_alter_fork_child(void);

#endif
