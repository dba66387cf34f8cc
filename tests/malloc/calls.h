/* SPDX-License-Identifier: MIT */
/*
 * The functions under test, by the C library's names.
 *
 * A program of this suite meets the C library's own functions, which is how we
 * know that a test asks for no more than programs are used to, or the drop-in's
 * when that is preloaded. With CALLS_LINKED the names become libsurefree's, and
 * the program is linked with it: that form can be sanitized and fuzzed.
 *
 * Built with -fno-builtin: the compiler knows malloc too well, and would leave
 * out what is not used.
 */
#ifndef CALLS_H
#define CALLS_H

#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "surefree.h"

#ifdef CALLS_LINKED
#define malloc		   surefree_malloc
#define calloc		   surefree_calloc
#define realloc		   surefree_realloc
#define reallocarray	   surefree_reallocarray
#define free		   surefree_free
#define aligned_alloc	   surefree_aligned_alloc
#define posix_memalign	   surefree_posix_memalign
#define memalign	   surefree_memalign
#define malloc_usable_size surefree_malloc_usable_size
#endif

/* Every block lies at a multiple of this. */
#define CALLS_ALIGN ((size_t)16)

/*
 * Whether surefree's functions are under test. Ends the program (exit status
 * 1) when MALLOC_TESTED in the environment says that they should be, and they
 * are not: a test of the drop-in without the drop-in shows nothing.
 */
bool calls_surefree(void);

/* Whether a sanitizer is at work, which needs memory and stack for itself. */
bool calls_sanitized(void);

/* The statistics of what is under test; false when it has none. */
bool calls_stats(struct surefree_stats *out);

/* malloc_trim(0) in either form. */
void calls_trim(void);

/* C23's, or free() where the C library has none yet. */
void calls_free_sized(void *p, size_t len);
void calls_free_aligned_sized(void *p, size_t align, size_t len);

/* The function of that name, NULL when there is none. */
void *calls_find(const char *name);

/* The one in what dlopen() opened; where there is none the program ends. */
void *calls_find_in(void *handle, const char *name);

/* The same pointer or number, of which the compiler knows nothing any more. */
static inline void *calls_hide(const void *p)
{
	__asm__ volatile("" : "+r"(p));
	return (void *)(uintptr_t)p;
}

static inline size_t calls_size(size_t len)
{
	__asm__ volatile("" : "+r"(len));
	return len;
}

#endif
