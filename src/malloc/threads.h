/* SPDX-License-Identifier: MIT */
/*
 * Which thread has which heap: making them, stopping them, and what becomes of
 * one when its thread ends or is left behind by fork(). Declared in heap.h but
 * for what follows.
 */
#ifndef SF_MALLOC_THREADS_H
#define SF_MALLOC_THREADS_H

#include "malloc/heap.h"

/* A slab of a thread that ended, now the heap's and listed; or NULL. */
struct sf_slab *sf_threads_adopt(struct sf_heap *heap, unsigned class);

/* Make a slab of a thread that ended the heap's. False: it was not left. */
bool sf_threads_adopt_slab(struct sf_heap *heap, struct sf_slab *slab);

/* All heaps ever made, one after the other; some have no thread. */
struct sf_heap *sf_threads_first(void);

#endif
