/* SPDX-License-Identifier: MIT */
/*
 * The limits that bear on address space: vm.max_map_count, overcommit mode and
 * the resource limits. Allocates nothing.
 */
#ifndef SF_OS_LIMIT_H
#define SF_OS_LIMIT_H

#include <stdbool.h>
#include <stddef.h>

/* vm.max_map_count into *out. 0 or -errno; 65530 is stored on error. */
int sf_limit_mappings(size_t *out);

/* Whether vm.overcommit_memory is 2: every writable page is charged. */
bool sf_limit_overcommit_strict(void);

/* Whether anonymous memory gets huge pages without asking; asked once. */
bool sf_limit_huge_always(void);

/* RLIMIT_AS, what is left of it, and RLIMIT_DATA in bytes; SIZE_MAX: unlimited.
 */
size_t sf_limit_address_space(void);
size_t sf_limit_address_space_left(void); /* a guess, if there is no /proc */
size_t sf_limit_data(void);

/* RLIMIT_MEMLOCK, the same. */
size_t sf_limit_locked(void);

#endif
