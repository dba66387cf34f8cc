/* SPDX-License-Identifier: MIT */
/*
 * Freed memory that nobody shall touch, in modes: its pages go back to the
 * kernel and are marked, so that who touches one faults.
 *
 * A marker needs a page table, of which 1 GiB takes 2 MiB. So of long ranges
 * both ends are marked, and in between what has page tables, since it was
 * touched; not what never was.
 */
#ifndef SF_MALLOC_TRAP_H
#define SF_MALLOC_TRAP_H

#include "base/compiler.h"

/* Of each end, so much is marked whatever it holds. */
#define SF_TRAP_END_LEN ((size_t)32 << 20)

/*
 * False: markers are refused, as on locked memory. What was marked stays so,
 * and pages may keep their contents.
 */
bool sf_trap_set(uintptr_t addr, size_t len);

/* Make it accessible again; all of it is zero. False: it can't be. */
bool sf_trap_remove(uintptr_t addr, size_t len);

#endif
