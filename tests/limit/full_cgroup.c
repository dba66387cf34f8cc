// SPDX-License-Identifier: MIT
/*
 * In a memory cgroup that is full, where even munmap() of a map's head may be
 * refused, every release works and makes room.
 *
 * Needs a cgroup to be made: v2 with the memory controller, or v1. The child
 * fills it to the brim by reading its usage, then releases; when the kernel
 * kills it, the test fails.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "extra.h"
#include "surefree.h"

#define MIB ((size_t)1 << 20)
#define LIMIT_LEN (48 * MIB)
#define NR_MAPS 4096

static const struct {
	const char *parent;
	const char *limit_file;
	const char *usage_file;
} layouts[] = {
	{ "/sys/fs/cgroup/memory", "memory.limit_in_bytes",
	  "memory.usage_in_bytes" },
	{ "/sys/fs/cgroup", "memory.max", "memory.current" },
};

static char group[128];
static char usage_path[192];

static bool write_file(const char *dir, const char *name, const char *text)
{
	char path[192];
	bool written;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return written;
}

static size_t usage(void)
{
	char text[32];
	ssize_t n;
	int fd = open(usage_path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtoul(text, NULL, 10);
}

/* Make a group with a limit, in either layout. */
static bool make_group(void)
{
	char limit[32];

	snprintf(limit, sizeof(limit), "%zu", LIMIT_LEN);
	for (size_t i = 0; i < TEST_COUNT(layouts); i++) {
		write_file(layouts[i].parent, "cgroup.subtree_control",
			   "+memory");
		snprintf(group, sizeof(group), "%s/surefree-test-%d",
			 layouts[i].parent, getpid());
		snprintf(usage_path, sizeof(usage_path), "%s/%s", group,
			 layouts[i].usage_file);
		if (mkdir(group, 0755) != 0)
			continue;
		if (write_file(group, layouts[i].limit_file, limit) &&
		    usage() < LIMIT_LEN && access(usage_path, R_OK) == 0) {
			write_file(group, "memory.swap.max", "0");
			return true;
		}
		rmdir(group);
	}
	return false;
}

struct work {
	char *maps[NR_MAPS];
	size_t nr;
	char *spare; /* mapped, never touched */
	char *sparse; /* one page of each 2 MiB touched */
};

static bool enter_group(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	return write_file(group, "cgroup.procs", pid) ||
	       write_file(group, "tasks", pid);
}

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
			if (usage() + 256 * 1024 > LIMIT_LEN) {
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
	size_t before = usage();

	/* Every second page: the middle, which munmap() cannot. */
	for (size_t i = 0; i < work->nr; i++)
		for (size_t at = 0; at < len; at += 2 * page)
			surefree_unmap(work->maps[i] + at, page);
	CHECK_LT(usage(), before - before / 4);
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

	if (!enter_group())
		return 77;
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
	int result;

	if (!make_group())
		SKIP("no memory cgroup can be made here");
	result = test_in_child(fn, &len);
	for (int i = 0; i < 1000 && rmdir(group) != 0 && errno == EBUSY; i++)
		;
	if (result == 77)
		SKIP("the memory cgroup cannot be entered");
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
