/* SPDX-License-Identifier: MIT */
/* What malloc() and free() are unless the program defines its own. */
#ifndef SF_PRELOAD_MALLOC_FAMILY_H
#define SF_PRELOAD_MALLOC_FAMILY_H

#include <stddef.h>

void *sf_own_malloc(size_t size);
void sf_own_free(void *block);

#endif
