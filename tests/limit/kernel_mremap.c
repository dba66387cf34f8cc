// SPDX-License-Identifier: MIT
/*
 * When the kernel refuses mremap(). Up to 7.0 shrinking is an munmap() of the
 * tail, growing in place is free, and moving asks for several spare mappings
 * in advance, needed or not. Since 7.1 that is asked first of all, and so the
 * harmless ones are refused too (seen: 6.1, 6.12, 6.18, 6.19 and 7.0; 7.1, 7.2
 * and 7.3).
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

/* Whether mremap() asks for spare mappings whatever it is to do. */
static bool always_asks(void)
{
	return test_kernel_since(7, 1);
}

/*
 * An op that needs least spare mappings, and changes the count by delta: is
 * refused with one less and at the limit.
 */
static void needs(long least, void (*make)(char *g), int (*op)(char *g),
		  int delta)
{
	try_with(least, make, op, OK(delta));
	try_with(least - 1, make, op, FAILS(ENOMEM, 0));
	try_with(0, make, op, FAILS(ENOMEM, 0));
}

static int shrink(char *g)
{
	return remap(g, 1, 16, 8, 0);
}

static void shrinking(void)
{
	if (always_asks())
		needs(4, make_touched, shrink, 0);
	else
		try_at_limit(make_touched, shrink, OK(0), OK(0), OK(0));
}

/* The first half of the mapping is shrunk: a hole in its middle. */
static int shrink_inside(char *g)
{
	return remap(g, 1, 8, 4, 0);
}

static void shrinking_inside(void)
{
	needs(always_asks() ? 4 : 1, make_touched, shrink_inside, +1);
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
	if (always_asks())
		needs(4, make_room_behind, grow, 0);
	else
		try_at_limit(make_room_behind, grow, OK(0), OK(0), OK(0));
}

/* The whole mapping moves: the count does not even change. */
static int grow_by_moving(char *g)
{
	return remap(g, 1, 16, 20, MREMAP_MAYMOVE);
}

static void moving(void)
{
	needs(4, make_touched, grow_by_moving, 0);
}

static int move_pages(char *g)
{
	return remap(g, 1, 16, 16, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
}

static void dontunmap(void)
{
	long least = 6;

	if (always_asks())
		least = test_kernel_since(7, 2) ? 5 : 4;
	needs(least, make_touched, move_pages, +1);
}

static const struct test tests[] = {
	{ "mremap that shrinks a tail is not refused up to 7.0, and needs four "
	  "spare mappings since",
	  shrinking },
	{ "so does mremap that grows in place", growing_in_place },
	{ "mremap that shrinks inside a mapping needs one, four since 7.1",
	  shrinking_inside },
	{ "mremap that moves needs four spare mappings", moving },
	{ "MREMAP_DONTUNMAP needs four to six spare mappings", dontunmap },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
