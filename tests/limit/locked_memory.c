// SPDX-License-Identifier: MIT
/*
 * Locked memory is released too, at the limit: with mlockall(MCL_CURRENT),
 * MCL_FUTURE, and mlock() on all of a map, on a part, and across its ends.
 */
#include "test.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "extra.h"
#include "surefree.h"

#define NR_PAGES 32

/* Whether len bytes may be locked, else says why not and skips. */
static bool can_lock(void)
{
	struct rlimit limit;

	/* The library's reservation counts as locked, all of it. */
	if (geteuid() == 0)
		return true;
	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (limit.rlim_cur == RLIM_INFINITY)
		return true;
	test_skip("RLIMIT_MEMLOCK is %llu bytes",
		  (unsigned long long)limit.rlim_cur);
	return false;
}

/* Map, touch, release in three pieces, map again; all of it checked. */
static void use_memory(void)
{
	size_t page = test_page();
	size_t len = NR_PAGES * page;
	struct surefree_stack stack;
	char *p = surefree_map(len, 0);

	if (!CHECK(p != NULL))
		return;
	extra_is(p, len, 0);
	extra_set(p, len, 'k');
	extra_unmap(p + 8 * page, 8 * page);
	CHECK_EQ(test_resident(p + 8 * page, 8 * page), 0);
	extra_is(p, 8 * page, 'k');
	extra_is(p + 16 * page, 16 * page, 'k');
	extra_discard(p + 16 * page, 8 * page);
	extra_is(p + 16 * page, 8 * page, 0);
	CHECK_EQ(surefree_remap(p + 16 * page, 16 * page, 4 * page, 0),
		 p + 16 * page);
	CHECK_EQ(test_resident(p + 20 * page, 12 * page), 0);
	extra_unmap(p, 8 * page);
	extra_unmap(p + 16 * page, 4 * page);
	CHECK_EQ(test_resident(p, len), 0);
	if (CHECK_OK(surefree_stack_map(len, &stack))) {
		extra_set(stack.addr, len, 's');
		surefree_stack_unmap(&stack);
		CHECK_EQ(test_resident(stack.addr, len), 0);
	}
	for (int i = 0; i < 4; i++) {
		p = surefree_map(len, 0);
		if (!CHECK(p != NULL) || !extra_is(p, len, 0))
			return;
		extra_set(p, len, 'l');
		extra_unmap(p, len);
	}
}

static int use_in_child(void *arg)
{
	(void)arg;
	use_memory();
	return 0;
}

static void use_at_the_limit(void)
{
	for (long spare = 0; spare <= 2; spare++) {
		if (!test_fill(spare))
			break;
		use_memory();
		CHECK_EQ(test_in_child(use_in_child, NULL), 0);
	}
	CHECK_EQ(extra_stats().nr_stuck, 0);
}

/* How much of the library's reservation may become resident by locking. */
static void check_not_populated(void)
{
	struct surefree_stats s = extra_stats();

	CHECK_LE(test_rss_anon(),
		 s.committed_len + s.metadata_len + ((size_t)32 << 20));
}

static void with_current_memory_locked_release_works(void)
{
	size_t page = test_page();
	char *p;

	if (!can_lock() || !test_fill(2))
		return;
	p = surefree_map(NR_PAGES * page, 0);
	if (!CHECK(p != NULL))
		return;
	extra_set(p, NR_PAGES * page, 'c');
	if (mlockall(MCL_CURRENT) != 0)
		SKIP("mlockall: errno %d", errno);
	check_not_populated();
	extra_unmap(p + 8 * page, 8 * page);
	CHECK_EQ(test_resident(p + 8 * page, 8 * page), 0);
	extra_is(p, 8 * page, 'c');
	use_at_the_limit();
	CHECK_GT(extra_stats().nr_locked_releases, 0);
}

static void with_future_memory_locked_release_works(void)
{
	if (!can_lock() || !test_fill(2))
		return;
	if (mlockall(MCL_FUTURE) != 0)
		SKIP("mlockall: errno %d", errno);
	use_at_the_limit();
}

static void with_all_memory_locked_release_works(void)
{
	if (!can_lock() || !test_fill(2))
		return;
	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		SKIP("mlockall: errno %d", errno);
	use_at_the_limit();
	munlockall();
	use_at_the_limit();
}

static void when_locked_on_fault_release_works(void)
{
	if (!can_lock() || !test_fill(2))
		return;
	if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0)
		SKIP("mlockall: errno %d", errno);
	use_at_the_limit();
}

/* A new region under MCL_FUTURE must not become resident as a whole. */
static void a_huge_region_under_mcl_future_is_not_populated(void)
{
	size_t len = (size_t)2 << 20;
	char *p;

	if (!can_lock())
		return;
	if (mlockall(MCL_FUTURE) != 0)
		SKIP("mlockall: errno %d", errno);
	p = surefree_map(len, SUREFREE_HUGE);
	if (p == NULL) {
		CHECK(errno == EAGAIN || errno == ENOMEM);
		return;
	}
	CHECK_LE(test_rss_anon(), (size_t)256 << 20);
	extra_set(p, len, 'h');
	extra_unmap(p, len);
	CHECK_EQ(test_resident(p, len), 0);
}

/* Lock pages [first, first + nr), release [from, from + count). */
static void check_mlock(size_t first, size_t nr, size_t from, size_t count)
{
	size_t page = test_page();
	size_t len = NR_PAGES * page;
	char *p = surefree_map(len, 0);
	char *part;

	if (!CHECK(p != NULL))
		return;
	extra_set(p, len, 'm');
	if (mlock(p + first * page, nr * page) != 0) {
		extra_unmap(p, len);
		SKIP("mlock: errno %d", errno);
	}
	CHECK(test_fill(0));
	part = p + from * page;
	extra_unmap(part, count * page);
	CHECK_EQ(test_resident(part, count * page), 0);
	extra_is(p, from * page, 'm');
	extra_is(part + count * page, len - (from + count) * page, 'm');
	if (from > 0)
		extra_unmap(p, from * page);
	if (from + count < NR_PAGES)
		extra_unmap(part + count * page, len - (from + count) * page);
	CHECK_EQ(test_resident(p, len), 0);
	use_memory();
	CHECK(test_fill(16));
}

/* mlock() of a part splits our mapping: it needs spare ones, release none. */
static void every_overlap_with_a_locked_range_can_be_released(void)
{
	if (!test_fill(16))
		return;
	check_mlock(0, NR_PAGES, 0, NR_PAGES);
	check_mlock(8, 8, 8, 8);
	check_mlock(8, 8, 10, 4);
	check_mlock(8, 8, 4, 16);
	check_mlock(8, 8, 4, 8);
	check_mlock(8, 8, 12, 8);
	check_mlock(0, 4, 0, NR_PAGES);
	check_mlock(28, 4, 0, NR_PAGES);
	check_mlock(8, 8, 0, 8);
	CHECK_EQ(extra_stats().nr_stuck, 0);
}

static void discarding_locked_pages_works(void)
{
	size_t page = test_page();
	char *p = surefree_map(8 * page, 0);

	if (!CHECK(p != NULL))
		return;
	extra_set(p, 8 * page, 'd');
	if (mlock(p + 2 * page, 4 * page) != 0)
		SKIP("mlock: errno %d", errno);
	if (!test_fill(0))
		return;
	extra_discard(p, 8 * page);
	extra_is(p, 8 * page, 0);
	extra_unmap(p, 8 * page);
	CHECK_EQ(test_resident(p, 8 * page), 0);
}

static void locked_releases_leave_no_lock_behind(void)
{
	size_t page = test_page();
	size_t before = test_status("VmLck");
	char *p = surefree_map(8 * page, 0);

	if (!CHECK(p != NULL))
		return;
	if (mlock(p, 8 * page) != 0)
		SKIP("mlock: errno %d", errno);
	CHECK_EQ(test_status("VmLck"), before + 8 * page);
	extra_unmap(p, 8 * page);
	CHECK_EQ(test_status("VmLck"), before);
}

static const struct test tests[] = {
	{ "with current memory locked, release works",
	  with_current_memory_locked_release_works },
	{ "with future memory locked, release works",
	  with_future_memory_locked_release_works },
	{ "with all memory locked, and unlocked, release works",
	  with_all_memory_locked_release_works },
	{ "when locked on fault, release works",
	  when_locked_on_fault_release_works },
	{ "a huge region under MCL_FUTURE is not populated",
	  a_huge_region_under_mcl_future_is_not_populated },
	{ "every overlap with a locked range can be released",
	  every_overlap_with_a_locked_range_can_be_released },
	{ "discarding locked pages works", discarding_locked_pages_works },
	{ "locked releases leave no lock behind",
	  locked_releases_leave_no_lock_behind },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
