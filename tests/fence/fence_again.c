// SPDX-License-Identifier: MIT
/*
 * SUREFREE_OPTIONS=fence,region=64M: when the addresses are used up, those of
 * freed blocks serve again, the oldest first.
 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#define REGION_LEN ((size_t)64 << 20)

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

static const struct test tests[] = {
	{ "the oldest address is used first",
	  the_oldest_address_is_used_first },
	{ "two freed blocks make room for a larger one",
	  two_freed_blocks_make_room_for_a_larger_one },
	{ "more than the region is had", more_than_the_region_is_had },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
