/* SPDX-License-Identifier: MIT */
/*
 * Heaps: one for each thread, with slabs of its own, and a common one for
 * threads that are ending and for the slabs of those that ended.
 *
 * Whoever changes a heap has it to himself, in one of two ways:
 *
 *  the owner   sets `busy`, sees that `slow` is not set, works, clears `busy`:
 *              two plain stores and a load, no atomic operation;
 *  anyone      holds `lock`, has set `slow`, and waited until `busy` was clear.
 *
 * Between the owner's store to busy and load of slow stands no fence. Who stops
 * a heap makes up for it with membarrier(), which has every running thread pass
 * one. Where the kernel refuses that, slow stays set and owners take the lock.
 *
 * So trimming, fork() and whoever finds that a sleeping thread's freed memory
 * exceeds the bound can work on any heap.
 *
 * Locks: HEAPS, then HEAP, then those of vm/. Nobody stops a heap while he is
 * busy in another.
 */
#ifndef SF_MALLOC_HEAP_H
#define SF_MALLOC_HEAP_H

#include <stdatomic.h>

#include "malloc/cache.h"
#include "malloc/large_cache.h"
#include "malloc/slab.h"
#include "os/lock.h"

/* Where the next block of a class comes from. */
struct sf_bin {
	/* Fine: the word that blocks are taken from. */
	_Atomic uint64_t *word;
	uintptr_t base; /* address of the word's first block */
	size_t size;	/* of a block */

	struct sf_slab *slab; /* the word's; coarse: to take from */
	/* Slabs that may have free blocks; the one that waited longest first,
	   since it gathered most. */
	struct sf_slab *list;
	struct sf_slab **list_end;
};

struct sf_heap {
	/* The owner's; `busy` is read by who stops it. */
	_Atomic uint8_t busy;
	/* Under lock; read by the owner. */
	_Atomic uint8_t slow;

	struct sf_cache caches[SF_NR_CLASSES] SF_CACHE_ALIGNED;
	struct sf_bin bins[SF_NR_CLASSES];

	struct sf_slab *slabs; /* all */
	size_t nr_slabs;       /* read by anyone */
	struct sf_slab *idle;  /* those with idle cells, oldest first */
	struct sf_slab **idle_end;
	size_t nr_idle;	  /* idle cells, at most quota */
	size_t quota;	  /* cells counted as retained */
	size_t nr_cached; /* cells counted as retained for the caches */
	struct sf_large_cache large;

	/* Changed by other threads. */
	struct sf_lock lock SF_CACHE_ALIGNED;
	unsigned nr_stops;		  /* under lock */
	_Atomic bool in_use;		  /* changed under the lock of heaps */
	_Atomic(struct sf_slab *) remote; /* slabs with remote frees */
	_Atomic size_t nr_remote;    /* cells that these may have made idle */
	_Atomic size_t remote_quota; /* cells counted as retained for it */
	struct sf_heap *next;	     /* in the list of heaps; never changes */
};

extern struct sf_heap sf_heap_common;

extern _Thread_local struct sf_heap *sf_heap_own
	__attribute__((tls_model("initial-exec")));

extern _Atomic uint64_t sf_no_blocks; /* a word with none */

/* Set up what all heaps need, once, before the first is used. */
void sf_heap_init(void);

/* Whether that was done: there may be blocks. */
bool sf_heap_is_ready(void);

/*
 * This thread's heap, made at its first call; the common one before threads
 * can have one and when this thread is ending.
 */
struct sf_heap *sf_heap_get(void);

/* Have a heap to oneself: as its owner, or by its lock. */
struct sf_heap_hold {
	struct sf_heap *heap;
	bool locked;
};

static inline bool sf_heap_try(struct sf_heap *heap)
{
	/*
	 * Between the two only the compiler is held back: who sets slow has
	 * every thread pass a fence before he reads busy. Acquire: what was
	 * done while the heap was stopped comes before.
	 */
	atomic_store_explicit(&heap->busy, 1, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
	return SF_LIKELY(
		atomic_load_explicit(&heap->slow, memory_order_acquire) == 0);
}

static inline void sf_heap_leave(struct sf_heap *heap)
{
	/* Release: pairs with the acquire in sf_heap_stop(). */
	atomic_store_explicit(&heap->busy, 0, memory_order_release);
}

struct sf_heap_hold sf_heap_hold(struct sf_heap *heap);
void sf_heap_release(struct sf_heap_hold hold);

/* Have another thread's heap, or any, to oneself. Not while busy in one. */
void sf_heap_stop(struct sf_heap *heap);
void sf_heap_resume(struct sf_heap *heap);

/* All of them; no heap is made meanwhile. */
void sf_heap_stop_all(void);
void sf_heap_resume_all(void);

/*
 * Have all heaps slow from now on, those made later too, so that owners take
 * the lock; and not any more. Calls add up.
 */
void sf_heap_set_slow(bool slow);

/*
 * The same for a moment, without a lock: for the handler that sets
 * SF_PROFILE_WANTED, before.
 */
void sf_heap_hint_slow(void);

/* sf_heap_trim() of one after the other; they are stopped. */
void sf_heap_trim_all(size_t keep_len);

/* How many slabs it has; true a moment ago. */
static inline size_t sf_heap_nr_slabs(const struct sf_heap *heap)
{
	return __atomic_load_n(&heap->nr_slabs, __ATOMIC_RELAXED);
}

static inline void sf_heap_count_slab(struct sf_heap *heap, int more)
{
	__atomic_store_n(&heap->nr_slabs, heap->nr_slabs + (size_t)more,
			 __ATOMIC_RELAXED);
}

/* The following need the heap to oneself. */

/* A block, now in use, or NULL. *clean: it is known to read as zeros. */
void *sf_heap_take(struct sf_heap *heap, unsigned class, bool *clean);

/* A cell became idle: keep within the quota. */
void sf_heap_add_idle(struct sf_heap *heap, struct sf_slab *slab,
		      unsigned nr_cells);
/* Cells are idle no longer. */
void sf_heap_sub_idle(struct sf_heap *heap, struct sf_slab *slab,
		      unsigned nr_cells);

/* Put a slab that may have free blocks into its bin's list. */
void sf_heap_list(struct sf_heap *heap, struct sf_slab *slab);
void sf_heap_unlist(struct sf_heap *heap, struct sf_slab *slab);

/* Take over what other threads freed; or only if that may be much. */
void sf_heap_collect(struct sf_heap *heap);
void sf_heap_collect_many(struct sf_heap *heap);

/* Release what is free until keep_len bytes are retained in all; with 0 all. */
void sf_heap_trim(struct sf_heap *heap, size_t keep_len);

/* Empty the caches and choose no slab to take from, so that all can be released
 * or moved. */
void sf_heap_leave_bins(struct sf_heap *heap);

/* Count no more as retained than what is idle. */
void sf_heap_give_quota(struct sf_heap *heap);

/* Free a block of a slab that is not this thread's. Not while busy. */
void sf_heap_free_remote(struct sf_slab *slab, uintptr_t addr);

#endif
