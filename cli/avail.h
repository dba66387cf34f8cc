/* SPDX-License-Identifier: MIT */
/* How much memory there is for an experiment. */
#ifndef SF_CLI_AVAIL_H
#define SF_CLI_AVAIL_H

#include <stddef.h>

/*
 * Bytes that this process can make resident without being killed for it or
 * refused: the least of MemAvailable, what its memory cgroups (v1 or v2, and
 * those above) leave, commit charge in overcommit mode 2, RLIMIT_AS and
 * RLIMIT_DATA; four fifths of that. Allocates nothing.
 */
size_t sf_avail_memory(void);

#endif
