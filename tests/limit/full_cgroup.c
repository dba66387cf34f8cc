// SPDX-License-Identifier: MIT
/*
 * In a memory cgroup that is full, where even munmap() of a map's head may be
 * refused, every release works and makes room.
 *
 * The child fills it to the brim by reading its usage, then releases; when the
 * kernel kills it, the test fails.
 */
#include "test.h"

#include <signal.h>

#include "extra.h"
#include "surefree.h"

#define MIB	  ((size_t)1 << 20)
#define LIMIT_LEN (48 * MIB)
/* The kernel charges 64 pages a CPU ahead of need, and its own bookkeeping. */
#define BRIM_LEN (256 * (size_t)1024)
#define NR_MAPS	 4096

struct work {
	char *maps[NR_MAPS];
	size_t nr;
	char *spare;  /* mapped, never touched */
	char *sparse; /* one page of each 2 MiB touched */
};

/*
 * Touch page by page until less than 256 KiB are left: the kernel counts in
 * steps of 64 pages.
 */
static void fill_group(struct work *work, size_t len)
{
	work->spare = surefree_map(64 * MIB, 0);
	work->sparse = surefree_map(16 * MIB, 0);
	if (!CHECK(work->spare != NULL) || !CHECK(work->sparse != NULL))
		return;
	for (size_t at = 0; at < 16 * MIB; at += 2 * MIB)
		work->sparse[at] = 1;
	for (work->nr = 0; work->nr < NR_MAPS; work->nr++) {
		char *p = surefree_map(len, 0);

		if (!CHECK(p != NULL))
			return;
		work->maps[work->nr] = p;
		for (size_t at = 0; at < len; at += test_page()) {
			if (test_cgroup_usage() + BRIM_LEN > LIMIT_LEN) {
				work->nr++;
				return;
			}
			p[at] = 'c';
		}
	}
}

static void release_all(struct work *work, size_t len)
{
	size_t page = test_page();
	size_t before = test_cgroup_usage();

	/* Every second page: the middle, which munmap() cannot. */
	for (size_t i = 0; i < work->nr; i++)
		for (size_t at = 0; at < len; at += 2 * page)
			surefree_unmap(work->maps[i] + at, page);
	CHECK_LT(test_cgroup_usage(), before - before / 4);
	for (size_t i = 0; i < work->nr; i++)
		for (size_t at = page; at < len; at += 2 * page)
			surefree_discard(work->maps[i] + at, page);
	for (size_t i = 0; i < work->nr; i++)
		for (size_t at = page; at < len; at += 2 * page)
			surefree_unmap(work->maps[i] + at, page);
}

/* Untouched memory has no page tables: marking it would make some. */
static void release_untouched(struct work *work)
{
	for (size_t at = 0; at < 64 * MIB; at += 2 * test_page())
		surefree_unmap(work->spare + at, test_page());
	for (size_t at = 0; at < 16 * MIB; at += MIB)
		surefree_unmap(work->sparse + at, MIB);
}

static int fill_and_release(void *arg)
{
	static struct work work;
	size_t len = *(size_t *)arg;

	fill_group(&work, len);
	if (test_failed())
		return 1;
	release_untouched(&work);
	release_all(&work, len);
	CHECK_EQ(extra_stats().used_len, 32 * MIB);
	CHECK_EQ(extra_stats().nr_stuck, 0);
	return 0;
}

static void in_a_group(int (*fn)(void *arg), size_t len)
{
	int result = test_in_cgroup(LIMIT_LEN, true, fn, &len);

	if (test_skipped())
		return;
	if (!CHECK_EQ(result, 0) && result == -SIGKILL)
		test_say("  killed: out of memory in the cgroup");
}

static void pages_are_released_from_large_maps(void)
{
	in_a_group(fill_and_release, 4 * MIB);
}

static void pages_are_released_from_small_maps(void)
{
	in_a_group(fill_and_release, 16 * test_page());
}

static const struct test tests[] = {
	{ "in a full cgroup pages are released from large maps",
	  pages_are_released_from_large_maps },
	{ "in a full cgroup pages are released from small maps",
	  pages_are_released_from_small_maps },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
