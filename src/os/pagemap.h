/* SPDX-License-Identifier: MIT */
/*
 * Which pages of this process's private anonymous memory were ever touched, as
 * /proc/self/pagemap tells: present or swapped out. Where that can't be opened
 * (the process changed its user, has no descriptor spare, or no /proc), as
 * mincore() tells: present. What that calls absent may be swapped out: where
 * there is swap, a page that reads as zeros is untouched. Where neither can be
 * asked all pages count as touched.
 */
#ifndef SF_OS_PAGEMAP_H
#define SF_OS_PAGEMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SF_PAGEMAP_WINDOW 256

struct sf_pagemap {
	int fd;	      /* negative: can't be read, so ask mincore() */
	bool swaps;   /* then: there is swap */
	size_t first; /* page number of entry[0] */
	size_t nr;    /* valid entries */
	union {
		uint64_t entry[SF_PAGEMAP_WINDOW];
		unsigned char present[SF_PAGEMAP_WINDOW]; /* of mincore() */
	};
};

void sf_pagemap_open(struct sf_pagemap *pagemap);
void sf_pagemap_close(struct sf_pagemap *pagemap);

/*
 * Of a page that can be read. Reads ahead: ask in the order of addresses, and
 * before they change.
 */
bool sf_pagemap_touched(struct sf_pagemap *pagemap, uintptr_t addr);

struct sf_pagemap_run {
	uintptr_t start;
	uintptr_t end;
};

/*
 * The first pages from addr on, below end, that were touched. Where nothing was
 * this takes next to no time. 1, 0: none, or -errno: it can't be told (before
 * Linux 6.7).
 */
int sf_pagemap_next(const struct sf_pagemap *pagemap, uintptr_t addr,
		    uintptr_t end, struct sf_pagemap_run *out);

/* Whether the page at addr reads as zeros. */
bool sf_pagemap_is_zero(uintptr_t addr);

#endif
