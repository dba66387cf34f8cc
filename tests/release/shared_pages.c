// SPDX-License-Identifier: MIT
/*
 * Pages whose blocks are freed in turn by the thread that allocated them and by
 * another: with the last of them, whoever frees it, they go back but for what
 * the option "retain" allows, while both threads rest.
 */
#include <stdio.h>
#include <stdlib.h>

#include "release.h"

#define TOTAL_LEN (64 * MIB)
#define NR_TURNS  3

/* What describes 64 KiB, of which small blocks use half. */
#define HEADERS_LEN (TOTAL_LEN / (32 * KIB) * 512)

/* The heaps of two threads, and a page of each size where blocks are taken. */
#define SLACK_LEN (64 * test_page())

static struct {
	size_t len;
	size_t retain_len;
	size_t first; /* the thread that begins to free */
	size_t turn;
	size_t nr_blocks;
	void **blocks;
} work;

static void allocate(size_t index)
{
	(void)index;
	for (size_t i = 0; i < work.nr_blocks; i++) {
		work.blocks[i] = malloc(work.len);
		if (!CHECK(work.blocks[i] != NULL))
			return;
		release_touch(work.blocks[i], work.len);
	}
}

/* One block in three, so that most pages have some of each turn. */
static void free_turn(size_t index)
{
	(void)index;
	for (size_t i = work.turn; i < work.nr_blocks; i += NR_TURNS)
		free(work.blocks[i]);
}

static void use_a_little(size_t index)
{
	(void)index;
	free(malloc(1));
}

/* As written by run(). */
static void run_case(const char *words)
{
	if (!CHECK_EQ(sscanf(words, "%zu %zu %zu", &work.len, &work.retain_len,
			     &work.first),
		      3))
		return;
	work.nr_blocks = TOTAL_LEN / (work.len < 64 ? 64 : work.len);
	work.blocks = release_array(work.nr_blocks, sizeof(*work.blocks));
	release_crew_start(2);
	release_crew_do(0, 1, use_a_little);
	release_mark();
	release_crew_do(0, 0, allocate);
	CHECK_GE(release_resident(), work.nr_blocks * work.len);
	for (work.turn = 0; work.turn < NR_TURNS; work.turn++) {
		size_t who = (work.first + work.turn) % 2;

		release_crew_do(who, who, free_turn);
	}
	release_check(release_resident(),
		      work.retain_len + SLACK_LEN + HEADERS_LEN, "all freed");
	CHECK_LE(release_stats().retained_len, work.retain_len);
	release_crew_end();
}

static void run(size_t first)
{
	static const size_t lens[] = { 16,   48,   64,	 200,  512,
				       1024, 3000, 4096, 5000, 20000 };

	for (size_t i = 0; i < TEST_COUNT(lens) && !test_failed(); i++) {
		release_again("retain=0", "%zu 0 %zu", lens[i], first);
		release_again("retain=1M", "%zu %zu %zu", lens[i], MIB, first);
	}
}

static void the_owner_frees_the_last(void)
{
	run(0);
}

static void another_frees_the_last(void)
{
	run(1);
}

static const struct test tests[] = {
	{ "the thread that allocated frees the last",
	  the_owner_frees_the_last },
	{ "another thread frees the last", another_frees_the_last },
};

int main(int argc, char **argv)
{
	const char *words = release_case(argc, argv);

	if (words == NULL)
		return test_main(argc, argv, tests, TEST_COUNT(tests));
	run_case(words);
	return release_case_result();
}
