// SPDX-License-Identifier: MIT
/*
 * Guard markers (MADV_GUARD_INSTALL, Linux 6.13): pages that fault like
 * unmapped ones and cost no mapping. Older kernels answer EINVAL.
 */
#include "kernel.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define GUARD_INSTALL 102
#define GUARD_REMOVE  103

#define NEEDS_GUARDS()                                        \
	do {                                                  \
		if (!test_has_guard())                        \
			SKIP("no guard markers before 6.13"); \
	} while (0)

static int guard(char *g)
{
	if (advise(g, 5, 4, GUARD_INSTALL) != 0)
		return -1;
	CHECK_EQ(test_touches(at(g, 4)), 0);
	CHECK_EQ(test_touches(at(g, 5)), 1);
	CHECK_EQ(test_touches(at(g, 8)), 1);
	CHECK_EQ(test_touches(at(g, 9)), 0);
	CHECK_EQ(test_resident(at(g, 1), 16 * test_page()), 12 * test_page());
	return 0;
}

static int unguard(char *g)
{
	CHECK_OK(advise(g, 5, 4, GUARD_INSTALL));
	if (advise(g, 1, 16, GUARD_REMOVE) != 0)
		return -1;
	CHECK_EQ(*at(g, 4), 4);
	CHECK_EQ(*at(g, 5), 0);
	CHECK_EQ(test_touches(at(g, 8)), 0);
	return 0;
}

static void at_limit(void)
{
	NEEDS_GUARDS();
	try_at_limit(make_touched, guard, OK(0), OK(0), OK(0));
	try_at_limit(make_touched, unguard, OK(0), OK(0), OK(0));
}

static void unknown_before(void)
{
	char *g = ground_make();

	make_touched(g);
	if (test_kernel_since(6, 13))
		SKIP("this kernel has them");
	CHECK_ERRNO(advise(g, 5, 4, GUARD_INSTALL), EINVAL);
	CHECK_ERRNO(advise(g, 5, 4, GUARD_REMOVE), EINVAL);
}

/* A guarded page 5 among 16 touched. */
static char *guarded_ground(void)
{
	char *g = ground_make();

	make_touched(g);
	CHECK_OK(advise(g, 5, 1, GUARD_INSTALL));
	return g;
}

static void survives(void)
{
	char *g;

	NEEDS_GUARDS();
	g = guarded_ground();
	CHECK_OK(advise(g, 1, 16, MADV_DONTNEED));
	CHECK_OK(advise(g, 1, 16, MADV_FREE));
	CHECK_OK(protect(g, 1, 16, PROT_NONE));
	CHECK_EQ(test_touches(at(g, 4)), 2);
	CHECK_OK(protect(g, 1, 16, RW));
	CHECK_EQ(test_touches(at(g, 4)), 0);
	CHECK_EQ(test_touches(at(g, 5)), 1);
	CHECK_OK(map_over(g, 1, 16, RW));
	CHECK_EQ(test_touches(at(g, 5)), 0);
}

static void system_calls(void)
{
	char *g;
	char byte = 0;
	int fd;
	struct iovec here = { &byte, 1 };
	struct iovec there;

	NEEDS_GUARDS();
	g = guarded_ground();
	there = (struct iovec){ at(g, 5), 1 };
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	if (CHECK(fd >= 0))
		CHECK_ERRNO((int)syscall(SYS_read, fd, at(g, 5), 1), EFAULT);
	close(fd);
	CHECK_ERRNO((int)process_vm_readv(getpid(), &here, 1, &there, 1, 0),
		    EFAULT);
}

static int child_sees_guard(void *g)
{
	CHECK_EQ(test_touches(at(g, 5)), 1);
	CHECK_OK(advise(g, 5, 1, GUARD_REMOVE));
	CHECK_EQ(test_touches(at(g, 5)), 0);
	return 0;
}

static void inherited(void)
{
	char *g;

	NEEDS_GUARDS();
	g = guarded_ground();
	CHECK_EQ(test_in_child(child_sees_guard, g), 0);
	CHECK_EQ(test_touches(at(g, 5)), 1);
}

static int child_sees_none(void *g)
{
	CHECK_EQ(test_touches(at(g, 5)), 0);
	return 0;
}

static void wiped(void)
{
	char *g;

	NEEDS_GUARDS();
	g = guarded_ground();
	CHECK_OK(advise(g, 1, 16, MADV_WIPEONFORK));
	CHECK_EQ(test_in_child(child_sees_none, g), 0);
}

static void locked(void)
{
	char *g;

	NEEDS_GUARDS();
	g = guarded_ground();
	CHECK_OK(mlock(at(g, 8), test_page()));
	CHECK_ERRNO(advise(g, 8, 1, GUARD_INSTALL), EINVAL);
	CHECK_OK(advise(g, 8, 1, GUARD_REMOVE));
}

/* The pages are locked all the same, up to the guard also resident. */
static void locking_over(void)
{
	char *g;

	NEEDS_GUARDS();
	g = ground_make();
	make_untouched(g);
	CHECK_OK(advise(g, 5, 1, GUARD_INSTALL));
	CHECK_ERRNO(mlock(at(g, 1), 16 * test_page()), ENOMEM);
	CHECK_EQ(test_status("VmLck"), 16 * test_page());
	CHECK_EQ(test_resident(at(g, 1), 16 * test_page()), 4 * test_page());
}

static void table_pages(void)
{
	size_t len = 64 << 20;
	size_t before;
	char *p;

	NEEDS_GUARDS();
	p = mmap(NULL, len, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		 0);
	if (!CHECK(p != MAP_FAILED))
		return;
	before = test_status("VmPTE");
	CHECK_OK(madvise(p, len, GUARD_INSTALL));
	CHECK_GE(test_status("VmPTE") - before, len / 512);
	CHECK_EQ(test_resident(p, len), 0);
}

static const struct test tests[] = {
	{ "guards are set and removed at the limit without a mapping",
	  at_limit },
	{ "kernels before 6.13 refuse them with EINVAL", unknown_before },
	{ "a guard survives MADV_DONTNEED, MADV_FREE and mprotect, not mmap",
	  survives },
	{ "system calls see EFAULT at a guard", system_calls },
	{ "a child inherits guards and can remove its own", inherited },
	{ "MADV_WIPEONFORK wipes guards too", wiped },
	{ "locked pages cannot be guarded, only unguarded", locked },
	{ "mlock over a guard locks everything and says ENOMEM", locking_over },
	{ "guarding untouched memory takes page tables, 1/512 of its size",
	  table_pages },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
