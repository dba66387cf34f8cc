/* SPDX-License-Identifier: MIT */
/*
 * The malloc family, as the C library's: the public surefree_* functions and
 * the drop-in's names are these. Failure is NULL and errno ENOMEM or EINVAL.
 */
#ifndef SF_MALLOC_MALLOC_H
#define SF_MALLOC_MALLOC_H

#include "base/compiler.h"

void *sf_malloc(size_t size);
void *sf_calloc(size_t nr, size_t size);
void *sf_realloc(void *block, size_t size);
void *sf_reallocarray(void *block, size_t nr, size_t size);
void sf_free(void *block);

/* The same; fatal when size is more than the block has, in modes when it is
   not what was asked for. */
void sf_free_sized(void *block, size_t size);
void sf_free_aligned_sized(void *block, size_t align, size_t size);

/* align is a power of two. */
void *sf_memalign(size_t align, size_t size);

/* As the C library's functions of these names. */
void *sf_aligned_alloc(size_t align, size_t size);
int sf_posix_memalign(void **out, size_t align, size_t size);
void *sf_memalign_any(size_t align, size_t size); /* any align: rounded up */

/* Bytes that may be used. Fatal when no block starts there. */
size_t sf_malloc_len(const char *call, const void *block);

/* Whether an address is of memory that blocks come from. */
bool sf_malloc_has(const void *addr);

/* For modes: what these do where none is on. */
void sf_free_plain(void *block);
size_t sf_malloc_len_plain(const char *call, const void *block);

/*
 * Release what is free, in all heaps, until keep_len bytes are retained.
 * Returns the bytes released.
 */
size_t sf_malloc_trim(size_t keep_len);

#endif
