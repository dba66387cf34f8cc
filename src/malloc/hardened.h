/* SPDX-License-Identifier: MIT */
/*
 * The mode "hardened": the heaps and slabs of always, made hard to misuse.
 *
 *  - A block is taken from a random word of its slab, and of that a random bit.
 *  - The last page of each slab is a guard, and so is one behind each large
 *    block (where the kernel has markers).
 *  - A block is set to zero when it is freed, and still must be when it is let
 *    out of quarantine and when it is handed out: else somebody wrote to it.
 *  - Freed blocks stay in quarantine for a while; large ones are inaccessible
 *    there, and take no memory.
 *  - free_sized() must be told the size that was asked for, to the size class.
 */
#ifndef SF_MALLOC_HARDENED_H
#define SF_MALLOC_HARDENED_H

#include "malloc/mode.h"

extern const struct sf_mode sf_hardened_mode;

/* False, with a line on stderr: there is no memory for it. */
bool sf_hardened_init(void);

#endif
