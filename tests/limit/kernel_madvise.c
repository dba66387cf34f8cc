// SPDX-License-Identifier: MIT
/*
 * Advice that gives pages back cuts no mapping and is never refused at the
 * limit. Advice that sets a flag cuts, and fails with EAGAIN.
 */
#include "kernel.h"

#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24 /* 5.18 */
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* 5.14 */
#endif

static int advice; /* that give_advice() gives to the middle */

static int give_advice(char *g)
{
	return advise(g, 5, 4, advice);
}

static void try_advice(int which, struct outcome one_spare,
		       struct outcome none_spare, struct outcome above)
{
	advice = which;
	try_at_limit(make_touched, give_advice, one_spare, none_spare, above);
}

static int discard_middle(char *g)
{
	if (advise(g, 5, 4, MADV_DONTNEED) != 0)
		return -1;
	CHECK_EQ(test_resident(at(g, 1), 16 * test_page()), 12 * test_page());
	CHECK_EQ(*at(g, 4), 4);
	CHECK_EQ(*at(g, 5), 0);
	CHECK_EQ(*at(g, 8), 0);
	CHECK_EQ(*at(g, 9), 9);
	return 0;
}

static void dontneed(void)
{
	try_at_limit(make_touched, discard_middle, OK(0), OK(0), OK(0));
}

static void never_refused(void)
{
	try_advice(MADV_FREE, OK(0), OK(0), OK(0));
	try_advice(MADV_COLD, OK(0), OK(0), OK(0));
	try_advice(MADV_PAGEOUT, OK(0), OK(0), OK(0));
}

static void dontneed_locked(void)
{
	if (!test_kernel_since(5, 18))
		SKIP("MADV_DONTNEED_LOCKED came with 5.18");
	try_advice(MADV_DONTNEED_LOCKED, OK(0), OK(0), OK(0));
}

static void populate(void)
{
	if (!test_kernel_since(5, 14))
		SKIP("MADV_POPULATE_WRITE came with 5.14");
	try_advice(MADV_POPULATE_WRITE, OK(0), OK(0), OK(0));
}

static void flags(void)
{
	static const int all[] = { MADV_DONTFORK, MADV_DONTDUMP,
				   MADV_WIPEONFORK, MADV_SEQUENTIAL };

	for (size_t i = 0; i < TEST_COUNT(all); i++)
		try_advice(all[i], FAILS(EAGAIN, +1), FAILS(EAGAIN, 0),
			   FAILS(EAGAIN, 0));
}

static void huge_flags(void)
{
	if (access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0)
		SKIP("no transparent huge pages in this kernel");
	try_advice(MADV_NOHUGEPAGE, FAILS(EAGAIN, +1), FAILS(EAGAIN, 0),
		   FAILS(EAGAIN, 0));
}

static int flag_whole(char *g)
{
	return advise(g, 1, 16, MADV_DONTDUMP);
}

static void whole_flag(void)
{
	try_at_limit(make_touched, flag_whole, OK(0), OK(0), OK(0));
}

static void make_hole(char *g)
{
	make_touched(g);
	CHECK_OK(unmap(g, 5, 4));
}

static int discard_over_hole(char *g)
{
	int result = advise(g, 1, 16, MADV_DONTNEED);
	int err = errno;

	CHECK_EQ(test_resident(at(g, 1), 16 * test_page()), 0);
	errno = err;
	return result;
}

static void over_a_hole(void)
{
	try_at_limit(make_hole, discard_over_hole, FAILS(ENOMEM, 0),
		     FAILS(ENOMEM, 0), FAILS(ENOMEM, 0));
}

static void rounding(void)
{
	char *g = ground_make();

	make_touched(g);
	CHECK_OK((int)syscall(SYS_madvise, at(g, 3), 1, MADV_DONTNEED));
	CHECK_EQ(test_resident(at(g, 1), 16 * test_page()), 15 * test_page());
	CHECK_ERRNO((int)syscall(SYS_madvise, at(g, 5) + 1, test_page(),
				 MADV_DONTNEED),
		    EINVAL);
}

/* MADV_FREE only promises: nothing is back until memory gets short. */
static void free_keeps(void)
{
	char *g = ground_make();

	make_touched(g);
	CHECK_OK(advise(g, 1, 16, MADV_FREE));
	CHECK_EQ(test_resident(at(g, 1), 16 * test_page()), 16 * test_page());
}

static const struct test tests[] = {
	{ "MADV_DONTNEED gives pages back and is never refused", dontneed },
	{ "MADV_FREE, COLD and PAGEOUT are never refused", never_refused },
	{ "MADV_DONTNEED_LOCKED is never refused", dontneed_locked },
	{ "MADV_POPULATE_WRITE is never refused for mappings", populate },
	{ "a flag on the middle fails with EAGAIN and may take a mapping",
	  flags },
	{ "so does MADV_NOHUGEPAGE on the middle", huge_flags },
	{ "a flag on a whole mapping is never refused", whole_flag },
	{ "advice over a hole does all the rest and then says ENOMEM",
	  over_a_hole },
	{ "advice rounds a length up and refuses an odd address", rounding },
	{ "MADV_FREE leaves pages resident", free_keeps },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
