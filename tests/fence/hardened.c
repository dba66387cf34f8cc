// SPDX-License-Identifier: MIT
/*
 * SUREFREE_OPTIONS=hardened,retain=4M: where blocks are is left to chance, what
 * is freed is zero and nobody's for a while, within the bound.
 */
#include "test.h"

#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aborts.h"
#include "said.h"
#include "surefree.h"

#define RETAIN_LEN ((size_t)4 << 20)
#define NR	   40
#define OFFSET(p)  ((unsigned)((uintptr_t)(p)&0xffff))

static void print_offsets(void)
{
	for (size_t i = 0; i < NR; i++)
		fprintf(stderr, "%x ", OFFSET(said_block(100)));
}

static void start_again(void)
{
	char *args[] = { (char *)"hardened", (char *)"[offsets]", NULL };

	execv("/proc/self/exe", args);
	_exit(TEST_CHILD_FAILED);
}

static void placement_differs_between_runs(void)
{
	char first[1024];
	char second[1024];

	CHECK_EQ(aborts_capture(start_again, first, sizeof(first)), 0);
	CHECK_EQ(aborts_capture(start_again, second, sizeof(second)), 0);
	CHECK_GT(strlen(first), NR);
	CHECK_NE(strcmp(first, second), 0);
}

static void placement_differs_between_children(void)
{
	char first[1024];
	char second[1024];

	CHECK_EQ(aborts_capture(print_offsets, first, sizeof(first)), 0);
	CHECK_EQ(aborts_capture(print_offsets, second, sizeof(second)), 0);
	CHECK_GT(strlen(first), NR);
	CHECK_NE(strcmp(first, second), 0);
}

static void blocks_do_not_follow_each_other(void)
{
	char *last = said_block(100);
	size_t nr_next = 0;

	for (size_t i = 0; i < 200; i++) {
		char *p = said_block(100);

		nr_next += p == last + malloc_usable_size(last);
		last = p;
	}
	CHECK_LT(nr_next, 40);
}

static void a_freed_block_is_zero_and_nobodys_for_a_while(void)
{
	for (size_t size = 8; size <= 20000; size *= 3) {
		char *p = said_block(size);
		size_t nr = 0;

		free(p);
		while (nr < size && ((volatile char *)p)[nr] == 0)
			nr++;
		CHECK_EQ(nr, size);
		for (nr = 0; nr < 40; nr++)
			if (said_block(size) == p)
				break;
		CHECK_EQ(nr, 40);
	}
}

static struct surefree_stats get_stats(void)
{
	int (*function)(struct surefree_stats *);
	struct surefree_stats stats = { .size = sizeof(stats) };

	*(void **)&function = dlsym(RTLD_DEFAULT, "surefree_stats");
	CHECK_OK(function(&stats));
	return stats;
}

static void the_quarantine_keeps_the_bound(void)
{
	static char *blocks[2000];
	size_t rss;

	for (size_t round = 0; round < 5; round++) {
		for (size_t i = 0; i < TEST_COUNT(blocks); i++)
			blocks[i] = said_block(1000 * (1 + i % 50));
		for (size_t i = 0; i < TEST_COUNT(blocks); i++)
			free(blocks[i]);
		CHECK_LE(get_stats().retained_len, RETAIN_LEN);
	}
	CHECK_LE(get_stats().retained_peak_len, RETAIN_LEN);
	rss = test_rss_anon();
	CHECK_LE(rss, RETAIN_LEN * 2);
	malloc_trim(0);
	CHECK_EQ(get_stats().retained_len, 0);
	CHECK_LE(test_rss_anon(), rss);
}

static const struct test tests[] = {
	{ "placement differs between runs", placement_differs_between_runs },
	{ "placement differs between children",
	  placement_differs_between_children },
	{ "blocks do not follow each other", blocks_do_not_follow_each_other },
	{ "a freed block is zero, and nobody's for a while",
	  a_freed_block_is_zero_and_nobodys_for_a_while },
	{ "the quarantine keeps the bound", the_quarantine_keeps_the_bound },
};

static const struct test again[] = {
	{ "[offsets]", print_offsets },
};

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "[offsets]") == 0)
		return test_main(argc, argv, again, 1);
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
