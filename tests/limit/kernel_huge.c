// SPDX-License-Identifier: MIT
/*
 * Transparent huge pages. One touched byte makes 2 MiB resident, and giving
 * back a part of a huge page frees nothing until the kernel gets round to
 * splitting it. A whole, aligned one goes back at once.
 */
#include "kernel.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HUGE_LEN ((size_t)2 << 20)
#define NR_HUGE	 64

/* The sum of the numbers behind a name in a file, 0 where there is none. */
static size_t sum_of(const char *path, const char *name)
{
	static char text[256 << 10];
	size_t len = 0;
	size_t sum = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	while ((n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	text[len] = '\0';
	for (char *p = text; (p = strstr(p, name)) != NULL;) {
		p += strlen(name);
		sum += strtoul(p, NULL, 10);
	}
	return sum;
}

static size_t vmstat(const char *name)
{
	return sum_of("/proc/vmstat", name);
}

/* Bytes free in the machine, with those that each CPU keeps for itself. */
static size_t all_free(void)
{
	return (sum_of("/proc/zoneinfo", "pages free") +
		sum_of("/proc/zoneinfo", " count:")) *
	       test_page();
}

/* NR_HUGE aligned huge pages with their advice, or NULL: skipped. */
static char *map_huge(int advice)
{
	size_t len = (NR_HUGE + 1) * HUGE_LEN;
	char *p = mmap(NULL, len, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!CHECK(p != MAP_FAILED))
		return NULL;
	p += (size_t) - (uintptr_t)p % HUGE_LEN;
	if (madvise(p, NR_HUGE * HUGE_LEN, advice) != 0) {
		test_skip("no transparent huge pages in this kernel");
		return NULL;
	}
	return p;
}

/* The same, each touched at one byte and therefore huge. */
static char *touch_huge(void)
{
	char *p = map_huge(MADV_HUGEPAGE);

	if (p == NULL)
		return NULL;
	for (size_t i = 0; i < NR_HUGE; i++)
		p[i * HUGE_LEN] = 1;
	if (test_resident(p, NR_HUGE * HUGE_LEN) == NR_HUGE * HUGE_LEN)
		return p;
	test_skip("transparent huge pages are off, or none is free");
	return NULL;
}

static void one_byte(void)
{
	char *p = touch_huge();

	if (p == NULL)
		return;
	CHECK_EQ(test_rollup("AnonHugePages"), NR_HUGE * HUGE_LEN);
}

static void refused(void)
{
	char *p = map_huge(MADV_NOHUGEPAGE);

	if (p == NULL)
		return;
	p[0] = 1;
	CHECK_EQ(test_resident(p, HUGE_LEN), test_page());
}

/* Gone from the process, but waiting to be split: not yet free. */
static void part(void)
{
	char *p = touch_huge();
	size_t before;

	if (p == NULL)
		return;
	before = vmstat("thp_deferred_split_page ");
	for (size_t i = 0; i < NR_HUGE; i++)
		CHECK_OK(
			madvise(p + i * HUGE_LEN, HUGE_LEN / 2, MADV_DONTNEED));
	CHECK_EQ(test_resident(p, NR_HUGE * HUGE_LEN), NR_HUGE * HUGE_LEN / 2);
	CHECK_GE(vmstat("thp_deferred_split_page ") - before, NR_HUGE);
}

static void whole(void)
{
	char *p = touch_huge();
	size_t before;

	if (p == NULL)
		return;
	before = all_free();
	CHECK_OK(madvise(p, NR_HUGE * HUGE_LEN, MADV_DONTNEED));
	/* Others may take some meanwhile, but hardly half of it. */
	CHECK_GT(all_free(), before + NR_HUGE * HUGE_LEN / 2);
	CHECK_EQ(test_resident(p, NR_HUGE * HUGE_LEN), 0);
	CHECK_EQ(test_rollup("AnonHugePages"), 0);
}

static const struct test tests[] = {
	{ "one touched byte makes a whole huge page resident", one_byte },
	{ "MADV_NOHUGEPAGE keeps pages small, also where huge is the default",
	  refused },
	{ "giving back part of a huge page leaves it waiting to be split",
	  part },
	{ "giving back whole huge pages frees them at once", whole },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
