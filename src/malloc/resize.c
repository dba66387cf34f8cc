// SPDX-License-Identifier: MIT
/* How long blocks are, and changing it. */
#include <string.h>

#include "base/log.h"
#include "malloc/large.h"
#include "malloc/malloc.h"
#include "malloc/mode.h"
#include "malloc/profile.h"
#include "malloc/quick.h"

/*
 * Lengths
 */

/* Bytes of a block; 0: none starts there. */
static inline __attribute__((always_inline)) size_t
len_of(const struct sf_pool *pool, struct sf_slab *slab, uintptr_t addr)
{
	/* Acquire: pairs with the release in sf_slab_open(). */
	if (SF_LIKELY(atomic_load_explicit(&slab->owner,
					   memory_order_acquire) != NULL))
		return sf_slab_find_used(slab, addr) != NULL ? slab->size : 0;
	return sf_large_len(pool, addr);
}

static __attribute__((noinline)) size_t len_slow(const char *call,
						 const void *block)
{
	uintptr_t addr = (uintptr_t)block;
	struct sf_pool *pool = sf_pool_of(addr);
	size_t len;

	if (pool == NULL)
		sf_malloc_foreign(call, block);
	len = len_of(pool, sf_slab_of(pool, addr), addr);
	if (len == 0)
		sf_fatal("%s(%p): no block starts here, or it is already free",
			 call, block);
	return len;
}

size_t sf_malloc_len_plain(const char *call, const void *block)
{
	uintptr_t addr = (uintptr_t)block;
	size_t len = 0;

	if (SF_LIKELY(sf_pool_is_first(addr)))
		len = len_of(sf_pool_first.pool, sf_slab_first(addr), addr);
	return SF_LIKELY(len != 0) ? len : len_slow(call, block);
}

size_t sf_malloc_len(const char *call, const void *block)
{
	if (SF_UNLIKELY(sf_mode != NULL))
		return sf_mode->len(call, block);
	return sf_malloc_len_plain(call, block);
}

void sf_free_aligned_sized(void *block, size_t align, size_t size)
{
	size_t len;

	if (block == NULL)
		return;
	if (SF_UNLIKELY(sf_mode != NULL)) {
		if (sf_profile_is_active())
			sf_profile_freed(block);
		sf_mode->free_sized(block, align, size);
		return;
	}
	len = sf_malloc_len_plain("free_sized", block);
	if (SF_UNLIKELY(size > len))
		sf_fatal("free_sized(%p, %zu): the block has %zu bytes", block,
			 size, len);
	sf_free(block);
}

void sf_free_sized(void *block, size_t size)
{
	sf_free_aligned_sized(block, 1, size);
}

static void *resize_in_mode(void *block, size_t size)
{
	if (size > SF_MALLOC_MAX)
		return sf_malloc_failed();
	/* Out of the profile, should it fail. */
	if (sf_profile_is_active())
		sf_profile_freed(block);
	return sf_malloc_taken(sf_mode->resize(block, size), size);
}

/* Whether a block of len bytes may stay when it is to have size bytes. */
static inline bool fits(size_t len, size_t size)
{
	if (size == 0 || size > len)
		return false;
	if (len > SF_SMALL_MAX)
		return size > len - sf_page_size;
	return size >= len / 2 || len <= 64;
}

/*
 * What to take for a block that has len bytes and is to have size. One that
 * grows is likely to grow again: a quarter more, so that it is copied thrice
 * until it has doubled, not with each of eight classes.
 */
static size_t room_for(size_t len, size_t size)
{
	size_t more = len + len / 4;

	return len < size && size < more && more <= SF_SMALL_MAX ? more : size;
}

static __attribute__((noinline)) void *realloc_slow(void *block, size_t size)
{
	uintptr_t addr = (uintptr_t)block;
	size_t len;
	void *copy;

	if (block == NULL)
		return sf_malloc(size);
	len = sf_malloc_len("realloc", block);
	if (size == 0) {
		sf_free(block);
		return NULL;
	}
	if (SF_UNLIKELY(sf_mode != NULL))
		return resize_in_mode(block, size);
	if (SF_LIKELY(fits(len, size)))
		return block;
	if (size > SF_MALLOC_MAX)
		return sf_malloc_failed();
	if (len > SF_SMALL_MAX && size > SF_SMALL_MAX) {
		copy = sf_large_resize(sf_pool_of(addr), addr, len, size);
		/* Where it moved, it was freed. */
		if (copy == block && sf_profile_is_active())
			sf_profile_freed(block);
		return sf_malloc_taken(copy, size);
	}
	copy = sf_malloc(room_for(len, size));
	if (copy == NULL)
		return NULL;
	memcpy(copy, block, sf_min(len, size));
	sf_free(block);
	return copy;
}

void *sf_realloc(void *block, size_t size)
{
	uintptr_t addr = (uintptr_t)block;
	size_t len = 0;

	/* Most often a block stays where it is. 0 fits none. */
	if (SF_LIKELY(sf_pool_is_first(addr) && sf_mode == NULL))
		len = len_of(sf_pool_first.pool, sf_slab_first(addr), addr);
	if (SF_LIKELY(fits(len, size)))
		return block;
	return realloc_slow(block, size);
}

void *sf_reallocarray(void *block, size_t nr, size_t size)
{
	size_t len;

	if (__builtin_mul_overflow(nr, size, &len))
		return sf_malloc_failed();
	return sf_realloc(block, len);
}
