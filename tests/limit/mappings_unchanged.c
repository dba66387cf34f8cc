// SPDX-License-Identifier: MIT
/*
 * No operation changes the number of mappings, and the library says how many
 * its regions take.
 */
#include "test.h"

#include <sys/mman.h>
#include <unistd.h>

#include "extra.h"
#include "surefree.h"

#define NR_MAPS 1000

/* Everything that works in place, on memory of all sizes, in pieces. */
static void work(void)
{
	static char *maps[NR_MAPS];
	size_t page = test_page();
	struct surefree_stack stack;

	for (size_t i = 0; i < NR_MAPS; i++) {
		unsigned flags = i % 3 == 0 ? SUREFREE_NOTRAP : 0;

		if (test_has_guard() && i % 5 == 0)
			flags |= SUREFREE_GUARDED;
		if (i % 7 == 0)
			flags |= SUREFREE_POPULATE;
		maps[i] = surefree_map((i % 50 + 3) * page, flags);
		if (!CHECK(maps[i] != NULL))
			return;
		maps[i][0] = 1;
	}
	for (size_t i = 0; i < NR_MAPS; i++) {
		size_t len = (i % 50 + 3) * page;

		if (i % 2 == 0)
			surefree_unmap(maps[i] + page, page);
		else
			surefree_discard(maps[i] + page, page);
		if (i % 2 != 0 && test_has_guard())
			CHECK_OK(surefree_guard(maps[i] + page, page));
		CHECK(surefree_remap(maps[i] + 2 * page, len - 2 * page, page,
				     0) != NULL);
	}
	for (size_t i = 0; i < NR_MAPS; i++) {
		surefree_unmap(maps[i], page);
		if (i % 2 != 0)
			surefree_unmap(maps[i] + page, page);
		surefree_unmap(maps[i] + 2 * page, page);
	}
	for (int i = 0; i < 100; i++) {
		CHECK_OK(surefree_stack_map(16 * page, &stack));
		*((char *)stack.addr + stack.len - 1) = 1;
		surefree_stack_unmap(&stack);
	}
}

static void in_place_work_leaves_the_number_of_mappings(void)
{
	long before;

	work();
	before = test_mappings();
	work();
	CHECK_EQ(test_mappings(), before);
	CHECK_OK(surefree_set("retain", "1M"));
	work();
	CHECK_EQ(test_mappings(), before);
	surefree_trim(0);
	CHECK_EQ(test_mappings(), before);
}

static void a_gibibyte_takes_no_mapping(void)
{
	size_t len = (size_t)1 << 20;
	long before = test_mappings();

	for (int i = 0; i < 1024; i++)
		if (!CHECK(surefree_map(len, 0) != NULL))
			return;
	CHECK_EQ(test_mappings(), before);
	CHECK_LT(extra_stats().nr_mappings, 16);
}

static void the_library_starts_with_few_mappings(void)
{
	struct surefree_stats s = extra_stats();

	CHECK_EQ(s.nr_regions, 1);
	CHECK_LE(s.nr_mappings, 5);
	CHECK_EQ(s.used_len, 0);
}

static void a_huge_region_takes_few_mappings(void)
{
	long before = test_mappings();
	char *p = surefree_map((size_t)4 << 20, SUREFREE_HUGE);

	if (!CHECK(p != NULL))
		return;
	CHECK_LE(test_mappings() - before, 5);
	before = test_mappings();
	surefree_unmap(p + ((size_t)1 << 20), (size_t)1 << 20);
	p = surefree_map((size_t)64 << 20, SUREFREE_HUGE);
	if (CHECK(p != NULL))
		surefree_unmap(p, (size_t)64 << 20);
	CHECK_EQ(test_mappings(), before);
}

static void file_views_take_two_mappings_each(void)
{
	size_t page = test_page();
	int fd = memfd_create("views", MFD_CLOEXEC);
	char *views[20];
	long before;

	if (!CHECK(fd >= 0) || !CHECK_OK(ftruncate(fd, (off_t)(64 * page))))
		return;
	/* The first opens the region of file views. */
	views[0] = surefree_map_file(fd, 0, page, PROT_READ, MAP_SHARED);
	if (!CHECK(views[0] != NULL))
		return;
	surefree_unmap_file(views[0], page);
	before = test_mappings();
	for (int i = 0; i < 20; i++) {
		views[i] = surefree_map_file(fd, (off_t)((size_t)i * page),
					     (size_t)(i + 1) * page,
					     PROT_READ | PROT_WRITE,
					     i % 2 ? MAP_SHARED : MAP_PRIVATE);
		if (!CHECK(views[i] != NULL))
			return;
		CHECK_EQ(views[i][0], 0);
	}
	CHECK_LE(test_mappings() - before, 2 * 20);
	for (int i = 0; i < 20; i++)
		surefree_unmap_file(views[i], (size_t)(i + 1) * page);
	CHECK_EQ(test_mappings(), before);
	CHECK_EQ(extra_stats().view_len, 0);
	close(fd);
}

static void the_counted_mappings_are_the_kernels(void)
{
	struct surefree_mappings m = { .size = sizeof(m) };

	CHECK_OK(surefree_mappings(0, &m));
	CHECK_EQ(m.nr, test_mappings());
	CHECK_EQ(m.limit, test_limit());
	CHECK_EQ(m.headroom, m.limit - m.nr);
	if (!test_fill(3))
		return;
	CHECK_OK(surefree_mappings(getpid(), &m));
	CHECK_EQ(m.headroom, 3);
	if (test_fill(-1)) {
		CHECK_OK(surefree_mappings(0, &m));
		CHECK_EQ(m.headroom, 0);
	}
	test_unfill();
}

static const struct test tests[] = {
	{ "in-place work leaves the number of mappings",
	  in_place_work_leaves_the_number_of_mappings },
	{ "a gibibyte takes no mapping", a_gibibyte_takes_no_mapping },
	{ "the library starts with few mappings",
	  the_library_starts_with_few_mappings },
	{ "a huge region takes few mappings",
	  a_huge_region_takes_few_mappings },
	{ "file views take two mappings each",
	  file_views_take_two_mappings_each },
	{ "the counted mappings are the kernel's",
	  the_counted_mappings_are_the_kernels },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
