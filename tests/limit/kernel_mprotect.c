// SPDX-License-Identifier: MIT
/*
 * When the kernel refuses mprotect(): whenever the change leaves more mappings
 * than before and none is spare. Moving the border between a readable and
 * writable part and the inaccessible rest behind it (a "frontier") changes no
 * count, and so is never refused, with exceptions that kernels before 6.16
 * and forked children make.
 */
#include "kernel.h"

static int protect_middle(char *g)
{
	return protect(g, 5, 4, PROT_NONE);
}

static void middle(void)
{
	try_at_limit(make_touched, protect_middle, FAILS(ENOMEM, +1),
		     FAILS(ENOMEM, 0), FAILS(ENOMEM, 0));
	try_with(2, make_touched, protect_middle, OK(+2));
}

static int protect_middle_then_whole(char *g)
{
	CHECK_ERRNO(protect_middle(g), ENOMEM);
	return protect(g, 1, 16, PROT_READ);
}

static void half_done(void)
{
	try_with(1, make_touched, protect_middle_then_whole, OK(0));
}

static int protect_head(char *g)
{
	return protect(g, 1, 4, PROT_NONE);
}

static int protect_tail(char *g)
{
	return protect(g, 13, 4, PROT_NONE);
}

static void head_and_tail(void)
{
	try_at_limit(make_touched, protect_head, OK(+1), FAILS(ENOMEM, 0),
		     FAILS(ENOMEM, 0));
	try_at_limit(make_touched, protect_tail, OK(+1), FAILS(ENOMEM, 0),
		     FAILS(ENOMEM, 0));
}

static int protect_whole(char *g)
{
	return protect(g, 1, 16, PROT_NONE);
}

static void whole(void)
{
	try_at_limit(make_touched, protect_whole, OK(0), OK(0), OK(0));
}

/* Pages 1 to 8 writable and touched, 9 to 16 behind them inaccessible. */
static void make_frontier(char *g)
{
	place(g, 1, 16, PROT_NONE, MAP_NORESERVE);
	CHECK_OK(protect(g, 1, 8, RW));
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

static void forward(void)
{
	try_at_limit(make_frontier, frontier_forward, OK(0), OK(0), OK(0));
}

/* Since 6.16 touched and untouched memory merge in both directions. */
static bool merges_back(void)
{
	return test_kernel_since(6, 16);
}

static void back_touched(void)
{
	bool merges = merges_back();

	try_at_limit(make_frontier, frontier_back, OK(merges ? 0 : +1),
		     merges ? OK(0) : FAILS(ENOMEM, 0),
		     merges ? OK(0) : FAILS(ENOMEM, 0));
}

static void make_accounted_frontier(char *g)
{
	place(g, 1, 16, PROT_NONE, 0);
	CHECK_OK(protect(g, 1, 8, RW));
	touch(g, 1, 8);
}

static void back_accounted(void)
{
	try_at_limit(make_accounted_frontier, frontier_back, OK(+1),
		     FAILS(ENOMEM, 0), FAILS(ENOMEM, 0));
}

/* MAP_NORESERVE, so that both parts have the same flags. */
static int frontier_back_by_mmap(char *g)
{
	size_t len = 2 * test_page();
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;

	return mmap(at(g, 7), len, PROT_NONE, flags, -1, 0) == MAP_FAILED ? -1 :
									    0;
}

static void back_by_mmap(void)
{
	try_at_limit(make_frontier, frontier_back_by_mmap, OK(0), OK(0),
		     FAILS(ENOMEM, 0));
}

static void make_frontier_with_guards(char *g)
{
	make_frontier(g);
	CHECK_OK(advise(g, 3, 2, 102));
	CHECK_OK(advise(g, 8, 1, 102));
}

static void with_guards(void)
{
	if (!test_has_guard())
		SKIP("no guard markers before 6.13");
	try_at_limit(make_frontier_with_guards, frontier_forward, OK(0), OK(0),
		     OK(0));
}

static const struct test tests[] = {
	{ "mprotect in the middle needs two spare mappings, and its failure "
	  "takes one",
	  middle },
	{ "a half-done mprotect is undone by changing the whole", half_done },
	{ "mprotect of a head or tail needs a spare mapping", head_and_tail },
	{ "mprotect of a whole mapping is never refused", whole },
	{ "moving a frontier forward is never refused", forward },
	{ "moving it back over touched memory is refused before 6.16",
	  back_touched },
	{ "moving it back over touched, charged memory needs a spare mapping",
	  back_accounted },
	{ "moving it back with MAP_FIXED is refused above the limit",
	  back_by_mmap },
	{ "guard markers do not keep a frontier from moving", with_guards },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
