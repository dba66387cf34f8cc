// SPDX-License-Identifier: MIT
/*
 * What a forked child may do at the limit. It starts with as many mappings as
 * its parent. Memory that the parent had touched before the fork never merges
 * with untouched memory in the child, so that moving a frontier costs the
 * child a mapping; giving pages back costs none.
 */
#include "kernel.h"

/* Both are read by the child that try_at_limit() has forked. */
static int (*op_of_child)(char *ground);
static int delta_of_child;

static int run_op(void *ground)
{
	long before = test_mappings();
	int err = op_of_child(ground) == 0 ? 0 : errno;

	CHECK_EQ(test_mappings() - before, err == 0 ? delta_of_child : 0);
	return err;
}

/* Do the op in a forked child; its errno becomes ours. */
static int in_child(char *g)
{
	errno = test_in_child(run_op, g);
	return errno == 0 ? 0 : -1;
}

/* The op must change the child's count by delta where it succeeds. */
static void try_in_child(void (*make)(char *ground), int (*op)(char *ground),
			 int delta, int err_one_spare, int err_none_spare,
			 int err_above)
{
	op_of_child = op;
	delta_of_child = delta;
	try_at_limit(make, in_child, (struct outcome){ err_one_spare, 0 },
		     (struct outcome){ err_none_spare, 0 },
		     (struct outcome){ err_above, 0 });
}

static int nothing(char *g __attribute__((unused)))
{
	return 0;
}

static void forking(void)
{
	try_in_child(make_touched, nothing, 0, 0, 0, 0);
}

static int count_is(void *expected)
{
	CHECK_EQ(test_mappings(), *(const long *)expected);
	return 0;
}

static void count_is_copied(void)
{
	long expected = test_limit();

	if (!test_fill(0))
		return;
	CHECK_EQ(test_in_child(count_is, &expected), 0);
}

static void make_frontier(char *g)
{
	place(g, 1, 16, PROT_NONE, MAP_NORESERVE);
	CHECK_OK(protect(g, 1, 8, RW));
}

static void make_touched_frontier(char *g)
{
	make_frontier(g);
	touch(g, 1, 8);
}

static int frontier_forward(char *g)
{
	return protect(g, 9, 2, RW);
}

static int frontier_back(char *g)
{
	return protect(g, 7, 2, PROT_NONE);
}

static void frontier_touched(void)
{
	try_in_child(make_touched_frontier, frontier_forward, +1, 0, ENOMEM,
		     ENOMEM);
	try_in_child(make_touched_frontier, frontier_back, +1, 0, ENOMEM,
		     ENOMEM);
}

static void frontier_untouched(void)
{
	try_in_child(make_frontier, frontier_forward, 0, 0, 0, 0);
}

/* The parent's own frontier moves on as if it had not forked. */
static int fork_then_forward(char *g)
{
	op_of_child = nothing;
	CHECK_OK(in_child(g));
	return frontier_forward(g);
}

static void parent_frontier(void)
{
	try_at_limit(make_touched_frontier, fork_then_forward, OK(0), OK(0),
		     OK(0));
}

static int discard(char *g)
{
	if (advise(g, 5, 4, MADV_DONTNEED) != 0)
		return -1;
	CHECK_EQ(*at(g, 5), 0);
	CHECK_EQ(test_resident(at(g, 5), 4 * test_page()), test_page());
	return 0;
}

static int discard_in_child(char *g)
{
	op_of_child = discard;
	delta_of_child = 0;
	if (in_child(g) != 0)
		return -1;
	CHECK_EQ(*at(g, 5), 5);
	return 0;
}

static void giving_back(void)
{
	try_at_limit(make_touched, discard_in_child, OK(0), OK(0), OK(0));
}

static int unmap_tail(char *g)
{
	return unmap(g, 10, 7);
}

static int protect_whole(char *g)
{
	return protect(g, 1, 16, PROT_READ);
}

static int guard_middle(char *g)
{
	return advise(g, 5, 4, 102);
}

static int unmap_middle(char *g)
{
	return unmap(g, 5, 4);
}

static void whole_and_tail(void)
{
	try_in_child(make_touched, unmap_tail, 0, 0, 0, 0);
	try_in_child(make_touched, protect_whole, 0, 0, 0, 0);
}

static void guards(void)
{
	if (!test_has_guard())
		SKIP("no guard markers before 6.13");
	try_in_child(make_touched, guard_middle, 0, 0, 0, 0);
}

static void middle(void)
{
	try_in_child(make_touched, unmap_middle, +1, 0, ENOMEM, ENOMEM);
}

static const struct test tests[] = {
	{ "fork is never refused for mappings", forking },
	{ "a child starts with as many mappings as its parent",
	  count_is_copied },
	{ "a child cannot move a frontier its parent touched at the limit",
	  frontier_touched },
	{ "a child can move one that was untouched", frontier_untouched },
	{ "a parent goes on moving its frontier after fork", parent_frontier },
	{ "a child gives back inherited pages and leaves the parent's",
	  giving_back },
	{ "a child unmaps tails and protects wholes at the limit",
	  whole_and_tail },
	{ "a child marks guards at the limit", guards },
	{ "a child is refused unmapping the middle as its parent is", middle },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
