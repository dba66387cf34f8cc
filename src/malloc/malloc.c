// SPDX-License-Identifier: MIT
/*
 * The malloc family: what quick.h leaves, by way of heap.h and large.h.
 */
#include "malloc/malloc.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "malloc/heap.h"
#include "malloc/large.h"
#include "malloc/mode.h"
#include "malloc/profile.h"
#include "malloc/quick.h"
#include "malloc/threads.h"
#include "vm/retain.h"

#define MAX_LEN ((size_t)PTRDIFF_MAX)

/*
 * malloc
 */

static void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

/* What a slow path hands out, or NULL, which becomes ENOMEM. */
static void *taken(void *block, size_t size)
{
	if (block == NULL)
		return no_memory();
	if (sf_profile_is_active())
		sf_profile_took(block, size);
	return block;
}

static void *take_in_mode(size_t size, size_t align, bool zero)
{
	void *block = NULL;

	if (size <= MAX_LEN && align <= MAX_LEN)
		block = sf_mode->take(size, align, zero);
	return taken(block, size);
}

/* A small block of a class. *clean: it is known to read as zeros. */
static void *take_small(unsigned class, bool *clean)
{
	struct sf_heap_hold hold = sf_heap_hold(sf_heap_get());
	void *block = sf_heap_take(hold.heap, class, clean);

	sf_heap_release(hold);
	return block;
}

void *sf_malloc_slow(size_t size)
{
	bool clean;
	void *block;

	sf_heap_init();
	if (SF_UNLIKELY(sf_mode != NULL))
		return take_in_mode(size, 1, false);
	if (size <= SF_SMALL_MAX)
		block = take_small(sf_class_of(size), &clean);
	else if (size <= MAX_LEN)
		block = sf_large_take(size, 1, false);
	else
		block = NULL;
	return taken(block, size);
}

void *sf_malloc_from_slab(struct sf_heap *heap, unsigned class)
{
	void *block = sf_cache_refill(heap, class);

	sf_heap_leave(heap);
	return SF_LIKELY(block != NULL) ? block : no_memory();
}

void *sf_malloc(size_t size)
{
	return sf_malloc_quickly(size);
}

/* Larger than fine blocks. *clean: it is known to read as zeros. */
static void *calloc_slow(size_t len, bool *clean)
{
	struct sf_heap_hold hold;
	unsigned class;
	void *block;

	if (len > SF_SMALL_MAX) {
		*clean = true;
		return sf_large_take(len, 1, true);
	}
	hold = sf_heap_hold(sf_heap_get());
	class = sf_class_of(len);
	*clean = false;
	block = sf_cache_pop(&hold.heap->caches[class]);
	if (block == NULL)
		block = sf_heap_take(hold.heap, class, clean);
	sf_heap_release(hold);
	return block;
}

void *sf_calloc(size_t nr, size_t size)
{
	bool clean = false;
	void *block;
	size_t len;

	if (__builtin_mul_overflow(nr, size, &len) || len > MAX_LEN)
		return no_memory();
	if (len <= SF_FINE_MAX) {
		block = sf_malloc_quickly(len);
	} else {
		sf_heap_init();
		if (SF_UNLIKELY(sf_mode != NULL))
			return take_in_mode(len, 1, true);
		block = taken(calloc_slow(len, &clean), len);
	}
	if (!clean && block != NULL)
		memset(block, 0, len);
	return block;
}

void *sf_memalign(size_t align, size_t size)
{
	unsigned class;
	bool clean;
	void *block;

	if (align <= 16)
		return sf_malloc(size);
	sf_heap_init();
	if (SF_UNLIKELY(sf_mode != NULL))
		return take_in_mode(size, align, false);
	class = sf_class_aligned(size, align);
	if (class < SF_NR_CLASSES)
		block = take_small(class, &clean);
	else if (size <= MAX_LEN && align <= MAX_LEN)
		block = sf_large_take(sf_max(size, 1), align, false);
	else
		block = NULL;
	return taken(block, size);
}

void *sf_aligned_alloc(size_t align, size_t size)
{
	if (!sf_is_power_of_two(align)) {
		errno = EINVAL;
		return NULL;
	}
	return sf_memalign(align, size);
}

void *sf_memalign_any(size_t align, size_t size)
{
	size_t power = 16;

	if (align > MAX_LEN / 2 + 1) {
		errno = EINVAL;
		return NULL;
	}
	while (power < align)
		power *= 2;
	return sf_memalign(power, size);
}

int sf_posix_memalign(void **out, size_t align, size_t size)
{
	int saved = errno;
	void *block;

	if (!sf_is_power_of_two(align) || align % sizeof(void *) != 0)
		return EINVAL;
	block = sf_memalign(align, size);
	errno = saved;
	if (block == NULL)
		return ENOMEM;
	*out = block;
	return 0;
}

/*
 * free
 */

SF_NORETURN static void foreign(const char *call, const void *block)
{
	sf_fatal("%s(%p): not a block of malloc", call, block);
}

/* Free a block of this thread's slabs; of one that has no thread, maybe. */
static bool free_own(struct sf_slab *slab, uintptr_t addr)
{
	struct sf_heap_hold hold = sf_heap_hold(sf_heap_own);
	bool is_own = atomic_load_explicit(&slab->owner,
					   memory_order_relaxed) == hold.heap ||
		      sf_threads_adopt_slab(hold.heap, slab);

	if (is_own)
		sf_slab_free(hold.heap, slab, addr);
	sf_heap_release(hold);
	return is_own;
}

void sf_free_plain(void *block)
{
	uintptr_t addr = (uintptr_t)block;
	struct sf_pool *pool = sf_pool_of(addr);
	struct sf_heap *owner;
	struct sf_slab *slab;

	if (pool == NULL)
		foreign("free", block);
	slab = sf_slab_of(pool, addr);
	/* Acquire: pairs with the release in sf_slab_open(). */
	owner = atomic_load_explicit(&slab->owner, memory_order_acquire);
	if (owner == NULL) {
		sf_large_free("free", pool, addr);
		return;
	}
	if (sf_heap_own != &sf_heap_common &&
	    (owner == sf_heap_own || owner == &sf_heap_common) &&
	    free_own(slab, addr))
		return;
	sf_heap_free_remote(slab, addr);
}

void sf_free_slow(void *block)
{
	if (block == NULL)
		return;
	if (sf_profile_is_active())
		sf_profile_freed(block);
	if (SF_UNLIKELY(sf_mode != NULL))
		sf_mode->free(block);
	else
		sf_free_plain(block);
}

void sf_free_leave(struct sf_heap *heap, void *block)
{
	sf_heap_leave(heap);
	sf_free_slow(block);
}

void sf_free_to_slab(struct sf_heap *heap, struct sf_slab *slab, uintptr_t addr,
		     _Atomic uint8_t *mark)
{
	sf_cache_overflow(heap, slab, addr, mark);
	sf_heap_leave(heap);
}

void sf_free(void *block)
{
	sf_free_quickly(block);
}

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
		foreign(call, block);
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
	if (size > MAX_LEN)
		return no_memory();
	/* Out of the profile, should it fail. */
	if (sf_profile_is_active())
		sf_profile_freed(block);
	return taken(sf_mode->resize(block, size), size);
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
	if (size > MAX_LEN)
		return no_memory();
	if (len > SF_SMALL_MAX && size > SF_SMALL_MAX) {
		copy = sf_large_resize(sf_pool_of(addr), addr, size);
		/* Where it moved, it was freed. */
		if (copy == block && sf_profile_is_active())
			sf_profile_freed(block);
		return taken(copy, size);
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
		return no_memory();
	return sf_realloc(block, len);
}

size_t sf_malloc_trim(size_t keep_len)
{
	size_t before = sf_retain_len();

	if (!sf_heap_is_ready())
		return 0;
	if (before > keep_len) {
		if (sf_mode != NULL)
			sf_mode->trim();
		sf_heap_stop_all();
		sf_heap_trim_all();
		sf_heap_resume_all();
	}
	sf_pool_trim(keep_len);
	return before - sf_min(before, sf_retain_len());
}
