/* SPDX-License-Identifier: MIT */
/*
 * Arrays that grow where they are: address space reserved once, made accessible
 * from its start as far as needed. Memory is used where it was touched.
 *
 * Growing is under the owner's lock; what is accessible stays so. It is one
 * mprotect() at a frontier, which needs no spare mapping; opening needs two.
 */
#ifndef SF_MALLOC_ARRAY_H
#define SF_MALLOC_ARRAY_H

#include "base/compiler.h"

struct sf_array {
	uintptr_t base;
	size_t max_len;
	size_t len; /* accessible */
};

/* Reserve max_len bytes, a multiple of the page size. 0 or -errno. */
int sf_array_open(struct sf_array *array, size_t max_len);

/* Give the address space back. */
void sf_array_close(struct sf_array *array);

/* Make len bytes accessible; false: can't be had. */
bool sf_array_grow_slow(struct sf_array *array, size_t len);

static inline bool sf_array_grow(struct sf_array *array, size_t len)
{
	return SF_LIKELY(len <= array->len) || sf_array_grow_slow(array, len);
}

#endif
