// SPDX-License-Identifier: MIT
/*
 * The programs that Linux fails: single pages, twice as many as there may be
 * mappings, of which every second one is unmapped; and stacks with a guard
 * each. With the drop-in preloaded no call is refused; without it many are,
 * which shows that these programs do reach the limit.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "memory.h"
#include "pages.h"
#include "test.h"

#define RW	    (PROT_READ | PROT_WRITE)
#define MAX_PIECES  400000
#define STACK_PAGES 4
#define SLACK	    200 /* mappings that this process may have more */

static char *pieces[MAX_PIECES];

static char *map(size_t len)
{
	return mmap(NULL, len, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* A little more than twice the limit, or as many as there is room for. */
static size_t nr_pieces(void)
{
	size_t nr = 2 * (size_t)test_limit() + 2000;

	return nr < MAX_PIECES ? nr : MAX_PIECES;
}

/* Map and touch single pages; false when one is refused. */
static bool map_pieces(size_t nr, size_t len)
{
	for (size_t i = 0; i < nr; i++) {
		pieces[i] = map(len);
		if (pieces[i] == MAP_FAILED) {
			FAIL("map %zu of %zu: errno %d", i, nr, errno);
			return false;
		}
		pieces[i][len - 1] = (char)i;
	}
	return true;
}

/* Unmap those from first on; how many are refused. */
static size_t unmap_pieces(size_t first, size_t step, size_t nr, size_t len)
{
	size_t nr_refused = 0;

	for (size_t i = first; i < nr; i += step)
		nr_refused += munmap(pieces[i], len) != 0;
	return nr_refused;
}

static size_t count_resident(size_t first, size_t step, size_t nr)
{
	size_t len = 0;

	for (size_t i = first; i < nr; i += step)
		len += test_resident(pieces[i], test_page());
	return len / test_page();
}

static void every_second_page_is_unmapped(void)
{
	size_t page = test_page();
	size_t nr = nr_pieces();
	size_t before;
	size_t nr_refused;
	long mappings;

	if (test_limit() > MAX_PIECES)
		SKIP("the limit is too high to be reached");
	if (!map_pieces(nr, page))
		return;
	before = test_rss_anon();
	nr_refused = unmap_pieces(0, 2, nr, page);
	mappings = test_mappings();
	test_say("%zu of %zu refused, %ld mappings, %zu MiB less", nr_refused,
		 nr / 2, mappings, (before - test_rss_anon()) >> 20);
	if (!memory_is_surefree()) {
		CHECK_GT(nr_refused, 0);
		return;
	}
	CHECK_EQ(nr_refused, 0);
	CHECK_LT(mappings, SLACK);
	CHECK_EQ(count_resident(0, 64, nr), 0);
	CHECK_GE(before - test_rss_anon(), nr / 2 * page * 9 / 10);
	for (size_t i = 1; i < nr; i += 2)
		if (!CHECK_EQ(*pieces[i], 0) ||
		    !CHECK_EQ(pieces[i][page - 1], (char)i))
			break;
	CHECK_EQ(unmap_pieces(1, 2, nr, page), 0);
	CHECK_EQ(count_resident(1, 64, nr), 0);
}

/* A guard below each stack; how many are refused. */
static size_t guard_pieces(size_t nr)
{
	size_t nr_refused = 0;

	for (size_t i = 0; i < nr; i++)
		nr_refused += mprotect(pieces[i], test_page(), PROT_NONE) != 0;
	return nr_refused;
}

static void every_stack_has_a_guard(void)
{
	size_t page = test_page();
	size_t len = STACK_PAGES * page;
	size_t nr = nr_pieces() / 2;
	size_t nr_refused;

	if (test_limit() > MAX_PIECES)
		SKIP("the limit is too high to be reached");
	if (memory_is_surefree() && !memory_has_markers())
		SKIP("this kernel has no markers for guards");
	if (!map_pieces(nr, len))
		return;
	nr_refused = guard_pieces(nr);
	test_say("%zu of %zu guards refused, %ld mappings", nr_refused, nr,
		 test_mappings());
	if (!memory_is_surefree()) {
		CHECK_GT(nr_refused, 0);
		return;
	}
	CHECK_EQ(nr_refused, 0);
	CHECK_LT(test_mappings(), SLACK);
	for (size_t i = 0; i < nr; i += 97) {
		CHECK_NE(test_touches(pieces[i]), 0);
		CHECK_EQ(test_touches(pieces[i] + page), 0);
		CHECK_EQ(pieces[i][len - 1], (char)i);
	}
	CHECK_EQ(unmap_pieces(0, 2, nr, len), 0);
	CHECK_EQ(unmap_pieces(1, 2, nr, len), 0);
	CHECK_EQ(count_resident(0, 64, nr), 0);
	/* The same addresses, without guards. */
	if (!map_pieces(nr, len))
		return;
	for (size_t i = 0; i < nr; i++)
		if (!CHECK_EQ(pages_access(pieces[i]), PAGES_WRITE))
			return;
}

static const struct test tests[] = {
	{ "of twice as many pages as the limit, every second is unmapped",
	  every_second_page_is_unmapped },
	{ "as many stacks as the limit have a guard each",
	  every_stack_has_a_guard },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
