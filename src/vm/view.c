// SPDX-License-Identifier: MIT
/* File views, see view.h. */
#include "vm/view.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "base/log.h"
#include "base/option.h"
#include "os/limit.h"
#include "os/maps.h"
#include "vm/account.h"

#define VIEW_MAPPINGS	2
#define BUDGET_PART	4
#define BUDGET_MAX	1024
#define COUNT_VALID_SEC 1

/* Views that the last count still allows, and when it was taken. */
static _Atomic long budget;
static _Atomic time_t counted_at;

static time_t now(void)
{
	struct timespec time = { 0 };

	clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
	return time.tv_sec;
}

/* Count the mappings and allow views accordingly. 0 or -ENOSPC. */
static int recount(void)
{
	size_t keep = sf_option(SF_OPTION_VIEW_RESERVE) + VIEW_MAPPINGS;
	size_t limit;
	size_t nr;
	size_t spare;

	/* Without /proc nothing can be foreseen; mmap() itself decides. */
	if (sf_maps_count(0, &nr) != 0)
		return 0;
	sf_limit_mappings(&limit);
	spare = limit > nr ? limit - nr : 0;
	if (spare < keep) {
		atomic_store_explicit(&budget, 0, memory_order_relaxed);
		return -ENOSPC;
	}
	spare = sf_min((spare - keep) / VIEW_MAPPINGS / BUDGET_PART,
		       BUDGET_MAX);
	atomic_store_explicit(&counted_at, now(), memory_order_relaxed);
	atomic_store_explicit(&budget, (long)spare, memory_order_relaxed);
	return 0;
}

/* Whether a further view leaves the reserve alone. 0 or -ENOSPC. */
static int admit(void)
{
	/* Relaxed: threads that race may overdraw by one view each. */
	time_t at = atomic_load_explicit(&counted_at, memory_order_relaxed);

	if (now() - at < COUNT_VALID_SEC &&
	    atomic_fetch_sub_explicit(&budget, 1, memory_order_relaxed) > 0)
		return 0;
	return recount();
}

static void give(const struct sf_extent *view)
{
	struct sf_region *region = view->region;

	sf_region_relock(region);
	sf_tree_give(&region->tree, view->first - 1, view->nr + 1);
	sf_region_unlock_idle(region);
}

/*
 * Put reserved pages back where a view was. One call replaces it; one above
 * the limit that is refused, and the view is unmapped first, which never is.
 */
static bool reserve_again(uintptr_t addr, size_t len)
{
	int err;

	if (sf_page_uncommit(addr, len) == 0)
		return true;
	err = sf_page_unmap(addr, len);
	if (err != 0) {
		sf_assert(err == -ENOMEM);
		return false;
	}
	return sf_page_reserve_at(addr, len) == 0;
}

void sf_view_unmap(const char *call, const struct sf_extent *view)
{
	struct sf_tree *tree = &view->region->tree;
	bool is_whole;

	sf_extent_lock_live(call, view);
	is_whole = (sf_tree_planes(tree, view->first - 1) & SF_LIVE) == 0 &&
		   (sf_tree_planes(tree, view->first + view->nr) & SF_LIVE) ==
			   0;
	sf_region_unlock(view->region);
	if (!is_whole)
		sf_fatal("%s(%p, %zu): only a part of a file view", call,
			 (void *)sf_extent_addr(view), sf_extent_len(view));

	sf_extent_unlive(call, view);
	if (reserve_again(sf_extent_addr(view), sf_extent_len(view))) {
		give(view);
		return;
	}
	/*
	 * Another thread's mmap() was faster, and these addresses are its now;
	 * or nothing may be mapped (MCL_FUTURE with RLIMIT_MEMLOCK used up).
	 */
	sf_count(SF_COUNT_VIEW_GAPS, 1);
	sf_extent_end(view);
}

/*
 * After a refused mmap(): before 6.12 the kernel may leave a hole where our
 * reserved pages were. Whether they are there, or there again.
 */
static bool close_hole(uintptr_t addr, size_t len)
{
	struct sf_mapping mapping;

	if (sf_page_reserve_at(addr, len) == 0)
		return true;
	/* Ours holds the page before it too. */
	return sf_maps_find(addr, &mapping) == 0 && mapping.prot == 0 &&
	       mapping.start < addr && mapping.end >= addr + len;
}

int sf_view_map(int fd, off_t off, size_t nr, int prot, int flags,
		struct sf_extent *out)
{
	uintptr_t addr;
	size_t len;
	int err = sf_page_is_hugetlb(fd) ? -EINVAL : admit();

	if (err == 0)
		err = sf_extent_map(SF_REGION_VIEW, nr, sf_page_size,
				    SF_EXTENT_GAP | SF_EXTENT_UNPINNED, out);
	if (err != 0) {
		if (err == -ENOSPC)
			sf_count(SF_COUNT_VIEWS_REFUSED, 1);
		return err;
	}
	addr = sf_extent_addr(out);
	len = sf_extent_len(out);
	err = sf_page_map_file(addr, len, prot, flags, fd, off);
	if (err == 0)
		return 0;
	sf_extent_unlive("surefree_map_file", out);
	if (close_hole(addr, len)) {
		give(out);
		return err;
	}
	sf_count(SF_COUNT_VIEW_GAPS, 1);
	sf_extent_end(out);
	return err;
}
