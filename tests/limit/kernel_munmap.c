// SPDX-License-Identifier: MIT
/*
 * When the kernel refuses munmap(): only when one mapping would have to be cut
 * in two and none is spare. Linux 5.4 to 7.3 alike.
 */
#include "kernel.h"

static int unmap_middle(char *g)
{
	return unmap(g, 5, 1);
}

static void middle(void)
{
	try_at_limit(make_touched, unmap_middle, OK(+1), FAILS(ENOMEM, 0),
		     FAILS(ENOMEM, 0));
}

static void refusal_changes_nothing(void)
{
	char *g = ground_make();
	size_t len = 16 * test_page();

	make_touched(g);
	if (!test_fill(0))
		return;
	CHECK_ERRNO(unmap(g, 5, 4), ENOMEM);
	CHECK_EQ(test_resident(at(g, 1), len), len);
	for (size_t i = 1; i <= 16; i++)
		CHECK_EQ(*at(g, i), i);
	CHECK_EQ(test_mappings(), test_limit());
}

static int unmap_head(char *g)
{
	return unmap(g, 1, 3);
}

static int unmap_tail(char *g)
{
	return unmap(g, 10, 7);
}

static void head_and_tail(void)
{
	try_at_limit(make_touched, unmap_head, OK(0), OK(0), OK(0));
	try_at_limit(make_touched, unmap_tail, OK(0), OK(0), OK(0));
}

/* Removing the pages from between two grounds joins nothing: one less. */
static int unmap_whole(char *g)
{
	return unmap(g, 1, 16);
}

static void whole(void)
{
	try_at_limit(make_touched, unmap_whole, OK(-1), OK(-1), OK(-1));
}

/* Three calls to mmap(), touched one after the other: one mapping. */
static void make_three_neighbours(char *g)
{
	long before = test_mappings();

	for (size_t page = 1; page <= 9; page += 4) {
		place(g, page, 4, RW, 0);
		touch(g, page, 4);
	}
	CHECK_EQ(test_mappings(), before + 2);
}

static int unmap_second_neighbour(char *g)
{
	return unmap(g, 5, 4);
}

static void between_neighbours(void)
{
	try_at_limit(make_three_neighbours, unmap_second_neighbour, OK(+1),
		     FAILS(ENOMEM, 0), FAILS(ENOMEM, 0));
}

static int unmap_first_neighbour(char *g)
{
	return unmap(g, 1, 4);
}

static int unmap_last_neighbour(char *g)
{
	return unmap(g, 9, 4);
}

static void at_the_end_of_neighbours(void)
{
	try_at_limit(make_three_neighbours, unmap_first_neighbour, OK(0), OK(0),
		     OK(0));
	try_at_limit(make_three_neighbours, unmap_last_neighbour, OK(0), OK(0),
		     OK(0));
}

/* Three mappings side by side, kept apart by their protection. */
static void make_three_mappings(char *g)
{
	place(g, 1, 4, RW, 0);
	place(g, 5, 4, PROT_READ, 0);
	place(g, 9, 4, RW, 0);
	touch(g, 1, 4);
	touch(g, 9, 4);
}

/* From the middle of the first to the middle of the third. */
static int unmap_across_three(char *g)
{
	return unmap(g, 3, 8);
}

static int unmap_across_two(char *g)
{
	return unmap(g, 3, 4);
}

static void across(void)
{
	try_at_limit(make_three_mappings, unmap_across_three, OK(-1), OK(-1),
		     OK(-1));
	try_at_limit(make_three_mappings, unmap_across_two, OK(0), OK(0),
		     OK(0));
}

static void make_hole(char *g)
{
	make_touched(g);
	CHECK_OK(unmap(g, 20, 4));
}

static int unmap_hole(char *g)
{
	return unmap(g, 21, 2);
}

static void hole(void)
{
	try_at_limit(make_hole, unmap_hole, OK(0), OK(0), OK(0));
}

/*
 * Spare mappings made in advance, in one piece, can be dropped with one call
 * above the limit; the refused call then succeeds.
 */
static void ballast(void)
{
	char *g = ground_make();

	make_touched(g);
	place(g, 20, 33, PROT_NONE, 0);
	for (size_t page = 21; page < 53; page += 2)
		CHECK_OK(protect(g, page, 1, PROT_READ));
	if (!test_fill(test_can_exceed() ? -1 : 0))
		return;
	CHECK_ERRNO(unmap_middle(g), ENOMEM);
	CHECK_OK(unmap(g, 20, 33));
	CHECK_OK(unmap_middle(g));
}

static const struct test tests[] = {
	{ "unmapping the middle of a mapping needs a spare one", middle },
	{ "a refused munmap leaves every page and byte where it was",
	  refusal_changes_nothing },
	{ "unmapping the head or tail of a mapping is never refused",
	  head_and_tail },
	{ "unmapping a whole mapping is never refused", whole },
	{ "unmapping what one mmap returned needs a spare mapping when it "
	  "merged on both sides",
	  between_neighbours },
	{ "unmapping the first or last of merged neighbours is never refused",
	  at_the_end_of_neighbours },
	{ "unmapping across two or more mappings is never refused", across },
	{ "unmapping nothing is never refused", hole },
	{ "dropping spare mappings lets a refused munmap through", ballast },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
