// SPDX-License-Identifier: MIT
/*
 * What is charged to the machine's memory before it is touched. In overcommit
 * mode 2 all private writable memory is, and refused when the charge exceeds
 * CommitLimit; only inaccessible memory is free. Giving pages back does not
 * lower the charge. The mode belongs to the machine: each test runs in the
 * mode it finds.
 */
#include "kernel.h"

#include <fcntl.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

/* Charges of other processes, and of the kernel's rounding. */
#define NOISE (8 * MIB)

static int overcommit_mode(void)
{
	char mode = '0';
	int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, &mode, 1) != 1)
		mode = '0';
	close(fd);
	return mode - '0';
}

static char *map(size_t len, int prot, int flags)
{
	return mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1,
		    0);
}

/* More than any charge that the machine would accept. */
static size_t too_much(void)
{
	return 4 * (test_meminfo("MemTotal") + test_meminfo("SwapTotal"));
}

static void too_large(void)
{
	size_t len = too_much();
	int mode = overcommit_mode();

	CHECK_EQ(map(len, RW, 0) == MAP_FAILED, mode != 1);
	CHECK_EQ(map(len, RW, MAP_NORESERVE) == MAP_FAILED, mode == 2);
	CHECK(map(len, PROT_NONE, 0) != MAP_FAILED);
	CHECK(map(len, PROT_NONE, MAP_NORESERVE) != MAP_FAILED);
}

static void committing_too_much(void)
{
	size_t len = too_much();
	char *p = map(len, PROT_NONE, MAP_NORESERVE);

	if (!CHECK(p != MAP_FAILED))
		return;
	if (overcommit_mode() == 2)
		CHECK_ERRNO(mprotect(p, len, RW), ENOMEM);
	else
		CHECK_OK(mprotect(p, len, RW));
}

/* The charge since it was this, within what others may have changed. */
static bool charged_since(size_t before, size_t len)
{
	size_t now = test_meminfo("Committed_AS");

	return now + NOISE > before + len && now < before + len + NOISE;
}

#define NEEDS_MODE_2()                                             \
	do {                                                       \
		if (overcommit_mode() != 2)                        \
			SKIP("vm.overcommit_memory is not 2 (see " \
			     "tests/kernels)");                    \
	} while (0)

static void charge_of_frontier(void)
{
	size_t before;
	char *p;

	NEEDS_MODE_2();
	p = map(64 * MIB, PROT_NONE, MAP_NORESERVE);
	before = test_meminfo("Committed_AS");
	CHECK_OK(mprotect(p, 32 * MIB, RW));
	CHECK(charged_since(before, 32 * MIB));
	for (size_t i = 0; i < 32 * MIB; i += test_page())
		p[i] = 1;
	CHECK(charged_since(before, 32 * MIB));
	CHECK_OK(madvise(p, 32 * MIB, MADV_DONTNEED));
	CHECK(charged_since(before, 32 * MIB));
	if (test_has_guard())
		CHECK_OK(madvise(p, MIB, 102));
	CHECK_OK(mprotect(p, 32 * MIB, PROT_NONE));
	CHECK(charged_since(before, 32 * MIB));
	CHECK_OK(mprotect(p, 32 * MIB, RW));
	CHECK(charged_since(before, 32 * MIB));
	CHECK(mmap(p, 32 * MIB, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		   0) != MAP_FAILED);
	CHECK(charged_since(before, 0));
}

static void untouched(void)
{
	size_t before;
	char *p;

	NEEDS_MODE_2();
	p = map(64 * MIB, PROT_NONE, MAP_NORESERVE);
	before = test_meminfo("Committed_AS");
	CHECK_OK(mprotect(p, 32 * MIB, RW));
	CHECK_OK(mprotect(p, 32 * MIB, PROT_NONE));
	CHECK(charged_since(before, test_kernel_since(6, 12) ? 0 : 32 * MIB));
	CHECK_OK(munmap(p, 64 * MIB));
	CHECK(charged_since(before, 0));
}

static const struct test tests[] = {
	{ "MAP_NORESERVE is ignored in mode 2, inaccessible memory never "
	  "counts",
	  too_large },
	{ "moving a frontier can fail for its charge in mode 2",
	  committing_too_much },
	{ "the charge of touched memory goes only with its mapping",
	  charge_of_frontier },
	{ "the charge of untouched memory goes with mprotect since 6.12 or "
	  "before",
	  untouched },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
