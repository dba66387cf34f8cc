// SPDX-License-Identifier: MIT
/*
 * vm/plane: the bits of pages against a plain array, for every range that
 * begins and ends at or beside the border of a word or of a leaf; and leaves
 * whose pages are all alike.
 */
#include "vm/tree.h"

#include <string.h>

#include "test.h"

#define NR_READY 3
#define NR_PAGES (NR_READY * SF_LEAF_PAGES)
#define NR_ASKED (NR_PAGES + 70) /* the last are in leaves not ready */

static struct sf_tree tree;
static struct sf_leaf leaves[4];
static struct sf_lack summaries[64];
static unsigned char plain[NR_ASKED];

/* Pages around which ranges begin and end. */
static const size_t borders[] = {
	0,   1,	  63,	64,   65,   127,  128,	448,  511,  512,  513,
	575, 576, 1023, 1024, 1025, 1471, 1472, 1535, 1536, 1537, 1600,
};

static void open_tree(void)
{
	memset(leaves, 0, sizeof(leaves));
	memset(summaries, 0, sizeof(summaries));
	memset(plain, 0, sizeof(plain));
	CHECK_LE(sf_tree_summary_len(4), sizeof(summaries));
	sf_tree_init(&tree, 4, summaries, leaves, 0, 12);
	tree.nr_ready = NR_READY;
}

/* Random bits, in pieces so that words that are all alike occur. */
static void fill(struct test_rng *rng)
{
	static const unsigned char kinds[] = {
		0,
		SF_MARKED,
		SF_TAKEN,
		SF_TAKEN | SF_MARKED,
		SF_TAKEN | SF_LIVE,
		SF_TAKEN | SF_LIVE | SF_QUIET,
		SF_TAKEN | SF_LIVE | SF_MARKED,
	};
	size_t nr;

	open_tree();
	for (size_t at = 0; at < NR_PAGES; at += nr) {
		unsigned char kind = kinds[test_rand_below(rng, 7)];

		nr = sf_min(1 + test_rand_below(rng, 200), NR_PAGES - at);
		memset(plain + at, kind, nr);
		if (kind & SF_TAKEN)
			sf_tree_take(&tree, at, nr);
		sf_tree_set(&tree, at, nr, kind & ~(unsigned)SF_TAKEN);
	}
}

static void check_next(size_t first, size_t end, unsigned planes)
{
	size_t has = first;
	size_t lacks = first;

	while (has < end && !(plain[has] & planes))
		has++;
	while (lacks < end && plain[lacks] & planes)
		lacks++;
	CHECK_EQ(sf_tree_next(&tree, first, end, planes, true), has);
	CHECK_EQ(sf_tree_next(&tree, first, end, planes, false), lacks);
	CHECK_EQ(sf_tree_any(&tree, first, end - first, planes), has < end);
}

/* The same from the end on downwards. */
static void check_prev(size_t end, unsigned planes)
{
	size_t has = end;
	size_t lacks = end;

	while (has > 0 && !(plain[has - 1] & planes))
		has--;
	while (lacks > 0 && plain[lacks - 1] & planes)
		lacks--;
	CHECK_EQ(sf_tree_prev(&tree, end, planes, true),
		 has > 0 ? has - 1 : SF_NONE);
	CHECK_EQ(sf_tree_prev(&tree, end, planes, false),
		 lacks > 0 ? lacks - 1 : SF_NONE);
}

static void check_all(size_t first, size_t end, unsigned planes)
{
	size_t at = first;

	while (at < end && (plain[at] & planes) == planes)
		at++;
	CHECK_EQ(sf_tree_all(&tree, first, end - first, planes), at == end);
}

static void check_range(size_t first, size_t end)
{
	size_t at = first;

	for (unsigned planes = 1; planes < 16; planes++) {
		check_next(first, end, planes);
		check_prev(end, planes);
		check_all(first, end, planes);
	}
	while (at < end && !(plain[at] & SF_TAKEN))
		at++;
	CHECK_EQ(sf_tree_free_after(&tree, first, end - first), at - first);
}

static void every_range_reads_like_an_array(void)
{
	struct test_rng rng = test_rng(test_seed());

	for (int round = 0; round < 10 && !test_failed(); round++) {
		fill(&rng);
		for (size_t i = 0; i < TEST_COUNT(borders); i++)
			for (size_t j = i + 1; j < TEST_COUNT(borders); j++)
				check_range(borders[i], borders[j]);
		sf_tree_check(&tree);
	}
}

static void check_pages(void)
{
	for (size_t i = 0; i < NR_PAGES; i++)
		if (!CHECK_EQ(sf_tree_planes(&tree, i), plain[i]))
			return;
}

static void change(size_t first, size_t nr, unsigned planes, bool set)
{
	for (size_t i = first; i < first + nr; i++) {
		if (set)
			plain[i] |= (unsigned char)planes;
		else
			plain[i] &= (unsigned char)~planes;
	}
	if (set)
		sf_tree_set(&tree, first, nr, planes);
	else
		sf_tree_clear(&tree, first, nr, planes);
}

static void every_range_changes_like_an_array(void)
{
	struct test_rng rng = test_rng(test_seed());

	fill(&rng);
	for (size_t i = 0; i < TEST_COUNT(borders); i++) {
		for (size_t j = i + 1; j < TEST_COUNT(borders); j++) {
			unsigned planes = 2 *
					  (1 +
					   (unsigned)test_rand_below(&rng, 7));

			if (borders[j] > NR_PAGES || test_failed())
				break;
			change(borders[i], borders[j] - borders[i], planes,
			       test_rand_below(&rng, 2));
			check_pages();
		}
	}
}

static void pages_beyond_the_tree_have_no_bits(void)
{
	open_tree();
	CHECK_EQ(sf_tree_planes(&tree, NR_PAGES), 0);
	CHECK_EQ(sf_tree_planes(&tree, 4 * SF_LEAF_PAGES), 0);
	CHECK_EQ(sf_tree_planes(&tree, SF_NONE), 0);
	CHECK_EQ(sf_tree_free_after(&tree, 4 * SF_LEAF_PAGES, 1), 0);
	CHECK_EQ(sf_tree_free_after(&tree, 4 * SF_LEAF_PAGES - 3, 9), 3);
	CHECK_EQ(sf_tree_free_after(&tree, 7, 0), 0);
}

/* What sf_tree_unlive() does to [first, first + nr), and says. */
static void check_unlive(size_t first, size_t nr)
{
	unsigned had = 0;
	unsigned planes = 0;
	size_t at = first;

	for (; at < first + nr && plain[at] & SF_LIVE; at++) {
		had |= plain[at];
		plain[at] &= SF_TAKEN;
	}
	CHECK_EQ(sf_tree_unlive(&tree, first, nr, &planes),
		 at == first + nr ? SF_NONE : at);
	if (at != first + nr)
		return;
	CHECK_EQ(planes, had & (SF_MARKED | SF_QUIET));
	check_pages();
}

static void releasing_stops_at_the_first_page_not_live(void)
{
	struct test_rng rng = test_rng(test_seed());

	for (size_t i = 0; i < TEST_COUNT(borders); i++) {
		for (size_t j = i + 1; j < TEST_COUNT(borders); j++) {
			if (borders[j] > NR_PAGES || test_failed())
				break;
			open_tree();
			memset(plain, SF_TAKEN | SF_LIVE, NR_PAGES);
			sf_tree_take_live(&tree, 0, NR_PAGES, 0);
			if (test_rand_below(&rng, 2) == 0)
				change(test_rand_below(&rng, NR_PAGES), 1,
				       SF_LIVE, false);
			if (test_rand_below(&rng, 2) == 0)
				change(test_rand_below(&rng, NR_PAGES), 1,
				       SF_MARKED, true);
			check_unlive(borders[i], borders[j] - borders[i]);
		}
	}
}

static void releasing_pages_that_are_not_ready_is_refused(void)
{
	unsigned planes = 0;

	open_tree();
	sf_tree_take_live(&tree, 0, NR_PAGES, SF_QUIET);
	CHECK_EQ(sf_tree_unlive(&tree, 100, NR_PAGES, &planes), NR_PAGES);
	/* Nothing has changed. */
	CHECK(sf_tree_all(&tree, 0, NR_PAGES, SF_LIVE | SF_QUIET));
	CHECK_EQ(sf_tree_unlive(&tree, NR_PAGES, 1, &planes), NR_PAGES);
}

/* All of a leaf at once, then a part of it: the others keep what they had. */
static void leaves_alike_change_page_by_page(void)
{
	unsigned planes = 0;

	open_tree();
	sf_tree_take_live(&tree, 0, NR_PAGES, SF_QUIET);
	memset(plain, SF_TAKEN | SF_LIVE | SF_QUIET, NR_PAGES);
	check_range(0, NR_PAGES);
	check_range(700, 701);
	check_pages();

	open_tree();
	sf_tree_take_live(&tree, 0, NR_PAGES, SF_QUIET);
	CHECK_EQ(sf_tree_unlive(&tree, 512, 512, &planes), SF_NONE);
	CHECK_EQ(planes, SF_QUIET);
	memset(plain, SF_TAKEN | SF_LIVE | SF_QUIET, NR_PAGES);
	memset(plain + 512, SF_TAKEN, 512);
	check_range(0, NR_PAGES);
	sf_tree_give(&tree, 512, 512);
	memset(plain + 512, 0, 512);
	check_range(0, NR_PAGES);
	change(600, 1, SF_MARKED, true);
	sf_tree_take(&tree, 512, 512);
	for (size_t i = 512; i < 1024; i++)
		plain[i] |= SF_TAKEN;
	check_pages();
	/* Whoever is given pages finds no mark on them. */
	sf_tree_give(&tree, 512, 512);
	CHECK_EQ(sf_tree_next(&tree, 0, NR_PAGES, SF_MARKED, true), 600);
	sf_tree_take_live(&tree, 512, 512, 0);
	memset(plain + 512, SF_TAKEN | SF_LIVE, 512);
	check_pages();
	sf_tree_check(&tree);
}

/* Leaves that lie wholly in the range forget, parts of leaves don't. */
static void tables_are_noted_and_forgotten(void)
{
	open_tree();
	sf_tree_note_tables(&tree, 511, 2);
	CHECK(sf_tree_has_table(&tree, 0));
	CHECK(sf_tree_has_table(&tree, 1023));
	CHECK(!sf_tree_has_table(&tree, 1024));
	sf_tree_forget_tables(&tree, 1, 1022);
	CHECK(sf_tree_has_table(&tree, 0));
	CHECK(sf_tree_has_table(&tree, 512));
	sf_tree_forget_tables(&tree, 1, 1023);
	CHECK(sf_tree_has_table(&tree, 0));
	CHECK(!sf_tree_has_table(&tree, 512));
	sf_tree_forget_tables(&tree, 0, 512);
	CHECK(!sf_tree_has_table(&tree, 0));
}

static const struct test tests[] = {
	{ "every range reads like an array", every_range_reads_like_an_array },
	{ "every range changes like an array",
	  every_range_changes_like_an_array },
	{ "pages beyond the tree have no bits",
	  pages_beyond_the_tree_have_no_bits },
	{ "releasing stops at the first page not live",
	  releasing_stops_at_the_first_page_not_live },
	{ "releasing pages that are not ready is refused",
	  releasing_pages_that_are_not_ready_is_refused },
	{ "leaves alike change page by page",
	  leaves_alike_change_page_by_page },
	{ "tables are noted and forgotten", tables_are_noted_and_forgotten },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
