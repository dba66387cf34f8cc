// SPDX-License-Identifier: MIT
/*
 * os/maps and os/pagemap: what they read of this and of other processes is
 * what the kernel knows.
 */
#include "os/maps.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/page.h"
#include "os/pagemap.h"
#include "test.h"

static char *map_pages(size_t nr, int prot)
{
	return mmap(NULL, nr * test_page(), prot, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
}

static void the_count_is_the_kernels(void)
{
	size_t nr = 0;

	CHECK_EQ(sf_maps_count(0, &nr), 0);
	CHECK_EQ(nr, test_mappings());
	for (long spare = 0; spare <= 2; spare++) {
		if (!test_fill(spare))
			return;
		CHECK_EQ(sf_maps_count(0, &nr), 0);
		CHECK_EQ(nr, test_limit() - spare);
	}
	test_unfill();
}

static void note_pause(void *arg)
{
	++*(size_t *)arg;
}

static void a_paced_count_is_the_same_and_pauses(void)
{
	size_t nr = 0;
	size_t nr_pauses = 0;

	if (!test_fill(2))
		return;
	CHECK_EQ(sf_maps_count_paced(0, &nr, note_pause, &nr_pauses), 0);
	CHECK_EQ(nr, test_limit() - 2);
	CHECK(nr_pauses >= nr / 100);
	test_unfill();
}

static void another_process_is_counted(void)
{
	int fds[2];
	size_t nr = 0;
	char byte;
	pid_t pid;

	if (test_emulated())
		SKIP("an emulator's mappings cannot be counted");
	if (!CHECK_OK(pipe(fds)))
		return;
	pid = fork();
	if (pid == 0) {
		/* Lives until the other end is closed. */
		close(fds[1]);
		_exit((int)read(fds[0], &byte, 1));
	}
	close(fds[0]);
	CHECK_EQ(sf_maps_count(pid, &nr), 0);
	CHECK_EQ(nr, test_mappings());
	close(fds[1]);
	waitpid(pid, NULL, 0);
	CHECK_LT(sf_maps_count(pid, &nr), 0);
}

static void a_mapping_is_found_by_any_address(void)
{
	size_t page = test_page();
	char *p = map_pages(16, PROT_NONE);
	struct sf_mapping found;

	if (!CHECK(p != MAP_FAILED))
		return;
	CHECK_OK(mprotect(p + 4 * page, 4 * page, PROT_READ | PROT_WRITE));
	CHECK_OK(mprotect(p + 8 * page, 4 * page, PROT_READ));
	for (size_t at = 4 * page; at < 8 * page; at += page / 2) {
		if (!CHECK_EQ(sf_maps_find((uintptr_t)p + at, &found), 0))
			return;
		CHECK_EQ(found.start, p + 4 * page);
		CHECK_EQ(found.end, p + 8 * page);
		CHECK_EQ(found.prot, PROT_READ | PROT_WRITE);
	}
	CHECK_EQ(sf_maps_find((uintptr_t)p + 8 * page, &found), 0);
	CHECK_EQ(found.prot, PROT_READ);
	CHECK_EQ(sf_maps_find((uintptr_t)p, &found), 0);
	CHECK_EQ(found.prot, PROT_NONE);
	CHECK_OK(munmap(p, 16 * page));
	CHECK_EQ(sf_maps_find((uintptr_t)p + page, &found), -ENOENT);
	CHECK_EQ(sf_maps_find(1, &found), -ENOENT);
}

static void a_mapping_is_found_at_the_limit(void)
{
	static char here[2 * 65536];
	struct sf_mapping found;

	if (!test_fill(0))
		return;
	CHECK_EQ(sf_maps_find((uintptr_t)here, &found), 0);
	CHECK_LE(found.start, here);
	CHECK_GT(found.end, here);
	test_unfill();
}

static void page_tables_and_resident_bytes_are_read(void)
{
	size_t len = (size_t)8 << 20;
	size_t tables = 0;
	size_t before = 0;
	size_t after = 0;
	char *p;

	CHECK_EQ(sf_maps_page_tables(&tables), 0);
	CHECK_EQ(tables, test_status("VmPTE"));
	CHECK_EQ(sf_maps_resident(&before), 0);
	p = map_pages(len / test_page(), PROT_READ | PROT_WRITE);
	if (!CHECK(p != MAP_FAILED))
		return;
	for (size_t at = 0; at < len; at += test_page())
		p[at] = 1;
	CHECK_EQ(sf_maps_resident(&after), 0);
	/* The kernel's counter is behind by up to 64 pages a CPU. */
	CHECK_GE(after - before, len - len / 4);
	CHECK_LE(after - before, len + len / 4);
}

#define NR_KINDS 5

/* One page of each kind, again and again. */
static char *map_mixed(size_t nr)
{
	size_t page = test_page();
	char *p = map_pages(nr, PROT_READ | PROT_WRITE);

	if (!CHECK(p != MAP_FAILED))
		return NULL;
	madvise(p, nr * page, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < nr; i++) {
		volatile char *byte = p + i * page;

		if (i % NR_KINDS == 0)
			*byte = 1;
		if (i % NR_KINDS == 1)
			(void)*byte; /* the page of zeros */
		if (i % NR_KINDS == 2) {
			*byte = 1;
			madvise(p + i * page, page, MADV_DONTNEED);
		}
	}
	return p;
}

static bool is_touched(size_t i)
{
	return i % NR_KINDS < 2;
}

static void touched_pages_are_told_apart(void)
{
	size_t page = test_page();
	size_t nr = (size_t)3 * SF_PAGEMAP_WINDOW;
	char *p = map_mixed(nr);
	struct sf_pagemap pagemap;

	if (p == NULL)
		return;
	sf_page_init();
	sf_pagemap_open(&pagemap);
	if (pagemap.fd < 0)
		test_skip("/proc/self/pagemap cannot be read");
	for (size_t i = 0; pagemap.fd >= 0 && i < nr; i++)
		CHECK_EQ(sf_pagemap_touched(&pagemap, (uintptr_t)p + i * page),
			 is_touched(i));
	sf_pagemap_close(&pagemap);
}

static void the_next_touched_pages_are_found(void)
{
	size_t page = test_page();
	size_t nr = (size_t)1 << 20;
	uintptr_t p = (uintptr_t)map_pages(nr, PROT_READ | PROT_WRITE);
	uintptr_t first = p + 1000 * page;
	uintptr_t second = p + (nr - 1) * page;
	struct sf_pagemap_run run;
	struct sf_pagemap pagemap;

	madvise((void *)p, nr * page, MADV_NOHUGEPAGE);
	memset((void *)first, 1, 2 * page);
	memset((void *)second, 1, page);
	sf_pagemap_open(&pagemap);
	if (sf_pagemap_next(&pagemap, p, first, &run) < 0)
		SKIP("this kernel has no ioctl(PAGEMAP_SCAN)");
	CHECK_EQ(sf_pagemap_next(&pagemap, p, first, &run), 0);
	CHECK_EQ(sf_pagemap_next(&pagemap, p, second + page, &run), 1);
	CHECK_EQ(run.start, first);
	CHECK_EQ(run.end, first + 2 * page);
	CHECK_EQ(sf_pagemap_next(&pagemap, run.end, second + page, &run), 1);
	CHECK_EQ(run.start, second);
	CHECK_EQ(run.end, second + page);
	CHECK_EQ(sf_pagemap_next(&pagemap, run.end - page, second, &run), 0);
	sf_pagemap_close(&pagemap);
	CHECK_LT(sf_pagemap_next(&pagemap, p, second, &run), 0);
}

/* The last window ends where nothing is mapped. */
static void without_the_file_they_are_too(void)
{
	size_t page = test_page();
	size_t nr = (size_t)3 * SF_PAGEMAP_WINDOW - 77;
	char *p = map_mixed(nr + 1);
	struct sf_pagemap pagemap = { .fd = -1 };

	if (p == NULL)
		return;
	/* The drop-in, where it is preloaded, would not have it unmapped. */
	syscall(SYS_munmap, p + nr * page, page);
	sf_page_init();
	for (size_t i = 0; i < nr; i++)
		CHECK_EQ(sf_pagemap_touched(&pagemap, (uintptr_t)p + i * page),
			 is_touched(i));
	CHECK(sf_pagemap_touched(&pagemap, (uintptr_t)p + nr * page));
}

/* As if they had been swapped out. */
static void with_swap_absent_pages_are_read(void)
{
	char *p = map_pages(2, PROT_READ | PROT_WRITE);
	struct sf_pagemap pagemap = { .fd = -1, .nr = 2, .swaps = true };

	if (!CHECK(p != MAP_FAILED))
		return;
	sf_page_init();
	pagemap.first = (uintptr_t)p >> sf_page_shift;
	p[2 * sf_page_size - 1] = 1;
	CHECK(!sf_pagemap_touched(&pagemap, (uintptr_t)p));
	CHECK(sf_pagemap_touched(&pagemap, (uintptr_t)p + sf_page_size));
}

static const struct test tests[] = {
	{ "the count is the kernel's", the_count_is_the_kernels },
	{ "a paced count is the same, and pauses",
	  a_paced_count_is_the_same_and_pauses },
	{ "another process is counted", another_process_is_counted },
	{ "a mapping is found by any address",
	  a_mapping_is_found_by_any_address },
	{ "a mapping is found at the limit", a_mapping_is_found_at_the_limit },
	{ "page tables and resident bytes are read",
	  page_tables_and_resident_bytes_are_read },
	{ "touched pages are told apart", touched_pages_are_told_apart },
	{ "the next touched pages are found",
	  the_next_touched_pages_are_found },
	{ "without the file they are, too", without_the_file_they_are_too },
	{ "with swap absent pages are read", with_swap_absent_pages_are_read },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
