// SPDX-License-Identifier: MIT
/*
 * The heap that brk() moves. Growing it merges with what is there and is
 * refused only above the limit, except in a forked child.
 */
#include "kernel.h"

#include <sys/syscall.h>
#include <unistd.h>

static char *top_of_heap; /* when the ground was made */

static char *move_top(char *to)
{
	return (char *)syscall(SYS_brk, to);
}

/* 16 touched pages more of heap than there were. */
static void make_heap(void)
{
	size_t len = 16 * test_page();
	char *top = move_top(NULL);

	top += (size_t) - (uintptr_t)top % test_page();
	top_of_heap = top + len;
	CHECK_EQ(move_top(top_of_heap), top_of_heap);
	for (char *p = top; p < top_of_heap; p += test_page())
		*(volatile char *)p = 1;
}

static int grow(void)
{
	char *wanted = top_of_heap + 4 * test_page();

	errno = ENOMEM; /* brk() says only where the top is */
	return move_top(wanted) == wanted ? 0 : -1;
}

static int shrink(void)
{
	char *wanted = top_of_heap - 4 * test_page();

	errno = ENOMEM;
	return move_top(wanted) == wanted ? 0 : -1;
}

static void growing(void)
{
	make_heap();
	if (!test_fill(0))
		return;
	CHECK_OK(grow());
	CHECK_EQ(test_mappings(), test_limit());
	top_of_heap += 4 * test_page();
	if (!test_can_exceed() || !test_fill(-1))
		return;
	CHECK_ERRNO(grow(), ENOMEM);
}

static void shrinking(void)
{
	make_heap();
	if (!test_fill(test_can_exceed() ? -1 : 0))
		return;
	CHECK_OK(shrink());
	CHECK_EQ(test_resident(top_of_heap - 4 * test_page(), 4 * test_page()),
		 0);
}

static int child_grows(void *arg)
{
	long before = test_mappings();

	(void)arg;
	CHECK_OK(grow());
	CHECK_EQ(test_mappings(), before + 1);
	return 0;
}

static void in_child(void)
{
	make_heap();
	if (!test_fill(1))
		return;
	CHECK_EQ(test_in_child(child_grows, NULL), 0);
}

static const struct test tests[] = {
	{ "growing the heap is refused above the limit only", growing },
	{ "shrinking the heap is never refused", shrinking },
	{ "growing the heap costs a forked child a mapping", in_child },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
