// SPDX-License-Identifier: MIT
/*
 * What the heap profile samples: that who reads it can tell from the samples
 * what the program did.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "heap.h"
#include "observe.h"
#include "test.h"

#define NR_THREADS 4

/*
 * Cases: each in a process of its own
 */

static void check_exact(void)
{
	struct heap_counts of;

	heap_begin("exact");
	heap_fill();
	heap_end();
	of = heap_of_take("exact");
	CHECK_EQ(of.nr_all, HEAP_NR_BLOCKS);
	CHECK_EQ(of.all_len, HEAP_NR_BLOCKS * HEAP_BLOCK_LEN);
	CHECK_EQ(of.nr_used, HEAP_NR_BLOCKS / 4 * 3);
	CHECK_EQ(of.used_len, HEAP_NR_BLOCKS / 4 * 3 * HEAP_BLOCK_LEN);
}

/* Samples are of blocks of one size: each stands for mean / size of them. */
static void check_estimate(void)
{
	double each = 1 / (1 - __builtin_exp(-HEAP_BLOCK_LEN / 8192.0));
	struct heap_counts of;

	heap_begin("estimate");
	heap_fill();
	heap_end();
	of = heap_of_take("estimate");
	/* Some 2400 samples: a tenth is 5 standard deviations. */
	CHECK_GT((double)of.nr_all * each, HEAP_NR_BLOCKS * 0.9);
	CHECK_LT((double)of.nr_all * each, HEAP_NR_BLOCKS * 1.1);
	CHECK_GT((double)of.nr_used * each, HEAP_NR_BLOCKS * 0.75 * 0.9);
	CHECK_LT((double)of.nr_used * each, HEAP_NR_BLOCKS * 0.75 * 1.1);
	CHECK_EQ(of.all_len, of.nr_all * HEAP_BLOCK_LEN);
}

/* Whatever way a block comes and goes, nothing is left. */
static void come_and_go(void)
{
	static const size_t lens[] = { 100, 600, 5000, 40000, 3000000 };

	for (size_t i = 0; i < TEST_COUNT(lens); i++) {
		size_t len = lens[i];
		void *volatile p;

		p = malloc(len);
		p = realloc(p, len + 8);
		p = realloc(p, len * 3);
		p = realloc(p, len / 2);
		free(p);
		p = calloc(3, len);
		free(p);
		p = aligned_alloc(256, len);
		free(p);
		p = realloc(NULL, len);
		CHECK(realloc(p, 0) == NULL);
	}
}

static void check_nothing_left(void)
{
	struct heap_profile profile;

	heap_begin("nothing");
	come_and_go();
	heap_end();
	if (!heap_read("nothing", &profile))
		return;
	CHECK_EQ(profile.all.nr_used, 0);
	CHECK_EQ(profile.all.used_len, 0);
	CHECK_GE(profile.all.nr_all, 5 * 4);
	CHECK_EQ(profile.mean, 1);
}

static void *take_and_free(void *arg)
{
	size_t first = *(const size_t *)arg;

	for (size_t i = first; i < HEAP_NR_BLOCKS; i += NR_THREADS) {
		/* What another thread took is freed here. */
		free(heap_blocks[i]);
		heap_blocks[i] = heap_take(HEAP_BLOCK_LEN);
		free(heap_take(HEAP_BLOCK_LEN));
	}
	return NULL;
}

static void check_threads(void)
{
	pthread_t threads[NR_THREADS];
	size_t first[NR_THREADS];
	struct heap_counts of;

	heap_begin("threads");
	for (size_t i = 0; i < HEAP_NR_BLOCKS; i++)
		heap_blocks[i] = heap_take(HEAP_BLOCK_LEN);
	for (size_t i = 0; i < NR_THREADS; i++) {
		first[i] = i;
		CHECK_EQ(pthread_create(&threads[i], NULL, take_and_free,
					&first[i]),
			 0);
	}
	for (size_t i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	heap_end();
	of = heap_of_take("threads");
	CHECK_EQ(of.nr_all, 3 * HEAP_NR_BLOCKS);
	CHECK_EQ(of.nr_used, HEAP_NR_BLOCKS);
}

static void check_full_table(void)
{
	struct surefree_stats stats = { .size = sizeof(stats) };
	struct heap_counts of;

	heap_begin("full");
	for (size_t i = 0; i < HEAP_MANY; i++)
		heap_blocks[i] = heap_take(16);
	CHECK_OK(observe_stats(&stats));
	CHECK_GE(stats.nr_samples_lost, HEAP_MANY - HEAP_TABLE_LEN);
	CHECK_LE(stats.nr_samples, HEAP_TABLE_LEN);
	for (size_t i = 0; i < HEAP_MANY; i++)
		free(heap_blocks[i]);
	heap_end();
	of = heap_of_take("full");
	CHECK_EQ(of.nr_used, 0);
	CHECK_GE(of.nr_all, HEAP_TABLE_LEN - 100);
	/* There is room again. */
	check_exact();
}

static const struct observe_case cases[] = {
	{ "exact", check_exact },
	{ "estimate", check_estimate },
	{ "nothing_left", check_nothing_left },
	{ "threads", check_threads },
	{ "full_table", check_full_table },
	{ "fill", heap_fill },
};

/*
 * Tests
 */

#define TEST_CASE(function, options, name)     \
	static void function(void)             \
	{                                      \
		heap_make_dir();               \
		heap_run(NULL, options, name); \
		CHECK_STR(heap_words, "");     \
		heap_remove_dir();             \
	}

TEST_CASE(every_block_is_sampled, "sample=1", "exact")
TEST_CASE(a_sample_stands_for_many_blocks, "sample=8K", "estimate")
TEST_CASE(blocks_come_and_go, "sample=1", "nothing_left")
TEST_CASE(threads_share_a_profile, "sample=1", "threads")
TEST_CASE(a_full_table_drops_samples, "sample=1", "full_table")

static void google_pprof_reads_it(void)
{
	char command[512];
	char *line = NULL;
	size_t len = 0;
	FILE *out;
	double total = 0;

	if (system("command -v google-pprof >/dev/null") != 0)
		SKIP("no google-pprof");
	heap_make_dir();
	heap_run("heap", "sample=64K", "fill");
	snprintf(command, sizeof(command),
		 "google-pprof --text /proc/%d/exe %s 2>&1", (int)getpid(),
		 heap_file_name("heap"));
	out = popen(command, "r");
	while (CHECK(out != NULL) && getline(&line, &len, out) > 0)
		sscanf(line, "Total: %lf MB", &total);
	pclose(out);
	free(line);
	/* 14.3 MiB in use; some 230 samples. */
	CHECK_GT(total, 9);
	CHECK_LT(total, 20);
	heap_remove_dir();
}

static const struct test tests[] = {
	{ "every block is sampled", every_block_is_sampled },
	{ "a sample stands for many blocks", a_sample_stands_for_many_blocks },
	{ "blocks come and go", blocks_come_and_go },
	{ "threads share a profile", threads_share_a_profile },
	{ "a full table drops samples", a_full_table_drops_samples },
	{ "google-pprof reads it", google_pprof_reads_it },
};

int main(int argc, char **argv)
{
	observe_cases(argc, argv, cases, TEST_COUNT(cases));
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
