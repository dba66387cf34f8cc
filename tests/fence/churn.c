// SPDX-License-Identifier: MIT
/*
 * In every mode: blocks keep their bytes, and those of calloc() are zero,
 * whatever other threads and forked children do.
 */
#include "test.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "said.h"

#define NR_HELD	   300
#define NR_THREADS 4
#define NR_ROUNDS  10000

/* Mostly small, some large. */
static size_t random_size(struct test_rng *rng)
{
	size_t max = (size_t)64 << test_rand_below(rng, 12);

	return sizeof(size_t) + test_rand_below(rng, max);
}

static void fill(char *p, size_t size, unsigned byte)
{
	memset(p, (int)byte, size);
	memcpy(p, &size, sizeof(size));
}

static bool is_filled(const char *p, unsigned byte)
{
	size_t size;

	memcpy(&size, p, sizeof(size));
	for (size_t i = sizeof(size); i < size; i++)
		if (p[i] != (char)byte)
			return false;
	return true;
}

static bool is_zero(const char *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* Replace a block, or NULL, by one of another size. Whether all was well. */
static bool replace(char **p, unsigned byte, struct test_rng *rng)
{
	size_t size = random_size(rng);
	bool ok = *p == NULL || is_filled(*p, byte);

	switch (test_rand_below(rng, 4)) {
	case 0:
		*p = realloc(*p, size);
		break;
	case 1:
		free(*p);
		*p = calloc(size, 1);
		ok = ok && *p != NULL && is_zero(*p, size);
		break;
	case 2:
		free(*p);
		*p = memalign((size_t)16 << test_rand_below(rng, 10), size);
		break;
	default:
		free(*p);
		*p = malloc(size);
	}
	if (*p == NULL)
		return false;
	fill(*p, size, byte);
	return ok;
}

static int churn(void *arg)
{
	struct test_rng rng = test_rng(test_seed() + (uintptr_t)arg);
	unsigned byte = 1 + (unsigned)(uintptr_t)arg;
	char *held[NR_HELD] = { 0 };
	size_t nr_bad = 0;

	for (size_t i = 0; i < NR_ROUNDS; i++)
		nr_bad += !replace(&held[test_rand_below(&rng, NR_HELD)], byte,
				   &rng);
	for (size_t i = 0; i < NR_HELD; i++)
		free(held[i]);
	CHECK_EQ(nr_bad, 0);
	return 0;
}

static void *run_churn(void *arg)
{
	churn(arg);
	return NULL;
}

static void threads_and_children_keep_their_blocks(void)
{
	pthread_t threads[NR_THREADS];

	for (uintptr_t i = 0; i < NR_THREADS; i++)
		CHECK_OK(pthread_create(&threads[i], NULL, run_churn,
					(void *)i));
	for (uintptr_t i = 0; i < 5; i++)
		CHECK_EQ(test_in_child(churn, (void *)(50 + i)), 0);
	for (size_t i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
}

/* Blocks of one thread that another frees. */
static void *passed[2][NR_HELD];
static pthread_barrier_t barrier;

static void *pass_on(void *arg)
{
	size_t me = (uintptr_t)arg;

	for (size_t round = 0; round < 50; round++) {
		for (size_t i = 0; i < NR_HELD; i++) {
			free(passed[me][i]);
			passed[me][i] = said_block(16 + i * 37 % 3000);
		}
		pthread_barrier_wait(&barrier);
		for (size_t i = 0; i < NR_HELD; i++) {
			free(passed[!me][i]);
			passed[!me][i] = NULL;
		}
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void threads_free_blocks_of_others(void)
{
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 2);
	CHECK_OK(pthread_create(&thread, NULL, pass_on, (void *)1));
	pass_on((void *)0);
	pthread_join(thread, NULL);
	malloc_trim(0);
}

static const struct test tests[] = {
	{ "threads and children keep their blocks",
	  threads_and_children_keep_their_blocks },
	{ "threads free blocks of others", threads_free_blocks_of_others },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
