// SPDX-License-Identifier: MIT
/*
 * A forked child gives back memory as its parent did, whatever the parent's
 * threads were at when it was forked.
 */
#include "release.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define NR_BLOCKS ((size_t)64 * 1000)
#define BLOCK_LEN ((size_t)1024)
#define NOTE_EACH 64 /* one at least in each slab */
#define NR_FORKS  100
#define NR_CHURN  ((size_t)3)

static void **blocks;
static size_t step;
static atomic_bool stopping;

static void fill(void)
{
	for (size_t i = 0; i < NR_BLOCKS; i++) {
		blocks[i] = malloc(BLOCK_LEN);
		memset(blocks[i], 1, BLOCK_LEN);
	}
}

static void *free_each(void *arg)
{
	for (size_t i = 0; i < NR_BLOCKS; i += step) {
		free(blocks[i]);
		blocks[i] = NULL;
	}
	return arg;
}

static void free_by_thread(size_t each)
{
	pthread_t thread;

	step = each;
	pthread_create(&thread, NULL, free_each, NULL);
	pthread_join(thread, NULL);
}

static int fill_and_free(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++) {
		fill();
		free_by_thread(1);
		malloc_trim(0);
		CHECK_LE(release_resident(), 4 * MIB);
	}
	return 0;
}

/* Slabs that another thread freed blocks of are closed before the fork. */
static void what_threads_free_goes_back(void)
{
	blocks = release_array(NR_BLOCKS, sizeof(*blocks));
	release_mark();
	fill();
	free_by_thread(NOTE_EACH);
	step = 1;
	free_each(NULL);
	CHECK_EQ(test_in_child(fill_and_free, NULL), 0);
}

static void *churn(void *arg)
{
	struct test_rng rng = test_rng((uintptr_t)arg);
	char *own[16] = { NULL };

	while (!atomic_load(&stopping)) {
		size_t i = test_rand_below(&rng, 16);
		size_t len = 40000 + test_rand_below(&rng, 8 * MIB);

		free(own[i]);
		own[i] = malloc(len);
		own[i][0] = 1;
		own[i][len / 2] = 1;
	}
	for (size_t i = 0; i < 16; i++)
		free(own[i]);
	return NULL;
}

static int keeps_nothing(void *arg)
{
	(void)arg;
	malloc_trim(0);
	CHECK_EQ(release_stats().retained_len, 0);
	return 0;
}

static void what_is_not_kept_is_not_counted(void)
{
	pthread_t threads[NR_CHURN];

	for (size_t i = 0; i < NR_CHURN; i++)
		pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
	for (int i = 0; i < NR_FORKS && !test_failed(); i++)
		CHECK_EQ(test_in_child(keeps_nothing, NULL), 0);
	atomic_store(&stopping, true);
	for (size_t i = 0; i < NR_CHURN; i++)
		pthread_join(threads[i], NULL);
}

static const struct test tests[] = {
	{ "what threads free in a child goes back",
	  what_threads_free_goes_back },
	{ "what a child does not keep it does not count",
	  what_is_not_kept_is_not_counted },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
