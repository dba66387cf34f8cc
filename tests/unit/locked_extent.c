// SPDX-License-Identifier: MIT
/* What is handed out after mlockall(): locked, resident, and guarded. */
#include "vm/extent.h"

#include <string.h>
#include <surefree.h>
#include <sys/resource.h>
#include <unistd.h>

#include "test.h"
#include "vm/pin.h"
#include "vm/range.h"
#include "vm/state.h"

#define NR_PAGES 16
#define FAR	 ((size_t)64 << 20) /* more than is to be locked */

static size_t page;

static size_t locked_pages(void)
{
	return test_status("VmLck") / page;
}

static char *addr_of(const struct sf_extent *extent)
{
	return (char *)sf_extent_addr(extent);
}

static bool is_resident(const struct sf_extent *extent)
{
	return test_resident(addr_of(extent), sf_extent_len(extent)) ==
	       sf_extent_len(extent);
}

static bool map(size_t nr, unsigned flags, struct sf_extent *out)
{
	return CHECK_EQ(sf_extent_map(SF_REGION_NORMAL, nr, 1, flags, out), 0);
}

static bool lock_all(void)
{
	struct rlimit limit;

	page = test_page();
	sf_state_init();
	CHECK_OK(getrlimit(RLIMIT_MEMLOCK, &limit));
	if (geteuid() != 0 && limit.rlim_cur < (size_t)1 << 20) {
		test_skip("RLIMIT_MEMLOCK is %zu KiB",
			  (size_t)limit.rlim_cur >> 10);
		return false;
	}
	sf_pin_current(0);
	sf_pin_future(0);
	return true;
}

static void check_regions(void)
{
	for (size_t i = 0; i < sf_state_nr_regions(); i++)
		sf_region_check(sf_state_region(i));
}

static void maps_with_guards_are_locked(void)
{
	struct sf_extent guarded;
	struct sf_extent next;

	if (!test_has_guard())
		SKIP("no guard markers");
	if (!lock_all() || !map(NR_PAGES, SUREFREE_GUARDED, &guarded) ||
	    !map(NR_PAGES, 0, &next))
		return;
	CHECK_GE(locked_pages(), 2 * NR_PAGES);
	CHECK(is_resident(&guarded));
	CHECK(is_resident(&next));
	CHECK_NE(test_touches(addr_of(&guarded) - page), 0);
	CHECK_NE(test_touches(addr_of(&guarded) + NR_PAGES * page), 0);
	check_regions();
}

static void maps_with_guards_can_move(void)
{
	struct sf_extent extent;
	struct sf_extent guard;
	struct sf_extent moved;

	if (!test_has_guard())
		SKIP("no guard markers");
	if (!lock_all())
		return;
	sf_pin_end();
	if (!map(NR_PAGES, SUREFREE_GUARDED, &extent))
		return;
	guard = (struct sf_extent){ extent.region, extent.first + 8, 1 };
	CHECK_EQ(sf_range_guard("guard", &guard), 0);
	if (!map(1, 0, &guard))
		return;
	sf_pin_future(0);
	CHECK_EQ(sf_range_resize("resize", &extent, 2 * NR_PAGES, 0, &moved),
		 0);
	CHECK_NE(test_touches(addr_of(&moved) + 8 * page), 0);
	CHECK_NE(test_touches(addr_of(&moved) - page), 0);
	CHECK_NE(test_touches(addr_of(&moved) + 2 * NR_PAGES * page), 0);
	CHECK_GE(locked_pages(), NR_PAGES);
	check_regions();
}

static void grown_maps_are_resident(void)
{
	struct sf_extent first;
	struct sf_extent next;
	struct sf_extent last;
	int err;

	page = test_page();
	sf_state_init();
	if (!map(NR_PAGES, 0, &first) || !map(NR_PAGES, 0, &next))
		return;
	memset(addr_of(&next), 1, sf_extent_len(&next));
	sf_extent_unmap("unmap", &next);
	if (!lock_all())
		return;
	CHECK(sf_extent_grow(&first, NR_PAGES, 0, &err));
	first.nr += NR_PAGES;
	CHECK(map(1, 0, &last));
	CHECK(is_resident(&first));
	check_regions();
}

/* Between others in use, locked with them while it carried markers. */
static void holes_are_resident(void)
{
	struct sf_extent hole;
	struct sf_extent last;

	if (!test_has_guard())
		SKIP("no guard markers");
	page = test_page();
	sf_state_init();
	if (!map(NR_PAGES, 0, &hole) || !map(NR_PAGES, 0, &last))
		return;
	memset(addr_of(&hole), 1, sf_extent_len(&hole));
	sf_extent_unmap("unmap", &hole);
	if (lock_all() && map(NR_PAGES, 0, &hole))
		CHECK(is_resident(&hole));
	check_regions();
}

static void what_is_to_be_replaced_is_not_locked(void)
{
	struct sf_extent extent;
	size_t before;

	if (!lock_all() || !map(1, 0, &extent))
		return;
	before = locked_pages();
	extent.first += FAR / page;
	CHECK_EQ(sf_extent_map_at(&extent), 0);
	CHECK_EQ(locked_pages(), before);
	check_regions();
}

static const struct test tests[] = {
	{ "maps with guards are locked", maps_with_guards_are_locked },
	{ "maps with guards can move", maps_with_guards_can_move },
	{ "grown maps are resident", grown_maps_are_resident },
	{ "holes are resident", holes_are_resident },
	{ "what is to be replaced is not locked",
	  what_is_to_be_replaced_is_not_locked },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
