// SPDX-License-Identifier: MIT
/*
 * The C library's names of the malloc family, for unmodified programs, and the
 * names that glibc gives its own, which some programs call.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "malloc/malloc.h"
#include "malloc/quick.h"
#include "os/page.h"
#include "preload/malloc_family.h"
#include "vm/keep.h"

/* Declared in no header. */
void free_sized(void *block, size_t size);
void free_aligned_sized(void *block, size_t align, size_t size);
void cfree(void *block);
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t nr, size_t size);
void *__libc_realloc(void *block, size_t size);
void __libc_free(void *block);
void *__libc_memalign(size_t align, size_t size);
void *__libc_valloc(size_t size);
void *__libc_pvalloc(size_t size);
int __posix_memalign(void **out, size_t align, size_t size);

__attribute__((constructor)) static void at_load(void)
{
	/* The first block shall need no spare mapping. */
	sf_free(sf_malloc(1));
}

void *sf_own_malloc(size_t size)
{
	return sf_malloc_quickly(size);
}

SF_EXPORT void *malloc(size_t size) __attribute__((alias("sf_own_malloc")));

SF_EXPORT void *calloc(size_t nr, size_t size)
{
	return sf_calloc(nr, size);
}

SF_EXPORT void *realloc(void *block, size_t size)
{
	return sf_realloc(block, size);
}

/* By name, as in the C library: valgrind takes over realloc(), but not this. */
SF_EXPORT void *reallocarray(void *block, size_t nr, size_t size)
{
	size_t len;

	if (__builtin_mul_overflow(nr, size, &len))
		return sf_malloc_failed();
	return realloc(block, len);
}

void sf_own_free(void *block)
{
	sf_free_quickly(block);
}

SF_EXPORT void free(void *block) __attribute__((alias("sf_own_free")));

/* C23. */
SF_EXPORT void free_sized(void *block, size_t size)
{
	sf_free_sized(block, size);
}

SF_EXPORT void free_aligned_sized(void *block, size_t align, size_t size)
{
	sf_free_aligned_sized(block, align, size);
}

SF_EXPORT void *aligned_alloc(size_t align, size_t size)
{
	return sf_aligned_alloc(align, size);
}

SF_EXPORT void *memalign(size_t align, size_t size)
{
	return sf_memalign_any(align, size);
}

SF_EXPORT int posix_memalign(void **out, size_t align, size_t size)
{
	return sf_posix_memalign(out, align, size);
}

SF_EXPORT void *valloc(size_t size)
{
	return sf_memalign(sf_page_size, size);
}

SF_EXPORT void *pvalloc(size_t size)
{
	if (size > SIZE_MAX - sf_page_size) {
		errno = ENOMEM;
		return NULL;
	}
	return memalign(sf_page_size, sf_align_up(size, sf_page_size));
}

SF_EXPORT size_t malloc_usable_size(void *block)
{
	return block != NULL ? sf_malloc_len("malloc_usable_size", block) : 0;
}

SF_EXPORT int malloc_trim(size_t keep_len)
{
	return sf_malloc_trim(keep_len) + sf_keep_trim(keep_len) > 0;
}

/* Every parameter is accepted; what they tune is not there. */
SF_EXPORT int mallopt(int parameter, int value)
{
	(void)parameter;
	(void)value;
	return 1;
}

/*
 * Older and inner names
 */

SF_EXPORT void cfree(void *block)
{
	sf_free(block);
}

SF_EXPORT void *__libc_malloc(size_t size)
{
	return sf_malloc(size);
}

SF_EXPORT void *__libc_calloc(size_t nr, size_t size)
{
	return sf_calloc(nr, size);
}

SF_EXPORT void *__libc_realloc(void *block, size_t size)
{
	return sf_realloc(block, size);
}

SF_EXPORT void __libc_free(void *block)
{
	sf_free(block);
}

SF_EXPORT void *__libc_memalign(size_t align, size_t size)
{
	return sf_memalign_any(align, size);
}

SF_EXPORT void *__libc_valloc(size_t size)
{
	return valloc(size);
}

SF_EXPORT void *__libc_pvalloc(size_t size)
{
	return pvalloc(size);
}

SF_EXPORT int __posix_memalign(void **out, size_t align, size_t size)
{
	return sf_posix_memalign(out, align, size);
}
