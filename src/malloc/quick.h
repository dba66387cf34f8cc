/* SPDX-License-Identifier: MIT */
/*
 * The paths of malloc() and free() that nearly all calls take, to and from a
 * cache of this thread's heap: no lock, no atomic read-modify-write, no system
 * call. Inline, for those that are called by the C library's names.
 */
#ifndef SF_MALLOC_QUICK_H
#define SF_MALLOC_QUICK_H

#include "malloc/heap.h"

/* All others. */
void *sf_malloc_slow(size_t size);
void sf_free_slow(void *block);

/* The cache of a heap that this thread is busy in has none. */
void *sf_malloc_from_slab(struct sf_heap *heap, unsigned class);

/* The cache of a heap that this thread is busy in is full. */
void sf_free_to_slab(struct sf_heap *heap, struct sf_slab *slab, uintptr_t addr,
		     _Atomic uint8_t *mark);

/* This thread is busy in the heap, but the block is none for the cache. */
void sf_free_leave(struct sf_heap *heap, void *block);

/*
 * For those paths
 */

#define SF_MALLOC_MAX ((size_t)PTRDIFF_MAX)

/* What a slow path hands out, or NULL, which becomes ENOMEM. */
void *sf_malloc_taken(void *block, size_t size);

/* NULL, and errno is ENOMEM. */
void *sf_malloc_failed(void);

SF_NORETURN void sf_malloc_foreign(const char *call, const void *block);

/*
 * The quick ones
 */

static inline void *sf_malloc_quickly(size_t size)
{
	struct sf_heap *heap = sf_heap_own;
	unsigned class;
	void *block;

	if (SF_UNLIKELY(size > SF_SMALL_MAX))
		return sf_malloc_slow(size);
	if (SF_UNLIKELY(!sf_heap_try(heap))) {
		sf_heap_leave(heap);
		return sf_malloc_slow(size);
	}
	/* Not before: there are no classes until a heap is this thread's. */
	class = sf_class_of(size);
	block = sf_cache_pop(&heap->caches[class]);
	if (SF_UNLIKELY(block == NULL))
		return sf_malloc_from_slab(heap, class);
	sf_heap_leave(heap);
	return block;
}

/* A block of the first pool. */
static inline void sf_free_first(void *block)
{
	uintptr_t addr = (uintptr_t)block;
	struct sf_heap *heap = sf_heap_own;
	_Atomic uint8_t *mark;
	struct sf_slab *slab;

	slab = sf_slab_first(addr);
	if (SF_UNLIKELY(atomic_load_explicit(&slab->owner,
					     memory_order_relaxed) != heap)) {
		sf_free_slow(block);
		return;
	}
	if (SF_UNLIKELY(!sf_heap_try(heap))) {
		sf_free_leave(heap, block);
		return;
	}
	mark = sf_slab_find_used(slab, addr);
	if (SF_UNLIKELY(mark == NULL)) {
		sf_free_leave(heap, block);
		return;
	}
	sf_mark_set(mark, SF_MARK_NONE);
	if (SF_UNLIKELY(
		    !sf_cache_push(&heap->caches[slab->class], addr, mark))) {
		sf_free_to_slab(heap, slab, addr, mark);
		return;
	}
	sf_heap_leave(heap);
}

static inline void sf_free_quickly(void *block)
{
	if (SF_LIKELY(sf_pool_is_first((uintptr_t)block)))
		sf_free_first(block);
	else
		sf_free_slow(block);
}

#endif
