// SPDX-License-Identifier: MIT
/*
 * When the kernel refuses mmap(): above the limit always, at it when room must
 * be made by cutting a mapping. At the limit itself one more is still given
 * (the kernel asks "more than the limit?" first), so the highest count is the
 * limit and one. No program should rely on that one.
 */
#include "kernel.h"

#include <sys/syscall.h>
#include <unistd.h>

/* Where the kernel does not go above the limit, mmap() fails at it. */
static struct outcome last_one(int delta)
{
	return test_can_exceed() ? OK(delta) : FAILS(ENOMEM, 0);
}

static void one_above(void)
{
	char *g = ground_make();

	make_touched(g);
	if (!test_fill(-1))
		return;
	CHECK_EQ(test_mappings(), test_limit() + 1);
	CHECK_ERRNO(map_over(g, 30, 1, RW), ENOMEM);
	CHECK_EQ(test_mappings(), test_limit() + 1);
}

static void make_gap(char *g)
{
	make_untouched(g);
	CHECK_OK(unmap(g, 17, 3));
}

/* Right behind the RW mapping, of another protection: one more. */
static int map_new(char *g)
{
	return map_over(g, 17, 1, PROT_READ);
}

static int map_merging(char *g)
{
	return map_over(g, 17, 1, RW);
}

static int map_file(char *g)
{
	int fd = open_memory_file(2);
	long result = syscall(SYS_mmap, at(g, 18), test_page(), PROT_READ,
			      MAP_SHARED | MAP_FIXED, fd, 0);
	int err = errno;

	close(fd);
	errno = err;
	return result == -1 ? -1 : 0;
}

static void new_mapping(void)
{
	try_at_limit(make_gap, map_new, OK(+1), last_one(+1), FAILS(ENOMEM, 0));
	try_at_limit(make_gap, map_file, OK(+1), last_one(+1),
		     FAILS(ENOMEM, 0));
}

static void merging_mapping(void)
{
	try_at_limit(make_gap, map_merging, OK(0), last_one(0),
		     FAILS(ENOMEM, 0));
}

/* Returns what the second call does; the first must not fail. */
static int unmap_then_map(char *g)
{
	if (!CHECK_OK(unmap(g, 1, 16)))
		return -1;
	return map_over(g, 1, 16, RW);
}

static void swap_one(void)
{
	try_at_limit(make_touched, unmap_then_map, OK(0), OK(0), last_one(0));
}

static int map_over_middle(char *g)
{
	return map_over(g, 5, 4, PROT_NONE);
}

static void over_the_middle(void)
{
	try_at_limit(make_touched, map_over_middle, OK(+2), FAILS(ENOMEM, 0),
		     FAILS(ENOMEM, 0));
}

static int map_over_head(char *g)
{
	return map_over(g, 1, 4, PROT_NONE);
}

static int map_over_whole(char *g)
{
	return map_over(g, 1, 16, PROT_NONE);
}

static void over_head_or_whole(void)
{
	try_at_limit(make_touched, map_over_head, OK(+1), last_one(+1),
		     FAILS(ENOMEM, 0));
	try_at_limit(make_touched, map_over_whole, OK(0), last_one(0),
		     FAILS(ENOMEM, 0));
}

static void faults_go_on(void)
{
	char *g = ground_make();

	make_untouched(g);
	if (!test_fill(test_can_exceed() ? -1 : 0))
		return;
	touch(g, 1, 16);
	CHECK_EQ(test_resident(at(g, 1), 16 * test_page()), 16 * test_page());
}

static const struct test tests[] = {
	{ "the kernel gives one mapping more than the limit and no further",
	  one_above },
	{ "a new mapping is refused above the limit", new_mapping },
	{ "a mapping that would merge is refused above the limit too",
	  merging_mapping },
	{ "unmapping one mapping makes room for another", swap_one },
	{ "MAP_FIXED over the middle of a mapping needs a spare one",
	  over_the_middle },
	{ "MAP_FIXED over a head or a whole mapping is refused above the limit",
	  over_head_or_whole },
	{ "page faults need no mapping", faults_go_on },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
