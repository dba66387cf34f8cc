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

/*
 * malloc
 */

void *sf_malloc_failed(void)
{
	errno = ENOMEM;
	return NULL;
}

void *sf_malloc_taken(void *block, size_t size)
{
	if (block == NULL)
		return sf_malloc_failed();
	if (sf_profile_is_active())
		sf_profile_took(block, size);
	return block;
}

static void *take_in_mode(size_t size, size_t align, bool zero)
{
	void *block = NULL;

	if (size <= SF_MALLOC_MAX && align <= SF_MALLOC_MAX)
		block = sf_mode->take(size, align, zero);
	return sf_malloc_taken(block, size);
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
	else if (size <= SF_MALLOC_MAX)
		block = sf_large_take(size, 1, false);
	else
		block = NULL;
	return sf_malloc_taken(block, size);
}

void *sf_malloc_from_slab(struct sf_heap *heap, unsigned class)
{
	void *block = sf_cache_refill(heap, class);

	sf_heap_leave(heap);
	return SF_LIKELY(block != NULL) ? block : sf_malloc_failed();
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

	if (__builtin_mul_overflow(nr, size, &len) || len > SF_MALLOC_MAX)
		return sf_malloc_failed();
	if (len <= SF_FINE_MAX) {
		block = sf_malloc_quickly(len);
	} else {
		sf_heap_init();
		if (SF_UNLIKELY(sf_mode != NULL))
			return take_in_mode(len, 1, true);
		block = sf_malloc_taken(calloc_slow(len, &clean), len);
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
	else if (size <= SF_MALLOC_MAX && align <= SF_MALLOC_MAX)
		block = sf_large_take(sf_max(size, 1), align, false);
	else
		block = NULL;
	return sf_malloc_taken(block, size);
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

	if (align > SF_MALLOC_MAX / 2 + 1) {
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

SF_NORETURN void sf_malloc_foreign(const char *call, const void *block)
{
	sf_fatal("%s(%p): not a block of malloc", call, block);
}

bool sf_malloc_has(const void *addr)
{
	return sf_pool_of((uintptr_t)addr) != NULL ||
	       (sf_mode != NULL && sf_mode->has != NULL && sf_mode->has(addr));
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
		sf_malloc_foreign("free", block);
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

/* Of the pool first: nobody works on its pages. */
static void give_back(size_t keep_len)
{
	sf_pool_trim(keep_len);
	if (sf_retain_is_within(keep_len))
		return;
	sf_heap_stop_all();
	sf_heap_trim_all(keep_len);
	sf_heap_resume_all();
	sf_pool_trim(keep_len);
}

size_t sf_malloc_trim(size_t keep_len)
{
	size_t before = sf_retain_len();

	if (!sf_heap_is_ready() || before <= keep_len)
		return 0;
	give_back(keep_len);
	if (sf_mode != NULL && !sf_retain_is_within(keep_len)) {
		sf_mode->trim();
		give_back(keep_len);
	}
	return before - sf_min(before, sf_retain_len());
}
