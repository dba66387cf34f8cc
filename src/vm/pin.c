// SPDX-License-Identifier: MIT
/* Locking what is in use of regions, see pin.h. */
#include "vm/pin.h"

#include <errno.h>

#include "os/maps.h"
#include "os/signals.h"
#include "os/sys.h"
#include "vm/state.h"

/* Runs of a region, each of which takes up to two mappings when locked alone. */
#define MAX_RUNS 256

static _Atomic bool is_on;
static _Atomic unsigned lock_flags;
static _Atomic long locked_pid;

/* Relaxed, all: mlockall() is not ordered with what others hand out. */

bool sf_pin_is_on(void)
{
	return SF_UNLIKELY(atomic_load_explicit(&is_on, memory_order_relaxed));
}

static long get_pid(void)
{
	return sf_sys(__NR_getpid, 0, 0, 0, 0, 0, 0);
}

static void set_pinned(struct sf_region *region, size_t pinned, size_t reached)
{
	atomic_store_explicit(&region->pin_refused, SIZE_MAX,
			      memory_order_relaxed);
	atomic_store_explicit(&region->pin_reached, reached,
			      memory_order_relaxed);
	/* In one order with is_on: see follow_from(). */
	atomic_store(&region->pinned, pinned);
}

/*
 * The same for a region whose lock is to follow from `pinned`. If sf_pin_end()
 * is meanwhile, either that is seen here, or it stores after us.
 */
static void follow_from(struct sf_region *region, size_t pinned, size_t reached)
{
	set_pinned(region, pinned, reached);
	if (!atomic_load(&is_on))
		set_pinned(region, SF_NOT_PINNED, SF_NOT_PINNED);
}

/* Where sf_pin_future() did not see the region yet, is_on is seen here. */
void sf_pin_opened(struct sf_region *region)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (sf_pin_is_on() && region->kind != SF_REGION_VIEW)
		follow_from(region, 0, 0);
}

/* Handlers may make calls that need the region, too; callers may hold locks. */

static uint64_t begin(struct sf_region *region)
{
	uint64_t signals = sf_signals_block();

	sf_region_relock(region);
	return signals;
}

static void finish(struct sf_region *region, uint64_t signals)
{
	sf_region_unlock(region);
	sf_signals_restore(signals);
}

/* The page behind the last one in use. Called under lock. */
static size_t used_end_locked(const struct sf_region *region)
{
	const struct sf_tree *tree = &region->tree;
	size_t end = region->frontier;

	while (end > 0) {
		size_t leaf = sf_align_down(end - 1, SF_LEAF_PAGES);

		if (sf_tree_any(tree, leaf, end - leaf, SF_TAKEN))
			break;
		end = leaf;
	}
	while (end > 0 && !sf_tree_any(tree, end - 1, 1, SF_TAKEN))
		end--;
	return end;
}

static size_t used_end(struct sf_region *region)
{
	uint64_t signals = begin(region);
	size_t end = used_end_locked(region);

	finish(region, signals);
	return end;
}

static size_t frontier_of(struct sf_region *region)
{
	uint64_t signals = begin(region);
	size_t frontier = region->frontier;

	finish(region, signals);
	return frontier;
}

/* Leaves the last accessible page out. */
static size_t lockable_end(struct sf_region *region, size_t end)
{
	size_t frontier = frontier_of(region);

	return frontier > 0 ? sf_min(end, frontier - 1) : 0;
}

static int lock_pages(const struct sf_region *region, size_t first, size_t nr,
		      unsigned flags)
{
	if (nr == 0)
		return 0;
	return sf_page_call_lock(sf_region_addr(region, first),
				 nr << sf_page_shift, flags);
}

/*
 * The first run of pages in [*first, end) that are in use and carry no marker.
 * Returns where it ends; it is empty when there is none.
 */
static size_t next_run(struct sf_region *region, size_t *first, size_t end)
{
	const struct sf_tree *tree = &region->tree;
	uint64_t signals = begin(region);
	size_t at = *first;
	size_t stop;

	for (;;) {
		at = sf_tree_next(tree, at, end, SF_TAKEN, true);
		stop = sf_tree_next(tree, at, end, SF_MARKED, false);
		if (stop == at)
			break;
		at = stop;
	}
	stop = sf_tree_next(tree, at, end, SF_TAKEN, false);
	stop = sf_tree_next(tree, at, stop, SF_MARKED, true);
	finish(region, signals);
	*first = at;
	return stop;
}

/* What is done to each run of pages that are in use. */
struct visit {
	struct sf_region *region;
	size_t end;
	int (*run)(const struct sf_region *region, size_t first, size_t nr,
		   unsigned flags);
	unsigned flags;
	size_t nr_left; /* of runs */
};

static void visit_runs(struct visit *visit, size_t first, size_t end)
{
	while (first < end && visit->nr_left > 0) {
		size_t stop = next_run(visit->region, &first, end);

		if (first < stop) {
			(void)visit->run(visit->region, first, stop - first,
					 visit->flags);
			visit->nr_left--;
		}
		first = stop;
	}
}

static void visit_mapping(const struct sf_mapping *mapping, void *arg)
{
	struct visit *visit = arg;
	const struct sf_region *region = visit->region;
	uintptr_t start = sf_max(mapping->start, region->base);
	uintptr_t end = sf_min(mapping->end,
			       sf_region_addr(region, visit->end));

	if (start < end)
		visit_runs(visit, sf_region_page(region, start),
			   sf_region_page(region, end));
}

/*
 * The kernel reads in what it locks up to the first page that it can't: a
 * marker, or a mapping without access. So ask for each run, and cut runs where
 * mappings end.
 */
static void visit_region(struct visit *visit)
{
	if (sf_maps_each(visit_mapping, visit) != 0)
		visit_runs(visit, 0, visit->end);
}

/* An error on kernels before 5.14. */
static int populate_pages(const struct sf_region *region, size_t first,
			  size_t nr, unsigned flags)
{
	(void)flags;
	return sf_page_call_advise(sf_region_addr(region, first),
				   nr << sf_page_shift, SF_MADV_POPULATE_WRITE);
}

static void lock_region(struct sf_region *region, unsigned flags)
{
	size_t end = lockable_end(region, used_end(region));
	struct visit visit = { .region = region,
			       .end = end,
			       .run = lock_pages,
			       .flags = flags,
			       .nr_left = SIZE_MAX };

	/* First without reading in, so that a limit is told from that. */
	if (lock_pages(region, 0, end, SF_MLOCK_ONFAULT) == 0) {
		if (flags == SF_MLOCK_ONFAULT ||
		    lock_pages(region, 0, end, flags) == 0)
			return;
	} else if (lock_pages(region, 0, frontier_of(region),
			      SF_MLOCK_ONFAULT) == 0) {
		/* All of it takes no further mapping; what is kept ahead... */
		if (flags == SF_MLOCK_ONFAULT)
			return;
		/* ...shall not be read in. */
		visit.run = populate_pages;
	} else {
		visit.nr_left = MAX_RUNS;
	}
	visit_region(&visit);
}

static size_t region_len(struct sf_region *region)
{
	uint64_t signals = begin(region);
	size_t nr = sf_tree_count(&region->tree, 0, region->frontier, SF_TAKEN);

	finish(region, signals);
	return nr << sf_page_shift;
}

/* Views are mappings of their own. The i-th region, or NULL. */
static struct sf_region *region_at(size_t i)
{
	struct sf_region *region = sf_state_region(i);

	return region->kind == SF_REGION_VIEW ? NULL : region;
}

size_t sf_pin_len(void)
{
	size_t nr = sf_state_nr_regions();
	size_t len = 0;

	for (size_t i = 0; i < nr; i++)
		if (region_at(i) != NULL)
			len += region_len(region_at(i));
	return len;
}

void sf_pin_current(unsigned flags)
{
	size_t nr = sf_state_nr_regions();

	for (size_t i = 0; i < nr; i++)
		if (region_at(i) != NULL)
			lock_region(region_at(i), flags);
}

static void start(struct sf_region *region)
{
	size_t end = lockable_end(region, used_end(region));

	set_pinned(region, end, end);
}

void sf_pin_future(unsigned flags)
{
	size_t nr;

	atomic_store_explicit(&lock_flags, flags, memory_order_relaxed);
	atomic_store_explicit(&locked_pid, get_pid(), memory_order_relaxed);
	atomic_store_explicit(&is_on, true, memory_order_relaxed);
	/* Either we see a new region here, or sf_pin_opened() sees is_on. */
	atomic_thread_fence(memory_order_seq_cst);
	nr = sf_state_nr_regions();
	for (size_t i = 0; i < nr; i++)
		if (region_at(i) != NULL)
			start(region_at(i));
}

void sf_pin_by_kernel(void)
{
	size_t nr = sf_state_nr_regions();

	for (size_t i = 0; i < nr; i++) {
		struct sf_region *region = sf_state_region(i);
		uint64_t signals = begin(region);

		region->ahead = 0;
		region->is_dear = true;
		finish(region, signals);
	}
}

void sf_pin_end(void)
{
	size_t nr = sf_state_nr_regions();

	atomic_store(&is_on, false);
	for (size_t i = 0; i < nr; i++)
		set_pinned(sf_state_region(i), SF_NOT_PINNED, SF_NOT_PINNED);
}

/* Nothing is in a child of a raw clone(), which has not been told. */
static bool is_locking(void)
{
	return sf_pin_is_on() &&
	       atomic_load_explicit(&locked_pid, memory_order_relaxed) ==
		       get_pid();
}

/* By advice that locked memory does not take; before 5.4 none does. */
static bool is_locked(const struct sf_region *region, size_t page)
{
	return sf_page_call_advise(sf_region_addr(region, page), sf_page_size,
				   SF_MADV_COLD) == -EINVAL;
}

/* Whether they are locked; what can't be read in is, too. */
static bool lock_new(struct sf_region *region, size_t first, size_t end)
{
	unsigned flags = atomic_load_explicit(&lock_flags,
					      memory_order_relaxed);
	bool ok = lock_pages(region, first, end - first, flags) == 0 ||
		  is_locked(region, end - 1);

	/* Perhaps munlockall() came first. */
	if (!sf_pin_is_on())
		sf_page_unlock(sf_region_addr(region, first),
			       (end - first) << sf_page_shift);
	return ok;
}

/* Move it from first to end, unless another thread has. */
static bool move(_Atomic size_t *frontier, size_t first, size_t end)
{
	return atomic_compare_exchange_strong_explicit(frontier, &first, end,
						       memory_order_relaxed,
						       memory_order_relaxed);
}

/*
 * Lock from a frontier to `end`, and move it. False where that is refused; true
 * also where another thread was faster.
 */
static bool lock_from(struct sf_region *region, _Atomic size_t *frontier,
		      size_t end, size_t *first)
{
	do
		*first = atomic_load_explicit(frontier, memory_order_relaxed);
	while (*first < end && !move(frontier, *first, end));
	return *first >= end || lock_new(region, *first, end);
}

/*
 * What is refused is passed over, so that it is not tried each time, and what
 * comes behind it can be locked; but fewer pages of it may be had later.
 */
void sf_pin_more(struct sf_region *region, size_t end)
{
	size_t refused = atomic_load_explicit(&region->pin_refused,
					      memory_order_relaxed);
	size_t reached = atomic_load_explicit(&region->pin_reached,
					      memory_order_relaxed);
	size_t first;

	if (region->kind == SF_REGION_VIEW ||
	    (refused <= end && end <= reached) || !is_locking())
		return;
	end = lockable_end(region, end);
	if (end > reached) {
		if (lock_from(region, &region->pin_reached, end, &first)) {
			/* Not where pages before it were passed over. */
			if (first < end)
				move(&region->pinned, first, end);
			return;
		}
	} else {
		if (lock_from(region, &region->pinned, end, &first))
			return;
		move(&region->pinned, end, first);
	}
	atomic_store_explicit(&region->pin_refused, sf_min(refused, end),
			      memory_order_relaxed);
}

/* The first lock is read in up to the guard, so the second is for the rest. */
void sf_pin_lock_run(struct sf_region *region, size_t first, size_t nr)
{
	size_t end;

	if (!is_locking())
		return;
	end = lockable_end(region, first + nr);
	sf_pin_follow(region, first + nr);
	if (first < end)
		(void)lock_new(region, first, end);
}

/* Take the frontier of the lock back to what is in use. */
static void trim_region(struct sf_region *region)
{
	uint64_t signals = begin(region);
	size_t first = sf_min(used_end_locked(region), region->frontier - 1);
	size_t end = atomic_load_explicit(&region->pin_reached,
					  memory_order_relaxed);
	size_t pinned = atomic_load_explicit(&region->pinned,
					     memory_order_relaxed);
	bool trims = end != SF_NOT_PINNED && first < end;

	/* What was refused before stays behind the lock. */
	if (trims)
		follow_from(region, sf_min(pinned, first), first);
	finish(region, signals);
	if (!trims)
		return;
	sf_page_unlock(sf_region_addr(region, first), (end - first)
							      << sf_page_shift);
	/* What was handed out and locked meanwhile is again. */
	end = atomic_load_explicit(&region->pin_reached, memory_order_relaxed);
	if (first < end && end != SF_NOT_PINNED)
		(void)lock_new(region, first, end);
}

void sf_pin_trim(void)
{
	size_t nr = sf_state_nr_regions();

	/* A handler may have interrupted who holds a region's lock. */
	if (sf_lock_depth > 0)
		return;
	for (size_t i = 0; i < nr; i++)
		if (region_at(i) != NULL)
			trim_region(region_at(i));
}
