// SPDX-License-Identifier: MIT
/*
 * C++'s operators new and delete, in all their forms. The C++ library makes
 * them of malloc() and free(); but another malloc that a program is linked with
 * brings operators of its own, and without these they would be used.
 *
 * Forms are made of each other as in the C++ library, those for arrays of those
 * for one object, sized and nothrow ones of plain ones, by names that a program
 * may define itself; so may it malloc() and free(). FOUND() is what the dynamic
 * linker has for such a name.
 *
 * Only C++ can ask the handler of std::set_new_handler(), throw, and catch. For
 * that the C++ library's own operator is called, which calls malloc() again.
 * What is thrown passes through here.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "base/log.h"
#include "malloc/malloc.h"
#include "malloc/quick.h"
#include "preload/malloc_family.h"

/* No block has it, and it is a multiple of every alignment. */
#define IMPOSSIBLE_LEN ((size_t)1 << 63)

/* The compiler shall not think that it knows it: the name is ours, too. */
#define FOUND(function)                                          \
	({                                                       \
		__typeof__(&(function)) the_found = &(function); \
		__asm__("" : "+r"(the_found));                   \
		the_found;                                       \
	})

struct nothrow; /* std::nothrow_t */

typedef void *new_fn(size_t size);
typedef void *new_nothrow_fn(size_t size, const struct nothrow *tag);
typedef void *new_aligned_fn(size_t size, size_t align);
typedef void *new_aligned_nothrow_fn(size_t size, size_t align,
				     const struct nothrow *tag);
typedef void delete_fn(void *block);
typedef void delete_sized_fn(void *block, size_t size);
typedef void delete_nothrow_fn(void *block, const struct nothrow *tag);
typedef void delete_aligned_fn(void *block, size_t align);
typedef void delete_sized_aligned_fn(void *block, size_t size, size_t align);
typedef void delete_aligned_nothrow_fn(void *block, size_t align,
				       const struct nothrow *tag);

/* By the names that the C++ ABI gives them: "w" and "l" for one object, "a" for
   arrays. */
new_fn _Znwm, _Znam;
new_nothrow_fn _ZnwmRKSt9nothrow_t, _ZnamRKSt9nothrow_t;
new_aligned_fn _ZnwmSt11align_val_t, _ZnamSt11align_val_t;
new_aligned_nothrow_fn _ZnwmSt11align_val_tRKSt9nothrow_t,
	_ZnamSt11align_val_tRKSt9nothrow_t;
delete_fn _ZdlPv, _ZdaPv;
delete_sized_fn _ZdlPvm, _ZdaPvm;
delete_nothrow_fn _ZdlPvRKSt9nothrow_t, _ZdaPvRKSt9nothrow_t;
delete_aligned_fn _ZdlPvSt11align_val_t, _ZdaPvSt11align_val_t;
delete_sized_aligned_fn _ZdlPvmSt11align_val_t, _ZdaPvmSt11align_val_t;
delete_aligned_nothrow_fn _ZdlPvSt11align_val_tRKSt9nothrow_t,
	_ZdaPvSt11align_val_tRKSt9nothrow_t;

/* Ours, whatever the linker found. */
static new_fn own_new __attribute__((alias("_Znwm")));
static new_fn own_new_array __attribute__((alias("_Znam")));
static new_aligned_fn own_new_aligned
	__attribute__((alias("_ZnwmSt11align_val_t")));
static new_aligned_fn own_new_array_aligned
	__attribute__((alias("_ZnamSt11align_val_t")));

/*
 * The C++ library's
 */

enum form {
	NEW,
	NEW_ALIGNED,
	NEW_NOTHROW,
	NEW_ARRAY_NOTHROW,
	NEW_ALIGNED_NOTHROW,
	NEW_ARRAY_ALIGNED_NOTHROW,
	NR_FORMS,
};

static const char *const names[NR_FORMS] = {
	[NEW] = "_Znwm",
	[NEW_ALIGNED] = "_ZnwmSt11align_val_t",
	[NEW_NOTHROW] = "_ZnwmRKSt9nothrow_t",
	[NEW_ARRAY_NOTHROW] = "_ZnamRKSt9nothrow_t",
	[NEW_ALIGNED_NOTHROW] = "_ZnwmSt11align_val_tRKSt9nothrow_t",
	[NEW_ARRAY_ALIGNED_NOTHROW] = "_ZnamSt11align_val_tRKSt9nothrow_t",
};

/* A handle of the C++ library, which then stays. NULL: there is none. */
static void *open_library(void)
{
	static const char *const libraries[] = {
		"libstdc++.so.6",
		"libc++.so.1",
		"libc++abi.so.1",
	};
	static _Atomic(void *) opened;
	void *handle = opened;

	for (size_t i = 0; handle == NULL && i < SF_NR(libraries); i++)
		handle = dlopen(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
	opened = handle;
	return handle;
}

/* Its operator of that form, or NULL. */
static void *find(enum form form)
{
	static _Atomic(void *) found[NR_FORMS];
	void *symbol = found[form];
	void *library;

	if (symbol != NULL)
		return symbol;
	library = open_library();
	if (library != NULL)
		symbol = dlsym(library, names[form]);
	found[form] = symbol;
	return symbol;
}

/* Whether one is loaded with the program. */
extern void __cxa_throw(void) __attribute__((weak));

/* Before memory is short: finding it allocates. */
__attribute__((constructor)) static void at_load(void)
{
	if (__cxa_throw != NULL && open_library() != NULL)
		for (enum form form = 0; form < NR_FORMS; form++)
			find(form);
}

/*
 * What the quick ones leave to it
 */

static SF_NORETURN void fail(size_t size)
{
	sf_fatal("operator new(%zu): no memory, and no C++ library that could "
		 "throw std::bad_alloc",
		 size);
}

static __attribute__((noinline)) void *new_slow(size_t size)
{
	new_fn *other = (new_fn *)find(NEW);
	void *block;

	if (SF_LIKELY(other != NULL))
		return other(size);
	block = malloc(size);
	if (block == NULL)
		fail(size);
	return block;
}

/* Some round the size up, beyond its end. */
static size_t possible_len(size_t size)
{
	return size > SF_MALLOC_MAX ? IMPOSSIBLE_LEN : size;
}

static __attribute__((noinline)) void *new_aligned_slow(size_t size,
							size_t align)
{
	new_aligned_fn *other = (new_aligned_fn *)find(NEW_ALIGNED);
	void *block;

	if (SF_LIKELY(other != NULL))
		return other(possible_len(size), align);
	block = aligned_alloc(align, size);
	if (block == NULL)
		fail(size);
	return block;
}

static __attribute__((noinline)) void *
new_nothrow_slow(enum form form, size_t size, const struct nothrow *tag)
{
	new_nothrow_fn *other = (new_nothrow_fn *)find(form);

	return SF_LIKELY(other != NULL) ? other(size, tag) : malloc(size);
}

static __attribute__((noinline)) void *
new_aligned_nothrow_slow(enum form form, size_t size, size_t align,
			 const struct nothrow *tag)
{
	new_aligned_nothrow_fn *other = (new_aligned_nothrow_fn *)find(form);

	return SF_LIKELY(other != NULL) ?
		       other(possible_len(size), align, tag) :
		       aligned_alloc(align, size);
}

/*
 * One object
 */

/* NULL: there is no memory, or malloc() is the program's. */
static inline void *take(size_t size)
{
	return SF_LIKELY(FOUND(malloc) == sf_own_malloc) ?
		       sf_malloc_quickly(size) :
		       NULL;
}

static inline void *take_aligned(size_t size, size_t align)
{
	return SF_LIKELY(FOUND(malloc) == sf_own_malloc &&
			 sf_is_power_of_two(align)) ?
		       sf_memalign(align, size) :
		       NULL;
}

static inline void give(void *block)
{
	if (SF_LIKELY(FOUND(free) == sf_own_free))
		sf_free_quickly(block);
	else
		free(block);
}

SF_EXPORT void *_Znwm(size_t size)
{
	void *block = take(size);

	return SF_LIKELY(block != NULL) ? block : new_slow(size);
}

SF_EXPORT void *_ZnwmRKSt9nothrow_t(size_t size, const struct nothrow *tag)
{
	void *block = NULL;

	if (FOUND(_Znwm) == own_new)
		block = take(size);
	return SF_LIKELY(block != NULL) ?
		       block :
		       new_nothrow_slow(NEW_NOTHROW, size, tag);
}

SF_EXPORT void *_ZnwmSt11align_val_t(size_t size, size_t align)
{
	void *block = take_aligned(size, align);

	return SF_LIKELY(block != NULL) ? block : new_aligned_slow(size, align);
}

SF_EXPORT void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t size, size_t align,
						   const struct nothrow *tag)
{
	void *block = NULL;

	if (FOUND(_ZnwmSt11align_val_t) == own_new_aligned)
		block = take_aligned(size, align);
	return SF_LIKELY(block != NULL) ?
		       block :
		       new_aligned_nothrow_slow(NEW_ALIGNED_NOTHROW, size,
						align, tag);
}

SF_EXPORT void _ZdlPv(void *block)
{
	give(block);
}

SF_EXPORT void _ZdlPvm(void *block, size_t size)
{
	(void)size;
	FOUND(_ZdlPv)(block);
}

SF_EXPORT void _ZdlPvRKSt9nothrow_t(void *block, const struct nothrow *tag)
{
	(void)tag;
	FOUND(_ZdlPv)(block);
}

SF_EXPORT void _ZdlPvSt11align_val_t(void *block, size_t align)
{
	(void)align;
	give(block);
}

SF_EXPORT void _ZdlPvmSt11align_val_t(void *block, size_t size, size_t align)
{
	(void)size;
	FOUND(_ZdlPvSt11align_val_t)(block, align);
}

SF_EXPORT void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *block, size_t align,
						   const struct nothrow *tag)
{
	(void)tag;
	FOUND(_ZdlPvSt11align_val_t)(block, align);
}

/*
 * Arrays
 */

SF_EXPORT void *_Znam(size_t size)
{
	return FOUND(_Znwm)(size);
}

SF_EXPORT void *_ZnamRKSt9nothrow_t(size_t size, const struct nothrow *tag)
{
	void *block = NULL;

	if (FOUND(_Znam) == own_new_array && FOUND(_Znwm) == own_new)
		block = take(size);
	return SF_LIKELY(block != NULL) ?
		       block :
		       new_nothrow_slow(NEW_ARRAY_NOTHROW, size, tag);
}

SF_EXPORT void *_ZnamSt11align_val_t(size_t size, size_t align)
{
	return FOUND(_ZnwmSt11align_val_t)(size, align);
}

SF_EXPORT void *_ZnamSt11align_val_tRKSt9nothrow_t(size_t size, size_t align,
						   const struct nothrow *tag)
{
	void *block = NULL;

	if (FOUND(_ZnamSt11align_val_t) == own_new_array_aligned &&
	    FOUND(_ZnwmSt11align_val_t) == own_new_aligned)
		block = take_aligned(size, align);
	return SF_LIKELY(block != NULL) ?
		       block :
		       new_aligned_nothrow_slow(NEW_ARRAY_ALIGNED_NOTHROW, size,
						align, tag);
}

SF_EXPORT void _ZdaPv(void *block)
{
	FOUND(_ZdlPv)(block);
}

SF_EXPORT void _ZdaPvm(void *block, size_t size)
{
	(void)size;
	FOUND(_ZdaPv)(block);
}

SF_EXPORT void _ZdaPvRKSt9nothrow_t(void *block, const struct nothrow *tag)
{
	(void)tag;
	FOUND(_ZdaPv)(block);
}

SF_EXPORT void _ZdaPvSt11align_val_t(void *block, size_t align)
{
	FOUND(_ZdlPvSt11align_val_t)(block, align);
}

SF_EXPORT void _ZdaPvmSt11align_val_t(void *block, size_t size, size_t align)
{
	(void)size;
	FOUND(_ZdaPvSt11align_val_t)(block, align);
}

SF_EXPORT void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *block, size_t align,
						   const struct nothrow *tag)
{
	(void)tag;
	FOUND(_ZdaPvSt11align_val_t)(block, align);
}
