// SPDX-License-Identifier: MIT
/* The handlers around fork(), see fork.h. */
#include "vm/fork.h"

#include <pthread.h>

#include "os/lock.h"
#include "vm/keep.h"
#include "vm/region.h"
#include "vm/state.h"

_Atomic uint32_t sf_fork_freeze;

void sf_fork_wait(void)
{
	sf_lock_wait(&sf_fork_freeze, 1);
}

/* A region with an operation under way, and their number; else NULL. */
static struct sf_region *busy_region(size_t nr, uint32_t *busy)
{
	for (size_t i = 0; i < nr; i++) {
		struct sf_region *region = sf_state_region(i);

		sf_region_relock(region);
		*busy = atomic_load_explicit(&region->nr_busy,
					     memory_order_relaxed);
		sf_region_unlock(region);
		if (*busy != 0)
			return region;
	}
	return NULL;
}

/*
 * Wait until no operation is under way, and lock the kept ranges. An operation
 * may need those to end, so they are let go while waiting. No other begins: it
 * sees the freeze under its region's lock, or begins under a shard's.
 */
static void lock_when_idle(size_t nr)
{
	struct sf_region *region;
	uint32_t busy;

	for (;;) {
		sf_keep_lock_all();
		region = busy_region(nr, &busy);
		if (region == NULL)
			return;
		sf_keep_unlock_all();
		sf_lock_wait(&region->nr_busy, busy);
	}
}

static const struct sf_fork_layer *layer;

void sf_fork_set_layer(const struct sf_fork_layer *new_layer)
{
	layer = new_layer;
}

/* Regions whose locks are held. Another handler may add one meanwhile. */
static size_t nr_locked;

static void prepare(void)
{
	size_t nr;

	if (layer != NULL)
		layer->prepare();
	/* No region appears, and no two threads fork, while this is held. */
	sf_state_lock();
	nr = sf_state_nr_regions();
	nr_locked = nr;
	atomic_store_explicit(&sf_fork_freeze, 1, memory_order_relaxed);
	lock_when_idle(nr);
	for (size_t i = 0; i < nr; i++)
		sf_lock_acquire(&sf_state_region(i)->grow, SF_RANK_GROW);
	for (size_t i = 0; i < nr; i++)
		sf_region_relock(sf_state_region(i));
	sf_lock_own_all();
}

static void resume(void)
{
	size_t nr;

	sf_lock_disown_all();
	nr = nr_locked;
	for (size_t i = 0; i < nr; i++)
		sf_region_unlock(sf_state_region(i));
	for (size_t i = 0; i < nr; i++)
		sf_lock_release(&sf_state_region(i)->grow, SF_RANK_GROW);
	sf_keep_unlock_all();
	atomic_store_explicit(&sf_fork_freeze, 0, memory_order_relaxed);
	sf_lock_wake_all(&sf_fork_freeze);
	sf_state_unlock();
}

static void parent(void)
{
	resume();
	if (layer != NULL)
		layer->parent();
}

static void child(void)
{
	size_t nr = sf_state_nr_regions();

	/* Threads that were at work do not exist here. */
	for (size_t i = 0; i < nr; i++)
		atomic_store_explicit(&sf_state_region(i)->nr_busy, 0,
				      memory_order_relaxed);
	resume();
	if (layer != NULL)
		layer->child();
}

void sf_fork_init(void)
{
	static _Atomic bool done;

	if (atomic_exchange(&done, true))
		return;
	/* Fails only without memory for the list; fork() works then as before. */
	pthread_atfork(prepare, parent, child);
}
