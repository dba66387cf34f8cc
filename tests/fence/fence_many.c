// SPDX-License-Identifier: MIT
/*
 * SUREFREE_OPTIONS=fence: no number of blocks needs a mapping, and no address
 * is handed out twice while there are others.
 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#define NR_FREED ((size_t)1000000)
#define NR_USED	 ((size_t)100000)
#define STEP	 1009 /* every so many is looked at */

static char *used[NR_USED];
static char *freed[NR_FREED / STEP + 1];

static bool take_all(void)
{
	for (size_t i = 0; i < NR_USED; i++) {
		used[i] = malloc(32);
		if (!CHECK(used[i] != NULL))
			return false;
		memset(used[i], 1, 32);
	}
	return true;
}

/* Each is freed before the next is taken: addresses might be the same. */
static bool take_and_free_many(void)
{
	char *last = used[NR_USED - 1];
	size_t nr_again = 0;

	for (size_t i = 0; i < NR_FREED; i++) {
		char *p = malloc(32);

		if (!CHECK(p != NULL))
			return false;
		nr_again += p <= last;
		last = p;
		if (i % STEP == 0)
			freed[i / STEP] = p;
		free(p);
	}
	CHECK_EQ(nr_again, 0);
	return true;
}

static void check_traps(void)
{
	size_t nr_open = 0;

	for (size_t i = 0; i < NR_FREED; i += STEP)
		nr_open += test_touches(freed[i / STEP]) == 0;
	CHECK_EQ(nr_open, 0);
	for (size_t i = 0; i < NR_USED; i += STEP)
		nr_open += test_touches(used[i] + 32) == 0;
	CHECK_EQ(nr_open, 0);
}

static void a_million_blocks_need_no_mapping(void)
{
	long nr;

	if (!test_fill(0))
		return;
	nr = test_mappings();
	if (!take_all() || !take_and_free_many())
		return;
	CHECK_EQ(test_mappings(), nr);
	test_unfill();
	if (test_has_guard())
		check_traps();
	for (size_t i = 0; i < NR_USED; i++)
		free(used[i]);
	CHECK_EQ(test_resident(used[0], 8192), 0);
}

static const struct test tests[] = {
	{ "a million blocks need no mapping",
	  a_million_blocks_need_no_mapping },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
