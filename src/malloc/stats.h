/* SPDX-License-Identifier: MIT */
/*
 * What the heaps hold, counted by walking the headers of all units. Nobody is
 * stopped: numbers of slabs in use change while they are read.
 */
#ifndef SF_MALLOC_STATS_H
#define SF_MALLOC_STATS_H

#include "malloc/size_class.h"

struct sf_malloc_class {
	size_t nr_slabs;
	size_t nr_used; /* blocks */
	size_t nr_free; /* blocks */
};

struct sf_malloc_stats {
	size_t used_len;     /* blocks in use, whole */
	size_t slab_len;     /* addresses of slabs */
	size_t large_len;    /* large blocks */
	size_t retained_len; /* free pages held back, of all kinds */
	size_t header_len;   /* headers made accessible */
	size_t nr_heaps;     /* threads with a heap */
	struct sf_malloc_class classes[SF_NR_CLASSES];
};

void sf_malloc_stats(struct sf_malloc_stats *out);

struct surefree_stats;
struct surefree_class_stats;

/* Add what can be told without a walk: a look at each region and heap. */
void sf_malloc_account(struct surefree_stats *out);

/* The first nr classes. */
void sf_malloc_classes(struct surefree_class_stats *out, size_t nr);

#endif
