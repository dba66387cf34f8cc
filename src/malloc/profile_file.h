/* SPDX-License-Identifier: MIT */
/*
 * Writing a heap profile, in the text format "heap_v2" of gperftools:
 *
 *	heap profile: USED: BYTES [ALL: BYTES] @ heap_v2/MEAN
 *	USED: BYTES [ALL: BYTES] @ ADDRESS ADDRESS ...     each site
 *	MAPPED_LIBRARIES:
 *	what /proc/self/maps says
 *
 * The numbers are those of the samples; the reader scales them up, by MEAN.
 */
#ifndef SF_MALLOC_PROFILE_FILE_H
#define SF_MALLOC_PROFILE_FILE_H

#include "base/compiler.h"

/*
 * The name of a file from one that may hold %p (process), %n (number) and %%.
 * 0, or -ENAMETOOLONG.
 */
int sf_profile_path(char *path, size_t len, const char *name, unsigned number);

/* Whether the name holds %p. */
bool sf_profile_has_pid(const char *name);

/* Whether it looks as if a file of that name can be written. 0 or -errno. */
int sf_profile_look(const char *path);

/* Write the tables of samples.h. 0 or -errno. Called under their lock. */
int sf_profile_write(const char *path, size_t mean);

#endif
