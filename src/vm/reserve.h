/* SPDX-License-Identifier: MIT */
/*
 * Address space that surefree reserves for itself: regions, and arrays that
 * grow where they are. It is noted, as mlockall() must neither lock it nor
 * count it against RLIMIT_MEMLOCK: most of it is never used.
 *
 * The table is read and written without a lock.
 */
#ifndef SF_VM_RESERVE_H
#define SF_VM_RESERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More are reserved, but not noted. */
#define SF_MAX_RESERVED 256

/*
 * Reserve len bytes anywhere. 0 or -errno. Needs a spare mapping, and another
 * where new maps are to be locked and the limit of that refuses it.
 */
int sf_reserve(size_t len, uintptr_t *out);

/* Give back a whole reservation. */
void sf_unreserve(uintptr_t start, size_t len);

/*
 * Give back the first or the last part of a reservation, or what lies between
 * `stop` and `resume`, which leaves two. Refused at the limit on mappings,
 * where the reservation has merged with another, and the last where it splits
 * one: then all is as before.
 */
void sf_reserve_cut_start(uintptr_t start, uintptr_t end, uintptr_t new_start);
bool sf_reserve_cut_end(uintptr_t start, uintptr_t end, uintptr_t new_end);
bool sf_reserve_split(uintptr_t start, uintptr_t end, uintptr_t stop,
		      uintptr_t resume);

/* Whether any of [start, end) is reserved. */
bool sf_reserved_overlaps(uintptr_t start, uintptr_t end);

/* Take the lock off all of it. */
void sf_reserved_unlock(void);

#endif
