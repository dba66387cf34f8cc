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
 *
 * An object that is loaded later finds these before its own operators, unless
 * it is linked to bind to its own. Then the forms that it does not have come
 * here, with blocks that its own new made: its own delete is called.
 */
#include <stdlib.h>

#include "base/compiler.h"
#include "base/log.h"
#include "malloc/malloc.h"
#include "malloc/quick.h"
#include "preload/malloc_family.h"
#include "preload/operators.h"

/* No block has it, and it is a multiple of every alignment. */
#define IMPOSSIBLE_LEN ((size_t)1 << 63)

/* Where an exported operator, which this stands in, was called. */
#define CALLER __builtin_return_address(0)

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
static delete_fn own_delete __attribute__((alias("_ZdlPv")));
static delete_fn own_delete_array __attribute__((alias("_ZdaPv")));
static delete_aligned_fn own_delete_aligned
	__attribute__((alias("_ZdlPvSt11align_val_t")));
static delete_aligned_fn own_delete_array_aligned
	__attribute__((alias("_ZdaPvSt11align_val_t")));

/*
 * What the quick ones leave to others
 */

static SF_NORETURN void fail(size_t size)
{
	sf_fatal("operator new(%zu): no memory, and no C++ library that could "
		 "throw std::bad_alloc",
		 size);
}

static __attribute__((noinline)) void *new_slow(size_t size, const void *caller)
{
	void *found = sf_operators_new(SF_NEW, caller);
	new_fn *other = (new_fn *)found;
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

static __attribute__((noinline)) void *
new_aligned_slow(size_t size, size_t align, const void *caller)
{
	void *found = sf_operators_new(SF_NEW_ALIGNED, caller);
	new_aligned_fn *other = (new_aligned_fn *)found;
	void *block;

	if (SF_LIKELY(other != NULL))
		return other(possible_len(size), align);
	block = aligned_alloc(align, size);
	if (block == NULL)
		fail(size);
	return block;
}

static __attribute__((noinline)) void *
new_nothrow_slow(enum sf_operator form, size_t size, const struct nothrow *tag,
		 const void *caller)
{
	void *found = sf_operators_new(form, caller);
	new_nothrow_fn *other = (new_nothrow_fn *)found;

	return SF_LIKELY(other != NULL) ? other(size, tag) : malloc(size);
}

static __attribute__((noinline)) void *
new_aligned_nothrow_slow(enum sf_operator form, size_t size, size_t align,
			 const struct nothrow *tag, const void *caller)
{
	void *found = sf_operators_new(form, caller);
	new_aligned_nothrow_fn *other = (new_aligned_nothrow_fn *)found;

	return SF_LIKELY(other != NULL) ?
		       other(possible_len(size), align, tag) :
		       aligned_alloc(align, size);
}

/* What is no block of the first pool, as NULL; it may be of no pool at all. */
static __attribute__((noinline)) void
delete_slow(enum sf_operator form, void *block, const void *caller)
{
	delete_fn *other = NULL;

	if (block != NULL && !sf_malloc_has(block))
		other = (delete_fn *)sf_operators_delete(form, caller);
	if (other != NULL)
		other(block);
	else
		sf_free_slow(block);
}

static __attribute__((noinline)) void delete_aligned_slow(enum sf_operator form,
							  void *block,
							  size_t align,
							  const void *caller)
{
	delete_aligned_fn *other = NULL;

	if (block != NULL && !sf_malloc_has(block))
		other = (delete_aligned_fn *)sf_operators_delete(form, caller);
	if (other != NULL)
		other(block, align);
	else
		sf_free_slow(block);
}

/*
 * All forms, for an operator that was called from caller
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

static inline void *new_plain(size_t size, const void *caller)
{
	void *block = take(size);

	return SF_LIKELY(block != NULL) ? block : new_slow(size, caller);
}

static inline void *new_aligned(size_t size, size_t align, const void *caller)
{
	void *block = take_aligned(size, align);

	return SF_LIKELY(block != NULL) ? block :
					  new_aligned_slow(size, align, caller);
}

static inline void give(enum sf_operator form, void *block, const void *caller)
{
	if (SF_UNLIKELY(FOUND(free) != sf_own_free))
		free(block);
	else if (SF_LIKELY(sf_pool_is_first((uintptr_t)block)))
		sf_free_first(block);
	else
		delete_slow(form, block, caller);
}

static inline void give_aligned(enum sf_operator form, void *block,
				size_t align, const void *caller)
{
	if (SF_UNLIKELY(FOUND(free) != sf_own_free))
		free(block);
	else if (SF_LIKELY(sf_pool_is_first((uintptr_t)block)))
		sf_free_first(block);
	else
		delete_aligned_slow(form, block, align, caller);
}

/* What a form is made of may be the program's. */

static inline void delete_plain(void *block, const void *caller)
{
	delete_fn *plain = FOUND(_ZdlPv);

	if (SF_LIKELY(plain == own_delete))
		give(SF_DELETE, block, caller);
	else
		plain(block);
}

static inline void delete_aligned(void *block, size_t align, const void *caller)
{
	delete_aligned_fn *plain = FOUND(_ZdlPvSt11align_val_t);

	if (SF_LIKELY(plain == own_delete_aligned))
		give_aligned(SF_DELETE_ALIGNED, block, align, caller);
	else
		plain(block, align);
}

static inline void delete_own_array(void *block, const void *caller)
{
	delete_fn *plain = FOUND(_ZdlPv);

	if (SF_LIKELY(plain == own_delete))
		give(SF_DELETE_ARRAY, block, caller);
	else
		plain(block);
}

static inline void delete_array(void *block, const void *caller)
{
	delete_fn *array = FOUND(_ZdaPv);

	if (SF_LIKELY(array == own_delete_array))
		delete_own_array(block, caller);
	else
		array(block);
}

static inline void delete_own_array_aligned(void *block, size_t align,
					    const void *caller)
{
	delete_aligned_fn *plain = FOUND(_ZdlPvSt11align_val_t);

	if (SF_LIKELY(plain == own_delete_aligned))
		give_aligned(SF_DELETE_ARRAY_ALIGNED, block, align, caller);
	else
		plain(block, align);
}

static inline void delete_array_aligned(void *block, size_t align,
					const void *caller)
{
	delete_aligned_fn *array = FOUND(_ZdaPvSt11align_val_t);

	if (SF_LIKELY(array == own_delete_array_aligned))
		delete_own_array_aligned(block, align, caller);
	else
		array(block, align);
}

/*
 * One object
 */

SF_EXPORT void *_Znwm(size_t size)
{
	return new_plain(size, CALLER);
}

SF_EXPORT void *_ZnwmRKSt9nothrow_t(size_t size, const struct nothrow *tag)
{
	void *block = NULL;

	if (FOUND(_Znwm) == own_new)
		block = take(size);
	return SF_LIKELY(block != NULL) ?
		       block :
		       new_nothrow_slow(SF_NEW_NOTHROW, size, tag, CALLER);
}

SF_EXPORT void *_ZnwmSt11align_val_t(size_t size, size_t align)
{
	return new_aligned(size, align, CALLER);
}

SF_EXPORT void *_ZnwmSt11align_val_tRKSt9nothrow_t(size_t size, size_t align,
						   const struct nothrow *tag)
{
	void *block = NULL;

	if (FOUND(_ZnwmSt11align_val_t) == own_new_aligned)
		block = take_aligned(size, align);
	return SF_LIKELY(block != NULL) ?
		       block :
		       new_aligned_nothrow_slow(SF_NEW_ALIGNED_NOTHROW, size,
						align, tag, CALLER);
}

SF_EXPORT void _ZdlPv(void *block)
{
	give(SF_DELETE, block, CALLER);
}

SF_EXPORT void _ZdlPvm(void *block, size_t size)
{
	(void)size;
	delete_plain(block, CALLER);
}

SF_EXPORT void _ZdlPvRKSt9nothrow_t(void *block, const struct nothrow *tag)
{
	(void)tag;
	delete_plain(block, CALLER);
}

SF_EXPORT void _ZdlPvSt11align_val_t(void *block, size_t align)
{
	give_aligned(SF_DELETE_ALIGNED, block, align, CALLER);
}

SF_EXPORT void _ZdlPvmSt11align_val_t(void *block, size_t size, size_t align)
{
	(void)size;
	delete_aligned(block, align, CALLER);
}

SF_EXPORT void _ZdlPvSt11align_val_tRKSt9nothrow_t(void *block, size_t align,
						   const struct nothrow *tag)
{
	(void)tag;
	delete_aligned(block, align, CALLER);
}

/*
 * Arrays
 */

SF_EXPORT void *_Znam(size_t size)
{
	new_fn *plain = FOUND(_Znwm);

	return SF_LIKELY(plain == own_new) ? new_plain(size, CALLER) :
					     plain(size);
}

SF_EXPORT void *_ZnamRKSt9nothrow_t(size_t size, const struct nothrow *tag)
{
	void *block = NULL;

	if (FOUND(_Znam) == own_new_array && FOUND(_Znwm) == own_new)
		block = take(size);
	return SF_LIKELY(block != NULL) ? block :
					  new_nothrow_slow(SF_NEW_ARRAY_NOTHROW,
							   size, tag, CALLER);
}

SF_EXPORT void *_ZnamSt11align_val_t(size_t size, size_t align)
{
	new_aligned_fn *plain = FOUND(_ZnwmSt11align_val_t);

	return SF_LIKELY(plain == own_new_aligned) ?
		       new_aligned(size, align, CALLER) :
		       plain(size, align);
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
		       new_aligned_nothrow_slow(SF_NEW_ARRAY_ALIGNED_NOTHROW,
						size, align, tag, CALLER);
}

SF_EXPORT void _ZdaPv(void *block)
{
	delete_own_array(block, CALLER);
}

SF_EXPORT void _ZdaPvm(void *block, size_t size)
{
	(void)size;
	delete_array(block, CALLER);
}

SF_EXPORT void _ZdaPvRKSt9nothrow_t(void *block, const struct nothrow *tag)
{
	(void)tag;
	delete_array(block, CALLER);
}

SF_EXPORT void _ZdaPvSt11align_val_t(void *block, size_t align)
{
	delete_own_array_aligned(block, align, CALLER);
}

SF_EXPORT void _ZdaPvmSt11align_val_t(void *block, size_t size, size_t align)
{
	(void)size;
	delete_array_aligned(block, align, CALLER);
}

SF_EXPORT void _ZdaPvSt11align_val_tRKSt9nothrow_t(void *block, size_t align,
						   const struct nothrow *tag)
{
	(void)tag;
	delete_array_aligned(block, align, CALLER);
}
