// SPDX-License-Identifier: MIT
/*
 * A thread that frees and allocates large blocks in turn keeps the last ones in
 * its heap: they count as retained and not as blocks, and go back by
 * malloc_trim(0), at the end of the thread, in a forked child that does not
 * have the thread, and where nothing may be retained.
 */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "release.h"

#define LEN	   MIB
#define NR_TURNS   8
#define NR_THREADS 4
/* What describes blocks, and the heaps of the threads. */
#define SLACK_LEN (MIB / 2)

static void *taken[NR_THREADS];

/* In turn, so that the block is kept from the second time on. */
static void take_turns(size_t index)
{
	for (int i = 0; i < NR_TURNS; i++) {
		char *p = malloc(LEN);

		if (!CHECK(p != NULL))
			return;
		release_touch(p, LEN);
		taken[index] = p;
		free(p);
	}
}

static void take_turns_here(void)
{
	take_turns(0);
	malloc_trim(0);
	release_mark();
	take_turns(0);
}

static void check_trimmed(void)
{
	malloc_trim(0);
	CHECK_EQ(release_stats().retained_len, 0);
	release_check(release_resident(), SLACK_LEN, "after malloc_trim(0)");
}

static void a_kept_block_is_retained_memory(void)
{
	struct surefree_stats before;
	struct surefree_stats now;
	uint64_t nr_maps;
	char *p;

	malloc_trim(0);
	before = release_stats();
	take_turns_here();
	now = release_stats();
	CHECK_GE(now.retained_len, LEN);
	CHECK_EQ(now.malloc_large_len, before.malloc_large_len);
	CHECK_EQ(now.used_len, before.used_len);
	nr_maps = now.nr_maps;

	/* Nothing was mapped for it, and its pages are still here. */
	p = malloc(LEN);
	CHECK(p == taken[0]);
	CHECK(release_is_touched(p, LEN));
	now = release_stats();
	CHECK_EQ(now.nr_maps, nr_maps);
	CHECK_EQ(now.malloc_large_len, before.malloc_large_len + LEN);
	free(p);
	check_trimmed();
}

static void a_kept_block_is_zero_for_calloc(void)
{
	char *p;

	take_turns_here();
	p = calloc(1, LEN - 100);
	CHECK(p == taken[0]);
	for (size_t i = 0; i < LEN - 100; i++)
		if (!CHECK_EQ(p[i], 0))
			break;
	free(p);
	check_trimmed();
}

/* Blocks that nobody asks for again, of the same length and of others. */
static void a_thread_that_only_frees_keeps_none(void)
{
	static const size_t lens[] = { LEN, 64 * KIB, LEN / 2 };
	static void *blocks[64 * MIB / (64 * KIB)];

	for (size_t i = 0; i < TEST_COUNT(lens); i++) {
		size_t nr = 64 * MIB / lens[i];
		uint64_t nr_unmaps;

		take_turns_here();
		for (size_t k = 0; k < nr; k++)
			blocks[k] = malloc(lens[i]);
		nr_unmaps = release_stats().nr_unmaps;
		for (size_t k = 0; k < nr; k++)
			free(blocks[k]);
		/* All went to the pool, to be kept there or not. */
		CHECK_GE(release_stats().nr_unmaps, nr_unmaps + nr);
		check_trimmed();
	}
}

static bool start_threads(void)
{
	release_crew_start(NR_THREADS);
	release_crew_do(0, NR_THREADS - 1, take_turns);
	malloc_trim(0);
	release_mark();
	release_crew_do(0, NR_THREADS - 1, take_turns);
	return CHECK_GE(release_stats().retained_len, NR_THREADS * LEN);
}

static void idle_threads_keep_none_after_a_trim(void)
{
	if (start_threads())
		check_trimmed();
	release_crew_end();
}

/* Their blocks are in the pool, where this thread finds them. */
static void threads_that_ended_keep_none(void)
{
	char *p;

	if (!start_threads())
		return;
	release_crew_end();
	CHECK_LE(release_stats().retained_len, RETAIN_DEFAULT);
	p = malloc(NR_THREADS * LEN);
	CHECK(p != NULL);
	free(p);
	check_trimmed();
}

static int look_in_child(void *arg)
{
	char *p;

	(void)arg;
	/* This thread's is here. */
	p = malloc(LEN);
	CHECK(p == taken[0]);
	CHECK(release_is_touched(p, LEN));
	free(p);
	malloc_trim(0);
	CHECK_EQ(release_stats().retained_len, 0);
	return test_failed();
}

static void a_forked_child_has_its_own_and_no_others(void)
{
	if (start_threads()) {
		take_turns(0);
		CHECK_EQ(test_in_child(look_in_child, NULL), 0);
		/* The child's trimming is not the parent's. */
		CHECK_GE(release_stats().retained_len, NR_THREADS * LEN);
		check_trimmed();
	}
	release_crew_end();
}

static void run_case(void)
{
	take_turns_here();
	CHECK_EQ(release_stats().retained_len, 0);
	release_check(release_resident(), SLACK_LEN, "nothing may be kept");
}

static void none_is_kept_where_none_may_be(void)
{
	release_again("retain=0", "retain");
}

static const struct test tests[] = {
	{ "a kept block counts as retained, and is taken again with its pages",
	  a_kept_block_is_retained_memory },
	{ "a kept block reads as zeros when calloc() takes it",
	  a_kept_block_is_zero_for_calloc },
	{ "a thread that only frees keeps none",
	  a_thread_that_only_frees_keeps_none },
	{ "threads that are idle keep none after malloc_trim(0)",
	  idle_threads_keep_none_after_a_trim },
	{ "threads that ended keep none", threads_that_ended_keep_none },
	{ "a forked child has its own thread's and no others",
	  a_forked_child_has_its_own_and_no_others },
	{ "none is kept where none may be retained",
	  none_is_kept_where_none_may_be },
};

int main(int argc, char **argv)
{
	if (release_case(argc, argv) == NULL)
		return test_main(argc, argv, tests, TEST_COUNT(tests));
	run_case();
	return release_case_result();
}
