/* SPDX-License-Identifier: MIT */
/*
 * The release ladder: gives the pages of a range back to the kernel, whatever
 * state they are in. Makes system calls only, none of which needs a spare
 * mapping or allocates; takes no lock and touches no metadata.
 *
 *  1. Up to SF_TRAP_WHOLE_LEN with a trap: one MADV_GUARD_INSTALL, which frees
 *     the pages and marks them.
 *  2. MADV_DONTNEED. Refused on locked memory.
 *  3. MADV_DONTNEED_LOCKED (5.18). Then a lock on nothing but this range is
 *     taken off, so that the addresses come back without it; but not
 *     mlockall()'s, which ends for all.
 *  4. Before 5.18: unlock the range, or where that would need a mapping the
 *     whole mapping around it, and step 2 again.
 *  5. Longer ranges with a trap: mark the first and the last page.
 *
 * A range that is still not free is "stuck": someone else unmapped or sealed
 * it. It is counted and never handed out again.
 *
 * A marker needs a page table. Making one could fail, or get the process
 * killed where its memory cgroup is full, so a page is marked only where a
 * table exists: the caller knows, or a page that it covers is resident. Memory
 * that was never touched, cut out of the middle of a larger map, gets no trap.
 */
#ifndef SF_VM_RELEASE_H
#define SF_VM_RELEASE_H

#include "base/compiler.h"

/* Measured: marking all costs less than discarding and marking both ends. */
#define SF_TRAP_WHOLE_LEN ((size_t)128 << 10)

struct sf_release {
	/* In. */
	uintptr_t addr;
	size_t len;
	size_t table_len; /* what one page table covers */
	bool trap;	  /* mark what is released */
	bool locked;	  /* perhaps, by mlockall(): that is to stay */
	bool mark_first;  /* huge pages may form: mark ends beforehand */
	bool head_table;  /* a page table exists for the first page */
	bool tail_table;  /* and for the last */

	/* Out. */
	bool marked_all;  /* all pages may carry a marker */
	bool marked_head; /* the first page may */
	bool marked_tail;
	bool trap_skipped; /* wanted, not done, or not everywhere */
	bool was_locked;
	bool stuck;
};

void sf_release(struct sf_release *release);

/*
 * Steps 2 to 4 on any range, and since 5.18 without taking a lock off. Whether
 * the pages are back with the kernel.
 */
bool sf_release_pages(uintptr_t addr, size_t len, bool *was_locked);

#endif
