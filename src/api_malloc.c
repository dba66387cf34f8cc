// SPDX-License-Identifier: MIT
/* The public malloc family. The contract stands in surefree.h. */
#include <surefree.h>

#include "base/compiler.h"
#include "malloc/malloc.h"

SF_EXPORT void *surefree_malloc(size_t size)
{
	return sf_malloc(size);
}

SF_EXPORT void *surefree_calloc(size_t nr, size_t size)
{
	return sf_calloc(nr, size);
}

SF_EXPORT void *surefree_realloc(void *block, size_t size)
{
	return sf_realloc(block, size);
}

SF_EXPORT void *surefree_reallocarray(void *block, size_t nr, size_t size)
{
	return sf_reallocarray(block, nr, size);
}

SF_EXPORT void *surefree_aligned_alloc(size_t align, size_t size)
{
	return sf_aligned_alloc(align, size);
}

SF_EXPORT void *surefree_memalign(size_t align, size_t size)
{
	return sf_aligned_alloc(align, size);
}

SF_EXPORT int surefree_posix_memalign(void **out, size_t align, size_t size)
{
	return sf_posix_memalign(out, align, size);
}

SF_EXPORT void surefree_free(void *block)
{
	sf_free(block);
}

SF_EXPORT void surefree_free_sized(void *block, size_t size)
{
	sf_free_sized(block, size);
}

SF_EXPORT void surefree_free_aligned_sized(void *block, size_t align,
					   size_t size)
{
	sf_free_aligned_sized(block, align, size);
}

SF_EXPORT size_t surefree_malloc_usable_size(void *block)
{
	return block != NULL ? sf_malloc_len("malloc_usable_size", block) : 0;
}
