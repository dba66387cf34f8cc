// SPDX-License-Identifier: MIT
/*
 * RLIMIT_AS and RLIMIT_DATA. Giving pages back in place is never refused by
 * them, but neither does it count as using less.
 */
#include "kernel.h"

#include <sys/resource.h>

#define MIB ((size_t)1 << 20)

/* Lower a limit to len bytes, for this process. */
static void lower(int which, size_t len)
{
	struct rlimit limit;

	CHECK_OK(getrlimit((__rlimit_resource_t)which, &limit));
	limit.rlim_cur = len;
	CHECK_OK(setrlimit((__rlimit_resource_t)which, &limit));
}

/* 0, or -1 and errno, of mapping len bytes. */
static int map(size_t len, int prot, int flags)
{
	void *p = mmap(NULL, len, prot, flags | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? -1 : 0;
}

static void address_space_below_use(void)
{
	char *g = ground_make();

	make_touched(g);
	place(g, 20, 4, RW, 0);
	test_has_guard(); /* asks now, it maps a page */
	lower(RLIMIT_AS, MIB);
	CHECK_OK(advise(g, 3, 2, MADV_DONTNEED));
	if (test_has_guard())
		CHECK_OK(advise(g, 7, 2, 102));
	CHECK_OK(protect(g, 10, 2, PROT_NONE));
	CHECK_OK(unmap(g, 13, 2));
	touch(g, 20, 4);
	CHECK_ERRNO(map_over(g, 15, 1, RW), ENOMEM);
	CHECK_ERRNO(map(test_page(), RW, MAP_PRIVATE), ENOMEM);
}

static void address_space_counts_reservations(void)
{
	lower(RLIMIT_AS, test_status("VmSize") + 64 * MIB);
	CHECK_ERRNO(map(128 * MIB, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE),
		    ENOMEM);
	CHECK_OK(map(32 * MIB, PROT_NONE, MAP_PRIVATE | MAP_NORESERVE));
}

static void data_counts_writable(void)
{
	lower(RLIMIT_DATA, test_status("VmData") + 8 * MIB);
	CHECK_ERRNO(map(16 * MIB, RW, MAP_PRIVATE), ENOMEM);
	CHECK_ERRNO(map(16 * MIB, RW, MAP_PRIVATE | MAP_NORESERVE), ENOMEM);
	CHECK_OK(map(16 * MIB, PROT_NONE, MAP_PRIVATE));
	CHECK_OK(map(16 * MIB, RW, MAP_SHARED));
	CHECK_OK(map(4 * MIB, RW, MAP_PRIVATE));
}

static void data_and_frontier(void)
{
	char *p = mmap(NULL, 64 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	if (!CHECK(p != MAP_FAILED))
		return;
	lower(RLIMIT_DATA, test_status("VmData") + 8 * MIB);
	CHECK_ERRNO(mprotect(p, 16 * MIB, RW), ENOMEM);
	CHECK_OK(mprotect(p, 6 * MIB, RW));
	CHECK_ERRNO(mprotect(p + 6 * MIB, 6 * MIB, RW), ENOMEM);
	CHECK_OK(madvise(p, 6 * MIB, MADV_DONTNEED));
	CHECK_ERRNO(mprotect(p + 6 * MIB, 6 * MIB, RW), ENOMEM);
	CHECK_OK(mprotect(p, 6 * MIB, PROT_NONE));
	CHECK_OK(mprotect(p + 6 * MIB, 6 * MIB, RW));
}

static const struct test tests[] = {
	{ "with RLIMIT_AS below use, giving back works and mapping does not",
	  address_space_below_use },
	{ "RLIMIT_AS counts inaccessible reservations",
	  address_space_counts_reservations },
	{ "RLIMIT_DATA counts private writable memory, and no other",
	  data_counts_writable },
	{ "RLIMIT_DATA counts what a frontier passes, until mprotect takes it "
	  "back",
	  data_and_frontier },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
