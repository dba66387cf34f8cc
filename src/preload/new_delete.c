// SPDX-License-Identifier: MIT
/*
 * operator new and delete of C++, under the names that the ABI gives them, so
 * that they need not pass through the C++ library. What happens when there is
 * no memory (new handlers, std::bad_alloc) is left to it: the call is made
 * again to the next definition, which asks our malloc, and throws.
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "base/log.h"
#include "malloc/malloc.h"

/* The C++ library's operator of this name. */
static void *next(const char *name)
{
	void *function = dlsym(RTLD_NEXT, name);

	if (function == NULL)
		sf_fatal("%s: no memory, and no C++ library to say so", name);
	return function;
}

/* size, [align,] [nothrow] */
#define NEW(name)                                              \
	SF_EXPORT void *name(size_t size);                     \
	SF_EXPORT void *name(size_t size)                      \
	{                                                      \
		void *block = sf_malloc(size);                 \
                                                               \
		if (SF_LIKELY(block != NULL))                  \
			return block;                          \
		return ((void *(*)(size_t))next(#name))(size); \
	}

#define NEW_NOTHROW(name)                                                   \
	SF_EXPORT void *name(size_t size, const void *tag);                 \
	SF_EXPORT void *name(size_t size, const void *tag)                  \
	{                                                                   \
		void *block = sf_malloc(size);                              \
                                                                            \
		if (SF_LIKELY(block != NULL))                               \
			return block;                                       \
		return ((void *(*)(size_t, const void *))next(#name))(size, \
								      tag); \
	}

#define NEW_ALIGNED(name)                                                     \
	SF_EXPORT void *name(size_t size, size_t align);                      \
	SF_EXPORT void *name(size_t size, size_t align)                       \
	{                                                                     \
		void *block = sf_aligned_alloc(align, size);                  \
                                                                              \
		if (SF_LIKELY(block != NULL))                                 \
			return block;                                         \
		return ((void *(*)(size_t, size_t))next(#name))(size, align); \
	}

#define NEW_ALIGNED_NOTHROW(name)                                         \
	SF_EXPORT void *name(size_t size, size_t align, const void *tag); \
	SF_EXPORT void *name(size_t size, size_t align, const void *tag)  \
	{                                                                 \
		void *block = sf_aligned_alloc(align, size);              \
                                                                          \
		if (SF_LIKELY(block != NULL))                             \
			return block;                                     \
		return ((void *(*)(size_t, size_t, const void *))next(    \
			#name))(size, align, tag);                        \
	}

#define DELETE(name, ...)                                \
	SF_EXPORT void name(void *block, ##__VA_ARGS__); \
	SF_EXPORT void name(void *block, ##__VA_ARGS__)  \
	{                                                \
		sf_free(block);                          \
	}

#pragma GCC diagnostic ignored "-Wunused-parameter"

NEW(_Znwm)
NEW(_Znam)
NEW_NOTHROW(_ZnwmRKSt9nothrow_t)
NEW_NOTHROW(_ZnamRKSt9nothrow_t)
NEW_ALIGNED(_ZnwmSt11align_val_t)
NEW_ALIGNED(_ZnamSt11align_val_t)
NEW_ALIGNED_NOTHROW(_ZnwmSt11align_val_tRKSt9nothrow_t)
NEW_ALIGNED_NOTHROW(_ZnamSt11align_val_tRKSt9nothrow_t)

DELETE(_ZdlPv)
DELETE(_ZdaPv)
DELETE(_ZdlPvRKSt9nothrow_t, const void *tag)
DELETE(_ZdaPvRKSt9nothrow_t, const void *tag)
DELETE(_ZdlPvm, size_t size)
DELETE(_ZdaPvm, size_t size)
DELETE(_ZdlPvSt11align_val_t, size_t align)
DELETE(_ZdaPvSt11align_val_t, size_t align)
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, size_t align, const void *tag)
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, size_t align, const void *tag)
DELETE(_ZdlPvmSt11align_val_t, size_t size, size_t align)
DELETE(_ZdaPvmSt11align_val_t, size_t size, size_t align)
