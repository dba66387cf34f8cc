// SPDX-License-Identifier: MIT
/*
 * vm/tree: the tree of free runs against a plain array of pages, with random
 * operations, in trees of one to four levels.
 */
#include "vm/tree.h"

#include <stdlib.h>
#include <string.h>

#include "test.h"

#define SHIFT 12u
#define BASE ((uintptr_t)0x7000000000u)

/* A tree and the same pages as bytes, one for each, of SF_* planes. */
struct pair {
	struct sf_tree tree;
	unsigned char *plain;
	size_t nr_pages; /* that are ready */
	void *summaries;
};

static bool open_pair(struct pair *pair, size_t nr_leaf, size_t nr_ready)
{
	size_t summary_len = sf_tree_summary_len(nr_leaf);
	struct sf_leaf *leaves = aligned_alloc(
		64, (nr_ready + 1) * sizeof(struct sf_leaf));

	pair->nr_pages = nr_ready * SF_LEAF_PAGES;
	pair->plain = calloc(1, pair->nr_pages);
	pair->summaries = calloc(1, summary_len + 1);
	if (!CHECK(leaves && pair->plain && pair->summaries))
		return false;
	memset(leaves, 0, nr_ready * sizeof(struct sf_leaf));
	sf_tree_init(&pair->tree, nr_leaf, pair->summaries, leaves, BASE,
		     SHIFT);
	pair->tree.nr_ready = nr_ready;
	return true;
}

static void close_pair(struct pair *pair)
{
	sf_tree_check(&pair->tree);
	free(pair->tree.leaf);
	free(pair->plain);
	free(pair->summaries);
}

/* Whether the page at `at` of the run must be aligned, and is. */
static bool fits(const struct pair *pair, size_t first, size_t nr,
		 size_t align, size_t lead)
{
	uintptr_t addr = BASE + ((uintptr_t)(first + lead) << SHIFT);

	if (addr % align != 0)
		return false;
	for (size_t i = first; i < first + nr; i++)
		if (i < pair->nr_pages && pair->plain[i] & SF_TAKEN)
			return false;
	return true;
}

/* The lowest place, by looking at every one. */
static size_t plain_find(const struct pair *pair, size_t nr, size_t align,
			 size_t lead)
{
	size_t end = pair->tree.nr_leaf * SF_LEAF_PAGES;

	for (size_t first = 0; first + nr <= end; first++) {
		if (fits(pair, first, nr, align, lead))
			return first;
		/* Beyond what is ready all is free: only alignment counts. */
		if (first > pair->nr_pages + (align >> SHIFT))
			return SF_NONE;
	}
	return SF_NONE;
}

static size_t pick_nr(struct test_rng *rng, const struct pair *pair)
{
	size_t nr = 1 + test_rand_below(rng, 12);

	switch (test_rand_below(rng, 8)) {
	case 0:
		nr = 1 + test_rand_below(rng, 130);
		break;
	case 1:
		nr = 1 + test_rand_below(rng, 3 * SF_LEAF_PAGES);
		break;
	}
	return nr < pair->nr_pages ? nr : pair->nr_pages;
}

static void take_some(struct pair *pair, struct test_rng *rng)
{
	size_t nr = pick_nr(rng, pair);
	size_t align = (size_t)1 << SHIFT;
	size_t lead = 0;
	size_t found;

	if (test_rand_below(rng, 4) == 0) {
		align <<= test_rand_below(rng, 12);
		lead = test_rand_below(rng, 2);
	}
	found = sf_tree_find(&pair->tree, nr, align, lead);
	CHECK_EQ(found, plain_find(pair, nr, align, lead));
	if (found == SF_NONE || found + nr > pair->nr_pages)
		return;
	sf_tree_take(&pair->tree, found, nr);
	sf_tree_set(&pair->tree, found, nr, SF_LIVE);
	for (size_t i = found; i < found + nr; i++)
		pair->plain[i] = (unsigned char)(SF_TAKEN | SF_LIVE |
						 (pair->plain[i] & SF_MARKED));
}

/* Free a run of taken pages that begins somewhere; markers stay. */
static void give_some(struct pair *pair, struct test_rng *rng)
{
	size_t first = test_rand_below(rng, pair->nr_pages);
	size_t most = pick_nr(rng, pair);
	size_t nr = 0;

	while (nr < most && first + nr < pair->nr_pages &&
	       pair->plain[first + nr] & SF_TAKEN) {
		pair->plain[first + nr] &= SF_MARKED;
		nr++;
	}
	if (nr > 0)
		sf_tree_give(&pair->tree, first, nr);
}

static void change_planes(struct pair *pair, struct test_rng *rng)
{
	size_t first = test_rand_below(rng, pair->nr_pages);
	size_t nr = pick_nr(rng, pair);
	bool set = test_rand_below(rng, 2);

	if (nr > pair->nr_pages - first)
		nr = pair->nr_pages - first;
	if (set)
		sf_tree_set(&pair->tree, first, nr, SF_MARKED);
	else
		sf_tree_clear(&pair->tree, first, nr, SF_MARKED);
	for (size_t i = first; i < first + nr; i++) {
		pair->plain[i] &= (unsigned char)~SF_MARKED;
		if (set)
			pair->plain[i] |= SF_MARKED;
	}
}

static void ask(const struct pair *pair, struct test_rng *rng)
{
	static const unsigned planes[] = { SF_TAKEN, SF_LIVE, SF_MARKED };
	unsigned plane = planes[test_rand_below(rng, 3)];
	size_t first = test_rand_below(rng, pair->nr_pages);
	size_t end = first + 1 + test_rand_below(rng, 2000);
	size_t has, lacks, nr_free;

	if (end > pair->nr_pages)
		end = pair->nr_pages;
	for (has = first; has < end && !(pair->plain[has] & plane); has++)
		;
	for (lacks = first; lacks < end && pair->plain[lacks] & plane; lacks++)
		;
	for (nr_free = first;
	     nr_free < end && !(pair->plain[nr_free] & SF_TAKEN); nr_free++)
		;
	CHECK_EQ(sf_tree_next(&pair->tree, first, end, plane, true), has);
	CHECK_EQ(sf_tree_next(&pair->tree, first, end, plane, false), lacks);
	CHECK_EQ(sf_tree_any(&pair->tree, first, end - first, plane),
		 has < end);
	CHECK_EQ(sf_tree_all(&pair->tree, first, end - first, plane),
		 lacks == end);
	CHECK_EQ(sf_tree_free_after(&pair->tree, first, end - first),
		 nr_free - first);
	CHECK_EQ(sf_tree_planes(&pair->tree, first), pair->plain[first]);
}

static void compare(size_t nr_leaf, size_t nr_ready, int nr_steps)
{
	struct test_rng rng = test_rng(test_seed() + nr_leaf);
	struct pair pair;

	if (!open_pair(&pair, nr_leaf, nr_ready))
		return;
	for (int i = 0; i < nr_steps && !test_failed(); i++) {
		switch (test_rand_below(&rng, 8)) {
		case 0:
		case 1:
		case 2:
			take_some(&pair, &rng);
			break;
		case 3:
		case 4:
		case 5:
			give_some(&pair, &rng);
			break;
		case 6:
			change_planes(&pair, &rng);
			break;
		default:
			ask(&pair, &rng);
		}
		if (i % 64 == 0)
			sf_tree_check(&pair.tree);
	}
	close_pair(&pair);
}

static void one_leaf_is_like_an_array(void)
{
	compare(1, 1, 20000);
}

static void sixteen_leaves_are_like_an_array(void)
{
	compare(16, 16, 20000);
}

static void two_levels_are_like_an_array(void)
{
	compare(64, 64, 20000);
}

static void leaves_not_ready_are_free(void)
{
	compare(256, 5, 20000);
	compare(4096, 17, 10000);
}

static void four_levels_are_like_an_array(void)
{
	compare(8192, 40, 10000);
	compare(65536, 3, 10000);
}

/* Page by page, the search finds the next one at once. */
static void a_full_tree_has_no_room(void)
{
	struct pair pair;

	if (!open_pair(&pair, 16, 16))
		return;
	for (size_t i = 0; i < pair.nr_pages; i++) {
		CHECK_EQ(sf_tree_find(&pair.tree, 1, 1, 0), i);
		sf_tree_take(&pair.tree, i, 1);
	}
	CHECK_EQ(sf_tree_find(&pair.tree, 1, 1, 0), SF_NONE);
	for (size_t i = 1; i < pair.nr_pages; i += 2)
		sf_tree_give(&pair.tree, i, 1);
	CHECK_EQ(sf_tree_find(&pair.tree, 1, 1, 0), 1);
	CHECK_EQ(sf_tree_find(&pair.tree, 2, 1, 0), SF_NONE);
	sf_tree_give(&pair.tree, 5000, 1);
	CHECK_EQ(sf_tree_find(&pair.tree, 3, 1, 0), 4999);
	CHECK_EQ(sf_tree_find(&pair.tree, 4, 1, 0), SF_NONE);
	sf_tree_check(&pair.tree);
	sf_tree_give(&pair.tree, 0, 1);
	for (size_t i = 2; i < pair.nr_pages; i += 2)
		if (i != 5000)
			sf_tree_give(&pair.tree, i, 1);
	CHECK_EQ(sf_tree_find(&pair.tree, pair.nr_pages, 1, 0), 0);
	CHECK_EQ(sf_tree_find(&pair.tree, pair.nr_pages + 1, 1, 0), SF_NONE);
	close_pair(&pair);
}

static void runs_across_leaves_are_found(void)
{
	struct pair pair;
	size_t cross = 3 * SF_LEAF_PAGES;

	if (!open_pair(&pair, 64, 64))
		return;
	sf_tree_take(&pair.tree, 0, pair.nr_pages);
	sf_tree_give(&pair.tree, cross - 5, 10);
	CHECK_EQ(sf_tree_find(&pair.tree, 10, 1, 0), cross - 5);
	CHECK_EQ(sf_tree_find(&pair.tree, 11, 1, 0), SF_NONE);
	/* At the border of two nodes of the level above. */
	cross = 16 * SF_LEAF_PAGES;
	sf_tree_give(&pair.tree, cross - 700, 2000);
	CHECK_EQ(sf_tree_find(&pair.tree, 2000, 1, 0), cross - 700);
	CHECK_EQ(sf_tree_find(&pair.tree, 2001, 1, 0), SF_NONE);
	close_pair(&pair);
}

static const struct test tests[] = {
	{ "one leaf is like an array", one_leaf_is_like_an_array },
	{ "sixteen leaves are like an array",
	  sixteen_leaves_are_like_an_array },
	{ "two levels are like an array", two_levels_are_like_an_array },
	{ "leaves not ready are free", leaves_not_ready_are_free },
	{ "four levels are like an array", four_levels_are_like_an_array },
	{ "a full tree has no room", a_full_tree_has_no_room },
	{ "runs across leaves are found", runs_across_leaves_are_found },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
