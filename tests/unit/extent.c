// SPDX-License-Identifier: MIT
/* Taking pages at an address, and releasing whatever is live in a range. */
#include "vm/extent.h"

#include <errno.h>
#include <string.h>

#include "test.h"
#include "vm/state.h"

#define NR_PAGES 16

static struct sf_extent extent;

static bool map(void)
{
	sf_state_init();
	return CHECK_EQ(sf_extent_map(SF_REGION_MAP, NR_PAGES, 1, 0, &extent),
			0);
}

static struct sf_extent part(size_t first, size_t nr)
{
	return (struct sf_extent){ extent.region, extent.first + first, nr };
}

static void release(const struct sf_releasing *releasing)
{
	struct sf_release copy = releasing->release;

	sf_release(&copy);
	sf_extent_release_end(releasing);
}

static void unmap(size_t first, size_t nr)
{
	struct sf_extent some = part(first, nr);

	sf_extent_unmap("unmap", &some);
}

static void set(size_t first, size_t nr, unsigned planes)
{
	sf_region_lock(extent.region);
	sf_tree_set(&extent.region->tree, extent.first + first, nr, planes);
	sf_region_unlock(extent.region);
}

static void free_pages_are_mapped_where_they_are(void)
{
	struct sf_extent some;
	char *p;

	if (!map())
		return;
	p = (char *)sf_extent_addr(&extent);
	memset(p, 1, NR_PAGES * test_page());
	unmap(4, 4);
	some = part(5, 2);
	CHECK_EQ(sf_extent_map_at(&some), 0);
	CHECK_EQ(test_touches(p + 5 * test_page()), 0);
	CHECK_EQ(p[5 * test_page()], 0);
	sf_region_check(extent.region);
}

static void pages_in_use_are_not(void)
{
	struct sf_extent some;

	if (!map())
		return;
	unmap(4, 4);
	some = part(3, 2);
	CHECK_EQ(sf_extent_map_at(&some), -EEXIST);
	some = part(4, 5);
	CHECK_EQ(sf_extent_map_at(&some), -EEXIST);
	some.first = extent.region->nr_pages - 1;
	some.nr = 2;
	CHECK_EQ(sf_extent_map_at(&some), -EEXIST);
	sf_region_check(extent.region);
}

static void live_runs_are_released_one_by_one(void)
{
	struct sf_releasing releasing;
	struct sf_extent range;

	if (!map())
		return;
	unmap(2, 3);
	range = part(1, 6);
	if (!CHECK_EQ(sf_extent_release_begin(&range, false, &releasing),
		      SF_RUN_BEGUN))
		return;
	CHECK_EQ(releasing.extent.first, extent.first + 1);
	CHECK_EQ(releasing.extent.nr, 1);
	release(&releasing);
	if (!CHECK_EQ(sf_extent_release_begin(&range, false, &releasing),
		      SF_RUN_BEGUN))
		return;
	CHECK_EQ(releasing.extent.first, extent.first + 5);
	CHECK_EQ(releasing.extent.nr, 2);
	release(&releasing);
	CHECK_EQ(sf_extent_release_begin(&range, false, &releasing),
		 SF_RUN_NONE);
	CHECK_EQ(extent.region->nr_used, NR_PAGES - 6);
	sf_region_check(extent.region);
}

static void quiet_runs_are_released_when_asked_for(void)
{
	struct sf_releasing releasing;
	struct sf_extent range;

	if (!map())
		return;
	set(2, 3, SF_QUIET);
	range = part(1, 6);
	if (!CHECK_EQ(sf_extent_release_begin(&range, false, &releasing),
		      SF_RUN_BEGUN))
		return;
	CHECK_EQ(releasing.extent.nr, 1);
	release(&releasing);
	CHECK_EQ(sf_extent_release_begin(&range, false, &releasing),
		 SF_RUN_QUIET);
	if (!CHECK_EQ(sf_extent_release_begin(&range, true, &releasing),
		      SF_RUN_BEGUN))
		return;
	CHECK_EQ(releasing.extent.nr, 3);
	CHECK_EQ(releasing.planes, SF_QUIET);
	release(&releasing);
	sf_region_check(extent.region);
}

static void kept_pages_are_nobodys_until_given(void)
{
	struct sf_releasing releasing;
	struct sf_extent other;

	if (!map() ||
	    !CHECK_EQ(sf_extent_release_begin(&extent, true, &releasing),
		      SF_RUN_BEGUN))
		return;
	sf_extent_release_keep(&releasing);
	CHECK_EQ(sf_extent_map_at(&extent), -EEXIST);
	CHECK_EQ(sf_extent_map(SF_REGION_MAP, 1, 1, 0, &other), 0);
	CHECK_EQ(other.first, extent.first + NR_PAGES);
	sf_region_check(extent.region);
	sf_extent_give(&extent);
	CHECK_EQ(sf_extent_map_at(&extent), 0);
	sf_region_check(extent.region);
}

static const struct test tests[] = {
	{ "free pages are mapped where they are",
	  free_pages_are_mapped_where_they_are },
	{ "pages in use are not", pages_in_use_are_not },
	{ "live runs are released one by one",
	  live_runs_are_released_one_by_one },
	{ "quiet runs are released when asked for",
	  quiet_runs_are_released_when_asked_for },
	{ "kept pages are nobody's until given",
	  kept_pages_are_nobodys_until_given },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
