// SPDX-License-Identifier: MIT
/*
 * When the kernel refuses mremap(): shrinking is an munmap() of the tail, and
 * moving asks for several spare mappings in advance, needed or not.
 */
#include "kernel.h"

#include <sys/syscall.h>
#include <unistd.h>

static int remap(char *g, size_t page, size_t old_nr, size_t new_nr, int flags)
{
	long result = syscall(SYS_mremap, at(g, page), old_nr * test_page(),
			      new_nr * test_page(), flags, NULL);

	return result == -1 ? -1 : 0;
}

static int shrink(char *g)
{
	return remap(g, 1, 16, 8, 0);
}

static void shrinking(void)
{
	try_at_limit(make_touched, shrink, OK(0), OK(0), OK(0));
}

/* The first half of the mapping is shrunk: a hole in its middle. */
static int shrink_inside(char *g)
{
	return remap(g, 1, 8, 4, 0);
}

static void shrinking_inside(void)
{
	try_at_limit(make_touched, shrink_inside, OK(+1), FAILS(ENOMEM, 0),
		     FAILS(ENOMEM, 0));
}

static void make_room_behind(char *g)
{
	make_touched(g);
	CHECK_OK(unmap(g, 17, 8));
}

static int grow(char *g)
{
	return remap(g, 1, 16, 20, 0);
}

static void growing_in_place(void)
{
	try_at_limit(make_room_behind, grow, OK(0), OK(0), OK(0));
}

static int grow_by_moving(char *g)
{
	return remap(g, 1, 16, 20, MREMAP_MAYMOVE);
}

/* The whole mapping moves: the count does not even change. */
static void moving(void)
{
	try_at_limit(make_touched, grow_by_moving, FAILS(ENOMEM, 0),
		     FAILS(ENOMEM, 0), FAILS(ENOMEM, 0));
	try_with(3, make_touched, grow_by_moving, FAILS(ENOMEM, 0));
	try_with(4, make_touched, grow_by_moving, OK(0));
}

static int move_pages(char *g)
{
	return remap(g, 1, 16, 16, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
}

static void dontunmap(void)
{
	try_at_limit(make_touched, move_pages, FAILS(ENOMEM, 0),
		     FAILS(ENOMEM, 0), FAILS(ENOMEM, 0));
	try_with(5, make_touched, move_pages, FAILS(ENOMEM, 0));
	try_with(6, make_touched, move_pages, OK(+1));
}

static const struct test tests[] = {
	{ "mremap that shrinks a mapping's tail is never refused", shrinking },
	{ "mremap that shrinks inside a mapping needs a spare one",
	  shrinking_inside },
	{ "mremap that grows in place is never refused for mappings",
	  growing_in_place },
	{ "mremap that moves needs four spare mappings", moving },
	{ "MREMAP_DONTUNMAP needs six spare mappings", dontunmap },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
