// SPDX-License-Identifier: MIT
/*
 * SUREFREE_OPTIONS=fence,region=64M: when the addresses are used up, those of
 * freed blocks serve again, the oldest first; blocks in use keep their bytes
 * whatever other threads and forked children do.
 */
#include "test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define REGION_LEN ((size_t)64 << 20)
#define NR_HELD	   500
#define NR_THREADS 4
#define NR_ROUNDS  20000

static void the_oldest_address_is_used_first(void)
{
	char *first = malloc(1);
	char *kept = malloc(1);
	char *second = malloc(1);
	size_t nr_before = 0;
	char *p;

	free(first);
	free(second);
	/* A page and its guard each. */
	for (;; nr_before++) {
		p = malloc(1);
		if (p == first || nr_before > REGION_LEN / test_page())
			break;
		free(p);
	}
	CHECK_EQ(p, first);
	CHECK_GT(nr_before, REGION_LEN / test_page() / 4);
	CHECK_EQ(malloc(1), second);
	CHECK_EQ(test_touches(kept), 0);
	if (test_has_guard())
		CHECK_NE(test_touches(kept + 16), 0);
}

static void two_freed_blocks_make_room_for_a_larger_one(void)
{
	size_t nr_bad = 0;

	for (size_t i = 0; i < 30000; i++) {
		size_t size = 1 + i * 7919 % (5 * test_page());
		char *p = calloc(1, size);

		nr_bad += p == NULL || p[0] != 0 || p[size - 1] != 0;
		memset(p, 1, size);
		free(p);
	}
	CHECK_EQ(nr_bad, 0);
}

static void more_than_the_region_is_had(void)
{
	char *p[4];

	for (size_t i = 0; i < TEST_COUNT(p); i++) {
		p[i] = malloc(REGION_LEN / 2 + 1);
		if (!CHECK(p[i] != NULL))
			return;
		p[i][REGION_LEN / 2] = 1;
	}
	for (size_t i = 0; i < TEST_COUNT(p); i++)
		free(p[i]);
	CHECK(malloc((size_t)1 << 60) == NULL);
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

/* Blocks of random sizes, each filled while it is held. */
static int churn(void *arg)
{
	struct test_rng rng = test_rng(test_seed() + (uintptr_t)arg);
	unsigned byte = 1 + (unsigned)(uintptr_t)arg;
	char *held[NR_HELD] = { 0 };
	size_t nr_bad = 0;

	for (size_t i = 0; i < NR_ROUNDS; i++) {
		char **p = &held[test_rand_below(&rng, NR_HELD)];
		size_t size = 8 + test_rand_below(&rng, 9000);

		nr_bad += *p != NULL && !is_filled(*p, byte);
		free(*p);
		*p = malloc(size);
		if (*p != NULL)
			fill(*p, size, byte);
		nr_bad += *p == NULL;
	}
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
	for (uintptr_t i = 0; i < 10; i++)
		CHECK_EQ(test_in_child(churn, (void *)(50 + i)), 0);
	for (size_t i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
}

static const struct test tests[] = {
	{ "the oldest address is used first",
	  the_oldest_address_is_used_first },
	{ "two freed blocks make room for a larger one",
	  two_freed_blocks_make_room_for_a_larger_one },
	{ "more than the region is had", more_than_the_region_is_had },
	{ "threads and children keep their blocks",
	  threads_and_children_keep_their_blocks },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
