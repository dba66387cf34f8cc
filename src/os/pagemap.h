/* SPDX-License-Identifier: MIT */
/*
 * Which pages of this process were ever touched, as /proc/self/pagemap tells:
 * present or swapped out. Where it can't be read, all pages count as touched.
 */
#ifndef SF_OS_PAGEMAP_H
#define SF_OS_PAGEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SF_PAGEMAP_WINDOW 256

struct sf_pagemap {
	int fd;	      /* negative: can't be read */
	size_t first; /* page number of entry[0] */
	size_t nr;    /* valid entries */
	uint64_t entry[SF_PAGEMAP_WINDOW];
};

void sf_pagemap_open(struct sf_pagemap *pagemap);
void sf_pagemap_close(struct sf_pagemap *pagemap);

/* Reads ahead: ask in the order of addresses, and before they change. */
bool sf_pagemap_touched(struct sf_pagemap *pagemap, uintptr_t addr);

#endif
