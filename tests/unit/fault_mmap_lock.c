// SPDX-License-Identifier: MIT
/*
 * mlock() of pages that another thread unmaps just before the kernel locks
 * them: whoever gets them, the lock ends with the map.
 */
#include "test.h"

#include <sys/mman.h>

#include "mmap/alter.h"
#include "mmap/mmap.h"
#include "os/sys.h"
#include "vm/state.h"

#define RW	 (PROT_READ | PROT_WRITE)
#define FRESH	 (MAP_PRIVATE | MAP_ANONYMOUS)
#define NR_PAGES 16

static size_t page;
static uintptr_t locked;
static size_t nr_again; /* pages mapped there meanwhile */
static bool unmap_again;

static void check_unmap(uintptr_t addr, size_t nr)
{
	CHECK_EQ(sf_mmap_unmap(addr, nr * page), 0);
}

/* The other thread's calls, made where they would come in between. */

static long after_lock(long nr)
{
	if (nr != __NR_rt_sigprocmask)
		return 0;
	sf_fault_hook = NULL;
	check_unmap(locked + 4 * page, nr_again);
	return 0;
}

static long before_lock(long nr)
{
	if (nr != __NR_mlock)
		return 0;
	sf_fault_hook = NULL;
	check_unmap(locked + 4 * page, 8);
	if (nr_again > 0)
		CHECK_EQ(sf_mmap_map(0, nr_again * page, RW, FRESH, -1, 0),
			 locked + 4 * page);
	if (unmap_again)
		sf_fault_hook = after_lock;
	return 0;
}

static void check_nothing_left(void)
{
	CHECK_EQ(test_status("VmLck"), 0);
	CHECK_EQ(test_resident((char *)locked, NR_PAGES * page), 0);
	CHECK_EQ(sf_alter_aside_len(), 0);
	for (size_t i = 0; i < sf_state_nr_regions(); i++)
		sf_region_check(sf_state_region(i));
}

static void lock_what_is_unmapped(size_t nr, bool again)
{
	size_t nr_left = again ? 0 : nr;

	page = test_page();
	sf_mmap_start();
	test_has_guard();
	locked = (uintptr_t)sf_mmap_map(0, NR_PAGES * page, RW, FRESH, -1, 0);
	nr_again = nr;
	unmap_again = again;
	sf_fault_hook = before_lock;
	sf_mmap_lock(locked, NR_PAGES * page, 0);
	CHECK(sf_fault_hook == NULL);
	CHECK_EQ(test_status("VmLck"), (8 + nr_left) * page);
	CHECK_EQ(test_resident((char *)locked + (4 + nr_left) * page,
			       (8 - nr_left) * page),
		 0);
	if (nr_left > 0)
		check_unmap(locked + 4 * page, nr_left);
	CHECK_EQ(test_status("VmLck"), 8 * page);
	check_unmap(locked, 4);
	check_unmap(locked + 12 * page, 4);
	check_nothing_left();
}

static void free_pages_are_unlocked(void)
{
	lock_what_is_unmapped(0, false);
}

static void used_pages_are_unlocked_when_they_are_unmapped(void)
{
	lock_what_is_unmapped(3, false);
}

static void pages_that_were_used_are_unlocked(void)
{
	lock_what_is_unmapped(3, true);
}

static const struct test tests[] = {
	{ "pages that are free by then are unlocked", free_pages_are_unlocked },
	{ "pages that somebody else has by then are unlocked with that map",
	  used_pages_are_unlocked_when_they_are_unmapped },
	{ "pages that somebody had by then are unlocked",
	  pages_that_were_used_are_unlocked },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
