// SPDX-License-Identifier: MIT
/*
 * Locked memory. Locking or unlocking a piece cuts mappings and is refused at
 * the limit. Locked pages are given back only by MADV_DONTNEED_LOCKED (5.18)
 * or after munlock() of the whole mapping. mlockall() makes every writable
 * page of the process resident, but none that is inaccessible.
 *
 * Whatever locks everything needs root here, since the filling is locked too.
 */
#include "kernel.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

#define NOBODY 65534

static size_t pages(size_t nr)
{
	return nr * test_page();
}

/* Whether this process may lock len bytes; skips the test when not. */
static bool may_lock(size_t len)
{
	struct rlimit limit;

	if (geteuid() == 0 ||
	    (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur >= len))
		return true;
	test_skip("RLIMIT_MEMLOCK is too small");
	return false;
}

/* For three grounds, and for everything: the filling is locked too. */
#define GROUNDS_LEN    pages(48)
#define EVERYTHING_LEN SIZE_MAX

static int lock_middle(char *g)
{
	return mlock(at(g, 5), pages(4));
}

static int lock_whole(char *g)
{
	return mlock(at(g, 1), pages(16));
}

static void make_locked(char *g)
{
	make_touched(g);
	CHECK_OK(lock_whole(g));
}

static int unlock_middle(char *g)
{
	return munlock(at(g, 5), pages(4));
}

static int unlock_whole(char *g)
{
	return munlock(at(g, 1), pages(16));
}

static void pieces(void)
{
	if (!may_lock(GROUNDS_LEN))
		return;
	try_at_limit(make_touched, lock_middle, FAILS(ENOMEM, +1),
		     FAILS(ENOMEM, 0), FAILS(ENOMEM, 0));
	try_at_limit(make_locked, unlock_middle, FAILS(ENOMEM, +1),
		     FAILS(ENOMEM, 0), FAILS(ENOMEM, 0));
}

static void wholes(void)
{
	if (!may_lock(GROUNDS_LEN))
		return;
	try_at_limit(make_touched, lock_whole, OK(0), OK(0), OK(0));
	try_at_limit(make_locked, unlock_whole, OK(0), OK(0), OK(0));
}

static int give_back(char *g)
{
	size_t locked = test_status("VmLck");

	CHECK_ERRNO(advise(g, 5, 4, MADV_DONTNEED), EINVAL);
	CHECK_EQ(test_resident(at(g, 5), pages(4)), pages(4));
	if (advise(g, 5, 4, MADV_DONTNEED_LOCKED) != 0)
		return -1;
	CHECK_EQ(test_resident(at(g, 5), pages(4)), 0);
	CHECK_EQ(*at(g, 5), 0);
	CHECK_EQ(test_status("VmLck"), locked);
	return 0;
}

static void giving_back(void)
{
	if (!test_kernel_since(5, 18))
		SKIP("MADV_DONTNEED_LOCKED came with 5.18");
	if (!may_lock(GROUNDS_LEN))
		return;
	try_at_limit(make_locked, give_back, OK(0), OK(0), OK(0));
}

static int unlock_and_give_back(char *g)
{
	CHECK_OK(unlock_whole(g));
	return advise(g, 5, 4, MADV_DONTNEED);
}

static void giving_back_unlocked(void)
{
	if (!may_lock(GROUNDS_LEN))
		return;
	try_at_limit(make_locked, unlock_and_give_back, OK(0), OK(0), OK(0));
}

/* Pages 1 to 4 and 9 to 12 are free, 5 to 8 locked. */
static void partly_locked(void)
{
	char *g = ground_make();

	place(g, 1, 12, RW, 0);
	touch(g, 1, 12);
	CHECK_OK(mlock(at(g, 5), pages(4)));
	CHECK_ERRNO(advise(g, 1, 12, MADV_DONTNEED), EINVAL);
	CHECK_EQ(test_resident(at(g, 1), pages(4)), 0);
	CHECK_EQ(test_resident(at(g, 5), pages(8)), pages(8));
	if (!test_kernel_since(5, 18))
		return;
	CHECK_OK(advise(g, 1, 12, MADV_DONTNEED_LOCKED));
	CHECK_EQ(test_resident(at(g, 1), pages(12)), 0);
}

static void make_half_accessible(char *g)
{
	place(g, 1, 16, PROT_NONE, MAP_NORESERVE);
	CHECK_OK(protect(g, 1, 8, RW));
}

static int lock_all(char *g __attribute__((unused)))
{
	return mlockall(MCL_CURRENT | MCL_ONFAULT);
}

static void locking_all_at_limit(void)
{
	if (!may_lock(EVERYTHING_LEN))
		return;
	try_at_limit(make_half_accessible, lock_all, OK(0), OK(0), OK(0));
}

static void locking_all_populates(void)
{
	char *g = ground_make();

	make_half_accessible(g);
	if (!may_lock(EVERYTHING_LEN))
		return;
	CHECK_OK(mlockall(MCL_CURRENT));
	CHECK_EQ(test_resident(at(g, 1), pages(16)), pages(8));
	/* What becomes writable later is made resident at once. */
	CHECK_OK(protect(g, 9, 2, RW));
	CHECK_EQ(test_resident(at(g, 1), pages(16)), pages(10));
	CHECK_OK(munlockall());
	CHECK_OK(advise(g, 1, 10, MADV_DONTNEED));
	CHECK_EQ(test_resident(at(g, 1), pages(16)), 0);
}

static void locking_future(void)
{
	size_t len = 1 << 20;
	char *p;

	if (!may_lock(EVERYTHING_LEN))
		return;
	CHECK_OK(mlockall(MCL_FUTURE));
	p = mmap(NULL, len, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!CHECK(p != MAP_FAILED))
		return;
	CHECK_EQ(test_resident(p, len), len);
	CHECK_ERRNO(madvise(p, len, MADV_DONTNEED), EINVAL);
	CHECK_OK(munlock(p, len));
	CHECK_OK(madvise(p, len, MADV_DONTNEED));
	CHECK_EQ(test_resident(p, len), 0);
}

/* 0, or -1 and errno, of mapping len bytes of inaccessible memory. */
static int reserve(size_t len)
{
	void *p = mmap(NULL, len, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static int without_rights(void *arg)
{
	struct rlimit small = { 8 << 20, 8 << 20 };

	(void)arg;
	CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &small));
	CHECK_OK(reserve((size_t)1 << 30));
	if (geteuid() == 0)
		CHECK_OK(setuid(NOBODY));
	CHECK_ERRNO(mlockall(MCL_CURRENT), ENOMEM);
	CHECK_OK(mlockall(MCL_FUTURE));
	CHECK_ERRNO(reserve(16 << 20), EAGAIN);
	CHECK_OK(reserve(1 << 20));
	return 0;
}

static void small_limit(void)
{
	struct rlimit limit;

	CHECK_OK(getrlimit(RLIMIT_MEMLOCK, &limit));
	if (limit.rlim_max < 8 << 20 && geteuid() != 0)
		SKIP("RLIMIT_MEMLOCK cannot be raised to 8 MiB");
	CHECK_EQ(test_in_child(without_rights, NULL), 0);
}

static const struct test tests[] = {
	{ "mlock and munlock of a piece need two spare mappings", pieces },
	{ "mlock and munlock of a whole mapping are never refused", wholes },
	{ "locked pages are given back by MADV_DONTNEED_LOCKED alone",
	  giving_back },
	{ "or by MADV_DONTNEED when the whole is unlocked first",
	  giving_back_unlocked },
	{ "MADV_DONTNEED stops at the first locked page", partly_locked },
	{ "mlockall is never refused for mappings", locking_all_at_limit },
	{ "mlockall makes writable memory resident, inaccessible memory not",
	  locking_all_populates },
	{ "MCL_FUTURE makes new memory resident and locked until munlock",
	  locking_future },
	{ "RLIMIT_MEMLOCK counts inaccessible memory too", small_limit },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
