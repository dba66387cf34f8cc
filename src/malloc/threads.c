// SPDX-License-Identifier: MIT
/* Threads and their heaps, see threads.h and heap.h. */
#include "malloc/threads.h"

#include <pthread.h>
#include <sched.h>

#include "base/log.h"
#include "malloc/mode.h"
#include "malloc/profile.h"
#include "os/fence.h"
#include "os/signals.h"
#include "os/sys.h"
#include "vm/extent.h"
#include "vm/fork.h"
#include "vm/retain.h"

/* A hint that saves threads a look at the common heap. */
static _Atomic bool common_has_slabs;

/* Before it is set up already, its lock must be taken. */
struct sf_heap sf_heap_common = { .slow = 1, .nr_stops = 1 };

_Thread_local struct sf_heap *sf_heap_own
	__attribute__((tls_model("initial-exec"))) = &sf_heap_common;

/* This thread's heap is gone, and it gets no other. */
static _Thread_local bool ending __attribute__((tls_model("initial-exec")));

/* All heaps but the common one, newest first. */
static _Atomic(struct sf_heap *) heaps;
static struct sf_lock heaps_lock;

static pthread_key_t key;
static bool has_key;

/*
 * How often a heap is stopped when it is made, for good: once where there is no
 * fence for all threads, and by sf_heap_set_slow(). Under all heaps' locks.
 */
static unsigned nr_born_stops;
static _Atomic bool is_ready;

struct sf_heap *sf_threads_first(void)
{
	/* Acquire: pairs with the release in new_heap(). */
	return atomic_load_explicit(&heaps, memory_order_acquire);
}

/*
 * Making heaps
 */

static void set_up(struct sf_heap *heap, unsigned nr_stops)
{
	for (unsigned class = 0; class < SF_NR_CLASSES; class ++) {
		struct sf_bin *bin = &heap->bins[class];

		*bin = (struct sf_bin){ .word = &sf_no_blocks };
		bin->list_end = &bin->list;
		sf_cache_set_up(&heap->caches[class], class);
	}
	heap->slabs = NULL;
	heap->idle = NULL;
	heap->idle_end = &heap->idle;
	heap->nr_idle = 0;
	heap->nr_stops = nr_stops;
	atomic_store_explicit(&heap->slow, nr_stops > 0, memory_order_relaxed);
}

/* A heap that a thread left behind, or NULL. Called under heaps_lock. */
static struct sf_heap *unused_heap(void)
{
	struct sf_heap *heap = sf_threads_first();

	while (heap != NULL && heap->in_use)
		heap = heap->next;
	return heap;
}

static struct sf_heap *new_heap(void)
{
	struct sf_extent extent;
	struct sf_heap *heap;

	if (sf_extent_map(SF_REGION_NORMAL,
			  sf_extent_pages(sizeof(struct sf_heap)), 1, 0,
			  &extent) != 0)
		return NULL;
	heap = (struct sf_heap *)sf_extent_addr(&extent);
	set_up(heap, nr_born_stops);
	heap->next = sf_threads_first();
	atomic_store_explicit(&heaps, heap, memory_order_release);
	return heap;
}

static const struct sf_fork_layer fork_layer;

static void end_thread(void *arg);

static void init_locked(void)
{
	sf_mode_init();
	sf_class_init(sf_mode != NULL ? sf_mode->nr_cells() : SF_NR_CELLS);
	nr_born_stops = !sf_fence_init() || sf_mode != NULL;
	set_up(&sf_heap_common, 1);
	sf_pool_init();
	has_key = pthread_key_create(&key, end_thread) == 0;
	atomic_store_explicit(&is_ready, true, memory_order_release);
}

bool sf_heap_is_ready(void)
{
	return SF_LIKELY(atomic_load_explicit(&is_ready, memory_order_acquire));
}

void sf_heap_init(void)
{
	if (sf_heap_is_ready())
		return;
	sf_state_init();
	sf_fork_set_layer(SF_FORK_MALLOC, &fork_layer);
	sf_lock_acquire(&heaps_lock, SF_RANK_HEAPS);
	if (!atomic_load_explicit(&is_ready, memory_order_relaxed))
		init_locked();
	sf_lock_release(&heaps_lock, SF_RANK_HEAPS);
}

struct sf_heap *sf_heap_get(void)
{
	struct sf_heap *heap = sf_heap_own;

	if (SF_LIKELY(heap != &sf_heap_common) || ending)
		return heap;
	sf_heap_init();
	if (!has_key)
		return heap;
	sf_lock_acquire(&heaps_lock, SF_RANK_HEAPS);
	heap = unused_heap();
	if (heap == NULL)
		heap = new_heap();
	/* Both at once: the child of a handler that forks frees the others'. */
	if (heap != NULL) {
		heap->in_use = true;
		sf_heap_own = heap;
	}
	sf_lock_release(&heaps_lock, SF_RANK_HEAPS);
	if (heap == NULL)
		return &sf_heap_common;
	/* May allocate, from the heap by now. */
	pthread_setspecific(key, heap);
	return heap;
}

/*
 * Having one to oneself
 */

struct sf_heap_hold sf_heap_hold(struct sf_heap *heap)
{
	struct sf_heap_hold hold = { heap, false };

	if (sf_heap_own == heap && heap != &sf_heap_common) {
		if (sf_heap_try(heap))
			return hold;
		sf_heap_leave(heap);
	}
	sf_lock_acquire(&heap->lock, SF_RANK_HEAP);
	hold.locked = true;
	return hold;
}

void sf_heap_release(struct sf_heap_hold hold)
{
	if (hold.locked)
		sf_lock_release(&hold.heap->lock, SF_RANK_HEAP);
	else
		sf_heap_leave(hold.heap);
}

/* Lock, and have the owner see that he may not go on without the lock. */
static bool begin_stop(struct sf_heap *heap)
{
	sf_lock_acquire(&heap->lock, SF_RANK_HEAP);
	heap->nr_stops++;
	if (heap->nr_stops > 1)
		return false;
	atomic_store_explicit(&heap->slow, 1, memory_order_relaxed);
	return true;
}

static void wait_until_idle(struct sf_heap *heap)
{
	/* Acquire: pairs with the release in sf_heap_leave(). */
	while (atomic_load_explicit(&heap->busy, memory_order_acquire) != 0)
		sf_sys(__NR_sched_yield, 0, 0, 0, 0, 0, 0);
}

void sf_heap_stop(struct sf_heap *heap)
{
	if (begin_stop(heap) && heap != sf_heap_own) {
		sf_fence_all();
		wait_until_idle(heap);
	}
}

/*
 * A handler that wants heaps slow has no lock, and stores after it said so: one
 * of us sees the other. Seq_cst, release among it: pairs with the acquire in
 * sf_heap_try().
 */
static void clear_slow(struct sf_heap *heap)
{
	atomic_store(&heap->slow, 0);
	if ((atomic_load(&sf_profile_state) & SF_PROFILE_WANTED) != 0)
		atomic_store_explicit(&heap->slow, 1, memory_order_relaxed);
}

void sf_heap_resume(struct sf_heap *heap)
{
	heap->nr_stops--;
	if (heap->nr_stops == 0)
		clear_slow(heap);
	sf_lock_release(&heap->lock, SF_RANK_HEAP);
}

void sf_heap_stop_all(void)
{
	bool must_wait = false;

	sf_lock_acquire(&heaps_lock, SF_RANK_HEAPS);
	for (struct sf_heap *h = sf_threads_first(); h != NULL; h = h->next)
		if (begin_stop(h) && h != sf_heap_own)
			must_wait = true;
	if (must_wait)
		sf_fence_all();
	for (struct sf_heap *h = sf_threads_first(); h != NULL; h = h->next)
		if (h != sf_heap_own)
			wait_until_idle(h);
	/* Last: an owner who is busy may be waiting for it. */
	begin_stop(&sf_heap_common);
}

void sf_heap_resume_all(void)
{
	sf_heap_resume(&sf_heap_common);
	for (struct sf_heap *h = sf_threads_first(); h != NULL; h = h->next)
		sf_heap_resume(h);
	sf_lock_release(&heaps_lock, SF_RANK_HEAPS);
}

void sf_heap_set_slow(bool slow)
{
	unsigned more = slow ? 1 : -1u;

	sf_heap_stop_all();
	nr_born_stops += more;
	sf_heap_common.nr_stops += more;
	for (struct sf_heap *h = sf_threads_first(); h != NULL; h = h->next)
		h->nr_stops += more;
	sf_heap_resume_all();
}

void sf_heap_hint_slow(void)
{
	/* Seq_cst: see clear_slow(). */
	for (struct sf_heap *h = sf_threads_first(); h != NULL; h = h->next)
		atomic_store(&h->slow, 1);
}

/*
 * Changing hands
 */

struct sf_slab *sf_threads_adopt(struct sf_heap *heap, unsigned class)
{
	struct sf_slab *slab;

	/* Relaxed: a slab that is missed is found the next time. */
	if (!atomic_load_explicit(&common_has_slabs, memory_order_relaxed))
		return NULL;
	sf_lock_acquire(&sf_heap_common.lock, SF_RANK_HEAP);
	slab = sf_heap_common.bins[class].list;
	if (slab != NULL)
		sf_slab_move(&sf_heap_common, heap, slab);
	else if (sf_heap_common.slabs == NULL)
		atomic_store_explicit(&common_has_slabs, false,
				      memory_order_relaxed);
	sf_lock_release(&sf_heap_common.lock, SF_RANK_HEAP);
	return slab;
}

bool sf_threads_adopt_slab(struct sf_heap *heap, struct sf_slab *slab)
{
	bool is_ours;

	sf_lock_acquire(&sf_heap_common.lock, SF_RANK_HEAP);
	is_ours = atomic_load_explicit(&slab->owner, memory_order_relaxed) ==
		  &sf_heap_common;
	if (is_ours)
		sf_slab_move(&sf_heap_common, heap, slab);
	sf_lock_release(&sf_heap_common.lock, SF_RANK_HEAP);
	return is_ours;
}

/*
 * Give all slabs to the common heap, both being the caller's, and those without
 * blocks in use to the pool.
 */
static void give_up(struct sf_heap *heap)
{
	sf_heap_collect(heap);
	sf_heap_leave_bins(heap);
	while (heap->slabs != NULL) {
		struct sf_slab *slab = heap->slabs;

		if (sf_slab_is_empty(slab))
			sf_slab_close(heap, slab);
		else
			sf_slab_move(heap, &sf_heap_common, slab);
	}
	atomic_store_explicit(&common_has_slabs, sf_heap_common.slabs != NULL,
			      memory_order_relaxed);
	/* What came into the list meanwhile is passed on. */
	sf_heap_collect(heap);
	sf_heap_collect(&sf_heap_common);
	sf_heap_give_quota(heap);
	set_up(heap, nr_born_stops);
}

/* Without signals: the child that a handler forks could not go on. */
static void end_thread(void *arg)
{
	struct sf_heap *heap = arg;
	uint64_t signals = sf_signals_block();

	ending = true;
	sf_heap_own = &sf_heap_common;
	sf_heap_stop(heap);
	sf_lock_acquire(&sf_heap_common.lock, SF_RANK_HEAP);
	give_up(heap);
	sf_lock_release(&sf_heap_common.lock, SF_RANK_HEAP);
	sf_lock_release(&heap->lock, SF_RANK_HEAP);

	sf_lock_acquire(&heaps_lock, SF_RANK_HEAPS);
	heap->in_use = false;
	sf_lock_release(&heaps_lock, SF_RANK_HEAPS);
	sf_assert(sf_lock_depth == 0);
	sf_signals_restore(signals);
}

/* Threads that were freeing do not exist here: their marks are set. */
static void collect_all_slabs(struct sf_heap *heap)
{
	struct sf_slab *next;

	atomic_store(&heap->remote, NULL);
	for (struct sf_slab *slab = heap->slabs; slab != NULL; slab = next) {
		next = slab->all_next;
		atomic_store(&slab->notified, 0);
		sf_slab_repair(slab);
		sf_slab_collect(heap, slab);
	}
}

static void trim(struct sf_heap *heap, size_t keep_len)
{
	if (sf_retain_is_within(keep_len))
		return;
	sf_heap_trim(heap, keep_len);
	/* It has the pages of slabs that were closed. */
	sf_pool_trim(keep_len);
}

void sf_heap_trim_all(size_t keep_len)
{
	/* First, as the slabs in it have no thread. */
	trim(&sf_heap_common, keep_len);
	for (struct sf_heap *h = sf_threads_first(); h != NULL; h = h->next)
		trim(h, keep_len);
}

static void prepare_fork(void)
{
	sf_heap_stop_all();
	/* Large blocks are taken without a heap. */
	sf_pool_lock_all();
}

static void fork_parent(void)
{
	sf_pool_unlock_all();
	sf_heap_resume_all();
}

static void fork_child(void)
{
	sf_pool_unlock_all();
	sf_slab_epoch = (uint8_t)(sf_slab_epoch % UINT8_MAX + 1);
	for (struct sf_heap *h = sf_threads_first(); h != NULL; h = h->next)
		collect_all_slabs(h);
	collect_all_slabs(&sf_heap_common);
	for (struct sf_heap *h = sf_threads_first(); h != NULL; h = h->next) {
		unsigned nr_stops = h->nr_stops;

		if (h == sf_heap_own || !h->in_use)
			continue;
		give_up(h);
		h->nr_stops = nr_stops;
		atomic_store(&h->slow, 1);
		h->in_use = false;
	}
	sf_heap_resume_all();
}

/* Others may wait for its heap, which it can't leave in a handler. */
static bool is_busy(void)
{
	const struct sf_heap *heap = sf_heap_own;

	/* Relaxed: this thread's own. */
	return heap != &sf_heap_common &&
	       atomic_load_explicit(&heap->busy, memory_order_relaxed) != 0;
}

static const struct sf_fork_layer fork_layer = {
	.prepare = prepare_fork,
	.parent = fork_parent,
	.child = fork_child,
	.is_inside = is_busy,
};

/* At load, before there is anything to hold: fork() may come at any time. */
__attribute__((constructor)) static void start(void)
{
	sf_fork_set_layer(SF_FORK_MALLOC, &fork_layer);
	sf_fork_init();
	sf_mode_start();
	sf_profile_start();
}
