// SPDX-License-Identifier: MIT
/* The table of ranges: against an array of bytes, and beyond its storage. */
#include "mmap/ranges.h"

#include <string.h>

#include "test.h"
#include "vm/state.h"

#define NR_UNITS 2000

static struct sf_ranges table;
static unsigned char model[NR_UNITS];

static void compare(void)
{
	size_t len = 0;

	sf_ranges_check(&table);
	for (size_t i = 0; i < NR_UNITS; i++) {
		const struct sf_range *found = sf_ranges_find(&table, i, i + 1);

		if (!CHECK_EQ(found != NULL, model[i]))
			return;
		len += model[i];
	}
	CHECK_EQ(sf_ranges_len(&table), len);
}

static void random_changes_agree(void)
{
	struct test_rng rng = test_rng(test_seed());

	sf_state_init();
	for (int i = 0; i < 3000 && !test_failed(); i++) {
		size_t at = test_rand_below(&rng, NR_UNITS - 20);
		size_t nr = 1 + test_rand_below(&rng, 20);
		bool add = test_rand_below(&rng, 2) == 0;

		if (add)
			CHECK(sf_ranges_add(&table, at, at + nr));
		else
			sf_ranges_cut(&table, at, at + nr);
		memset(&model[at], add, nr);
		if (i % 50 == 0)
			compare();
	}
	compare();
}

static void it_grows(void)
{
	size_t nr = 20 * SF_RANGES_FIRST;

	sf_state_init();
	for (size_t i = nr; i > 0; i--)
		CHECK(sf_ranges_add(&table, 4 * i, 4 * i + 2));
	CHECK_EQ(sf_ranges_nr(&table), nr);
	sf_ranges_check(&table);
	for (size_t i = 1; i <= nr; i++) {
		const struct sf_range *found = sf_ranges_find(&table, 4 * i,
							      4 * i + 1);

		if (!CHECK(found != NULL) || !CHECK_EQ(found->start, 4 * i))
			return;
	}
	sf_ranges_cut(&table, 0, 4 * nr + 2);
	CHECK_EQ(sf_ranges_nr(&table), 0);
}

static void what_touches_becomes_one(void)
{
	sf_state_init();
	CHECK(sf_ranges_add(&table, 10, 20));
	CHECK(sf_ranges_add(&table, 30, 40));
	CHECK(sf_ranges_add(&table, 20, 30));
	CHECK_EQ(sf_ranges_nr(&table), 1);
	CHECK_EQ(sf_ranges_len(&table), 30);
}

static void each_has_its_turn(void)
{
	struct sf_range range;
	uintptr_t seen = 0;

	sf_state_init();
	CHECK(!sf_ranges_next(&table, &range));
	for (uintptr_t i = 0; i < 3; i++)
		CHECK(sf_ranges_add(&table, 10 * i + 10, 10 * i + 11));
	for (int i = 0; i < 3; i++)
		if (CHECK(sf_ranges_next(&table, &range)))
			seen += range.start;
	CHECK_EQ(seen, 60);
}

static const struct test tests[] = {
	{ "random changes agree with a model", random_changes_agree },
	{ "it grows", it_grows },
	{ "what touches becomes one", what_touches_becomes_one },
	{ "each has its turn", each_has_its_turn },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
