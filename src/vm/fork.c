// SPDX-License-Identifier: MIT
/* The handlers around fork(), see fork.h. */
#include "vm/fork.h"

#include <pthread.h>

#include "os/lock.h"
#include "os/sys.h"
#include "vm/keep.h"
#include "vm/pin.h"
#include "vm/region.h"
#include "vm/state.h"

_Atomic uint32_t sf_fork_freeze;

void sf_fork_wait(void)
{
	sf_lock_wait(&sf_fork_freeze, 1);
}

static _Atomic long own_process;

static void note_process(void)
{
	atomic_store_explicit(&own_process,
			      sf_sys(__NR_getpid, 0, 0, 0, 0, 0, 0),
			      memory_order_relaxed);
}

bool sf_fork_is_own_process(void)
{
	return sf_sys(__NR_getpid, 0, 0, 0, 0, 0, 0) ==
	       atomic_load_explicit(&own_process, memory_order_relaxed);
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

/* Regions whose locks are held. Another handler may add one meanwhile. */
static size_t nr_locked;

static void freeze(void)
{
	size_t nr;

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

static void thaw(void)
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

/* Threads that were at work do not exist here. */
static void end_operations(void)
{
	for (size_t i = 0; i < nr_locked; i++)
		atomic_store_explicit(&sf_state_region(i)->nr_busy, 0,
				      memory_order_relaxed);
}

/*
 * Layers
 */

static _Atomic(const struct sf_fork_layer *) layers[SF_NR_FORK_LEVELS];

void sf_fork_set_layer(enum sf_fork_level level,
		       const struct sf_fork_layer *layer)
{
	atomic_store(&layers[level], layer);
}

/* The fork() that this thread is in. */
static _Thread_local struct {
	const struct sf_fork_layer *layers[SF_NR_FORK_LEVELS];
	unsigned nr; /* with those that handlers call meanwhile */
	bool as_is;  /* the first: nothing is locked */
} mine __attribute__((tls_model("initial-exec")));

/* Whether the caller interrupted an operation of its thread. */
static bool is_inside(void)
{
	const struct sf_fork_layer *layer;

	if (sf_lock_depth > 0)
		return true;
	for (int i = 0; i < SF_NR_FORK_LEVELS; i++) {
		layer = atomic_load(&layers[i]);
		if (layer != NULL && layer->is_inside != NULL &&
		    layer->is_inside())
			return true;
	}
	return false;
}

static void prepare(void)
{
	if (mine.nr++ > 0)
		return;
	mine.as_is = is_inside();
	if (mine.as_is)
		return;
	for (int i = 0; i < SF_NR_FORK_LEVELS; i++) {
		mine.layers[i] = atomic_load(&layers[i]);
		if (mine.layers[i] != NULL)
			mine.layers[i]->prepare();
	}
	freeze();
}

static void parent(void)
{
	/* It was registered after the others were prepared. */
	if (mine.nr == 0)
		return;
	if (mine.nr == 1 && !mine.as_is) {
		thaw();
		for (int i = SF_NR_FORK_LEVELS - 1; i >= 0; i--)
			if (mine.layers[i] != NULL)
				mine.layers[i]->parent();
	}
	mine.nr--;
}

static void child_as_is(void)
{
	const struct sf_fork_layer *layer;

	for (int i = 0; i < SF_NR_FORK_LEVELS; i++) {
		layer = atomic_load(&layers[i]);
		if (layer != NULL && layer->child_as_is != NULL)
			layer->child_as_is();
	}
}

static void child(void)
{
	if (sf_pin_is_on())
		sf_pin_end();
	if (mine.nr == 0)
		return;
	if (mine.nr > 1 || mine.as_is) {
		child_as_is();
	} else {
		note_process();
		end_operations();
		thaw();
		for (int i = SF_NR_FORK_LEVELS - 1; i >= 0; i--)
			if (mine.layers[i] != NULL)
				mine.layers[i]->child();
	}
	mine.nr--;
}

void sf_fork_init(void)
{
	static _Atomic bool done;

	if (atomic_exchange(&done, true))
		return;
	note_process();
	/* Fails only without memory for the list; fork() works then as before. */
	pthread_atfork(prepare, parent, child);
}
