// SPDX-License-Identifier: MIT
/*
 * Releasing or changing what is not mapped, or no longer, is reported with the
 * first page that is wrong, and the process aborts.
 */
#include "test.h"

#include <string.h>
#include <unistd.h>

#include "aborts.h"
#include "extra.h"
#include "surefree.h"

static char *map_pages(size_t nr)
{
	char *p = surefree_map(nr * test_page(), 0);

	if (p == NULL)
		_exit(TEST_CHILD_FAILED);
	memset(p, 1, nr * test_page());
	return p;
}

/* Announce that page is what is wrong with call(addr, nr pages). */
static void say(const char *call, char *addr, size_t nr, char *page)
{
	aborts_say("surefree: %s(%p, %zu): page %p is not mapped, or already "
		   "released",
		   call, (void *)addr, nr * test_page(), (void *)page);
}

static void unmap_twice(void)
{
	char *p = map_pages(4);

	surefree_unmap(p, 4 * test_page());
	say("surefree_unmap", p, 4, p);
	surefree_unmap(p, 4 * test_page());
}

static void unmap_over_a_hole(void)
{
	size_t page = test_page();
	char *p = map_pages(8);

	surefree_unmap(p + 3 * page, page);
	say("surefree_unmap", p, 8, p + 3 * page);
	surefree_unmap(p, 8 * page);
}

static void unmap_part_of_released(void)
{
	size_t page = test_page();
	char *p = map_pages(8);

	surefree_unmap(p, 4 * page);
	say("surefree_unmap", p + 2 * page, 1, p + 2 * page);
	surefree_unmap(p + 2 * page, page);
}

static void unmap_beyond_the_end(void)
{
	size_t page = test_page();
	char *p = map_pages(4);

	say("surefree_unmap", p, 5, p + 4 * page);
	surefree_unmap(p, 5 * page);
}

static void unmap_far_beyond_the_end(void)
{
	size_t page = test_page();
	char *p = map_pages(4);

	say("surefree_unmap", p, 100000, p + 4 * page);
	surefree_unmap(p, 100000 * page);
}

static void unmap_never_mapped(void)
{
	size_t page = test_page();
	char *p = map_pages(1);

	/* Far behind what is committed, where nothing is known of pages. */
	p += (size_t)512 << 20;
	say("surefree_unmap", p, 1, p);
	surefree_unmap(p, page);
}

static void discard_released(void)
{
	size_t page = test_page();
	char *p = map_pages(4);

	surefree_unmap(p + page, page);
	say("surefree_discard", p, 4, p + page);
	surefree_discard(p, 4 * page);
}

static void guard_released(void)
{
	size_t page = test_page();
	char *p = map_pages(4);

	surefree_unmap(p + page, page);
	say("surefree_guard", p + page, 2, p + page);
	surefree_guard(p + page, 2 * page);
}

static void unguard_released(void)
{
	size_t page = test_page();
	char *p = map_pages(4);

	surefree_unmap(p + page, page);
	say("surefree_unguard", p + page, 1, p + page);
	surefree_unguard(p + page, page);
}

static void remap_released(void)
{
	size_t page = test_page();
	char *p = map_pages(4);

	surefree_unmap(p, 4 * page);
	say("surefree_remap", p, 4, p);
	surefree_remap(p, 4 * page, 8 * page, 0);
}

static void shrink_over_a_hole(void)
{
	size_t page = test_page();
	char *p = map_pages(8);

	surefree_unmap(p + 5 * page, page);
	say("surefree_remap", p, 8, p + 5 * page);
	surefree_remap(p, 8 * page, 2 * page, 0);
}

static void unmap_retained_twice(void)
{
	char *p = map_pages(4);

	surefree_set("retain", "1M");
	surefree_unmap(p, 4 * test_page());
	say("surefree_unmap", p, 4, p);
	surefree_unmap(p, 4 * test_page());
}

static void unmap_a_guard_page(void)
{
	size_t page = test_page();
	char *p = surefree_map(4 * page, SUREFREE_GUARDED);

	if (p == NULL)
		_exit(TEST_CHILD_FAILED);
	aborts_say("surefree: surefree_unmap(%p, %zu): page %p is a guard "
		   "page",
		   (void *)(p - page), page, (void *)(p - page));
	surefree_unmap(p - page, page);
}

static void a_range_unmapped_twice_is_reported(void)
{
	aborts(unmap_twice);
	aborts(unmap_retained_twice);
}

static void a_released_part_is_reported(void)
{
	aborts(unmap_over_a_hole);
	aborts(unmap_part_of_released);
}

static void a_length_beyond_the_end_is_reported(void)
{
	aborts(unmap_beyond_the_end);
	aborts(unmap_far_beyond_the_end);
}

static void memory_never_mapped_is_reported(void)
{
	aborts(unmap_never_mapped);
}

static void changing_what_was_released_is_reported(void)
{
	aborts(discard_released);
	aborts(guard_released);
	aborts(unguard_released);
	aborts(remap_released);
	aborts(shrink_over_a_hole);
}

static void unmapping_a_guard_page_is_reported(void)
{
	if (!test_has_guard())
		SKIP("this kernel has no guard markers");
	aborts(unmap_a_guard_page);
}

static const struct test tests[] = {
	{ "a range unmapped twice is reported",
	  a_range_unmapped_twice_is_reported },
	{ "a released part is reported", a_released_part_is_reported },
	{ "a length beyond the end is reported",
	  a_length_beyond_the_end_is_reported },
	{ "memory never mapped is reported", memory_never_mapped_is_reported },
	{ "changing what was released is reported",
	  changing_what_was_released_is_reported },
	{ "unmapping a guard page is reported",
	  unmapping_a_guard_page_is_reported },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
