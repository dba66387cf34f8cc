// SPDX-License-Identifier: MIT
/*
 * vm/tree: the tree of free runs against a plain array of pages, with random
 * operations, in trees of one to five levels. Leaves that are not ready can't
 * be accessed here either. Bits of single pages are in plane.c.
 */
#include "vm/tree.h"

#include <string.h>
#include <sys/mman.h>

#include "aborts.h"
#include "test.h"

#define SHIFT 12u
#define BASE  ((uintptr_t)0x7000003000u) /* aligned to 12 KiB only */

/* A tree and the same pages as bytes, one for each, of SF_* planes. */
struct pair {
	struct sf_tree tree;
	unsigned char *plain;
	size_t nr_pages; /* that are ready */
	void *summaries;
};

/* len bytes of zeros, rounded up to pages; NULL: none to be had. */
static void *map_zeros(size_t len, int prot)
{
	void *p = mmap(NULL, len, prot,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return CHECK(p != MAP_FAILED) ? p : NULL;
}

static bool open_pair(struct pair *pair, size_t nr_leaf, size_t nr_ready)
{
	size_t ready_len = sf_align_up(nr_ready * sizeof(struct sf_leaf),
				       test_page());
	struct sf_leaf *leaves = map_zeros(nr_leaf * sizeof(struct sf_leaf),
					   PROT_NONE);

	pair->nr_pages = nr_ready * SF_LEAF_PAGES;
	pair->plain = map_zeros(pair->nr_pages, PROT_READ | PROT_WRITE);
	pair->summaries = map_zeros(sf_tree_summary_len(nr_leaf),
				    PROT_READ | PROT_WRITE);
	if (test_failed() ||
	    !CHECK_OK(mprotect(leaves, ready_len, PROT_READ | PROT_WRITE)))
		return false;
	sf_tree_init(&pair->tree, nr_leaf, pair->summaries, leaves, BASE,
		     SHIFT);
	pair->tree.nr_ready = nr_ready;
	return true;
}

static void close_pair(struct pair *pair)
{
	size_t nr_leaf = pair->tree.nr_leaf;

	sf_tree_check(&pair->tree);
	munmap(pair->tree.leaf, nr_leaf * sizeof(struct sf_leaf));
	munmap(pair->plain, pair->nr_pages);
	munmap(pair->summaries, sf_tree_summary_len(nr_leaf));
}

/* Where in the free pages [first, end) nr fit, the page lead on align bytes. */
static size_t plain_fit(size_t first, size_t end, size_t nr, size_t align,
			size_t lead)
{
	for (; first + nr <= end; first++)
		if ((BASE + ((uintptr_t)(first + lead) << SHIFT)) % align == 0)
			return first;
	return SF_NONE;
}

/* The lowest place, by looking at every page. */
static size_t plain_find(const struct pair *pair, size_t nr, size_t align,
			 size_t lead)
{
	size_t nr_all = pair->tree.nr_leaf * SF_LEAF_PAGES;
	size_t first = 0;

	while (first < nr_all) {
		size_t end = first;
		size_t found;

		while (end < pair->nr_pages && !(pair->plain[end] & SF_TAKEN))
			end++;
		/* Beyond what is ready all is free. */
		if (end == pair->nr_pages)
			end = nr_all;
		found = plain_fit(first, end, nr, align, lead);
		if (found != SF_NONE)
			return found;
		first = end + 1;
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
	case 2:
		nr = 1 + test_rand_below(rng, pair->nr_pages / 4);
		break;
	}
	return sf_min(nr, pair->nr_pages);
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
	if (test_rand_below(rng, 3) == 0) {
		sf_tree_take_bare(&pair->tree, found, nr);
		memset(pair->plain + found, SF_TAKEN, nr);
	} else if (test_rand_below(rng, 2) == 0) {
		sf_tree_take(&pair->tree, found, nr);
		for (size_t i = found; i < found + nr; i++)
			pair->plain[i] |= SF_TAKEN;
	} else {
		unsigned quiet = test_rand_below(rng, 2) ? SF_QUIET : 0;

		sf_tree_take_live(&pair->tree, found, nr, quiet);
		memset(pair->plain + found, (int)(SF_TAKEN | SF_LIVE | quiet),
		       nr);
	}
}

/* Make the live pages from a random one on taken only. */
static void unlive_some(struct pair *pair, struct test_rng *rng)
{
	size_t first = test_rand_below(rng, pair->nr_pages);
	size_t most = sf_min(pick_nr(rng, pair), pair->nr_pages - first);
	unsigned planes = 0;
	unsigned had = 0;
	size_t nr = 0;

	for (; nr < most && pair->plain[first + nr] & SF_LIVE; nr++) {
		had |= pair->plain[first + nr];
		pair->plain[first + nr] &= SF_TAKEN;
	}
	if (nr == 0)
		return;
	CHECK_EQ(sf_tree_unlive(&pair->tree, first, nr, &planes), SF_NONE);
	CHECK_EQ(planes, had & (SF_QUIET | SF_MARKED));
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

static void compare(size_t nr_leaf, size_t nr_ready, int nr_steps)
{
	struct test_rng rng = test_rng(test_seed() + nr_leaf);
	struct pair pair;

	if (!open_pair(&pair, nr_leaf, nr_ready))
		return;
	for (int i = 0; i < nr_steps && !test_failed(); i++) {
		static void (*const steps[])(struct pair *,
					     struct test_rng *) = {
			take_some, take_some,	give_some,
			give_some, unlive_some, change_planes,
		};

		steps[test_rand_below(&rng, TEST_COUNT(steps))](&pair, &rng);
		/* Checking writes the words of leaves whose pages are alike. */
		if (i % 256 == 0)
			sf_tree_check(&pair.tree);
	}
	for (size_t i = 0; i < pair.nr_pages && !test_failed(); i++)
		CHECK_EQ(sf_tree_planes(&pair.tree, i), pair.plain[i]);
	close_pair(&pair);
}

static void one_leaf_is_like_an_array(void)
{
	compare(1, 1, 10000);
}

static void sixteen_leaves_are_like_an_array(void)
{
	compare(16, 16, 10000);
}

static void two_levels_are_like_an_array(void)
{
	compare(64, 64, 10000);
}

static void three_levels_are_like_an_array(void)
{
	compare(512, 512, 2000);
}

static void five_levels_are_like_an_array(void)
{
	compare((size_t)1 << 17, 4200, 300);
}

static void leaves_not_ready_are_free(void)
{
	compare(16, 1, 10000);
	compare(256, 5, 10000);
	compare(4096, 17, 5000);
	compare((size_t)1 << 17, 33, 2000);
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

/* Of many that are long enough, the only one with an aligned page is last. */
static void a_search_may_give_up_soon(void)
{
	static const size_t nrs[] = { 10, 1000 };
	struct pair pair;

	if (!open_pair(&pair, 16, 16))
		return;
	for (size_t i = 0; i < TEST_COUNT(nrs); i++) {
		size_t align = (size_t)8 << pair.tree.page_shift;
		size_t last = nrs[i] * 8 + 5; /* see BASE */

		sf_tree_take(&pair.tree, 0, pair.nr_pages);
		for (size_t k = 0; k < nrs[i]; k++)
			sf_tree_give(&pair.tree, 8 * k, 4);
		sf_tree_give(&pair.tree, last, 4);
		CHECK_EQ(sf_tree_find(&pair.tree, 4, align, 0), last);
		CHECK_EQ(sf_tree_find_soon(&pair.tree, 4, align, 0),
			 nrs[i] < 100 ? last : SF_NONE);
		CHECK_EQ(sf_tree_find_soon(&pair.tree, 4, 1, 0), 0);
		for (size_t k = 0; k < nrs[i]; k++)
			sf_tree_take(&pair.tree, 8 * k, 4);
		sf_tree_take(&pair.tree, last, 4);
		sf_tree_give(&pair.tree, 0, pair.nr_pages);
	}
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

/* In a tree of five levels, around the border of the two highest nodes. */
static void runs_across_the_highest_nodes_are_found(void)
{
	struct pair pair;
	size_t nr_leaf = (size_t)1 << 17;
	size_t cross = nr_leaf / 2 * SF_LEAF_PAGES;
	size_t end = nr_leaf * SF_LEAF_PAGES;

	if (!open_pair(&pair, nr_leaf, nr_leaf / 2 + 1))
		return;
	CHECK_EQ(pair.tree.top, 4);
	CHECK_EQ(sf_tree_find(&pair.tree, end, 1, 0), 0);
	CHECK_EQ(sf_tree_find(&pair.tree, end + 1, 1, 0), SF_NONE);
	sf_tree_take_live(&pair.tree, 0, cross + 9, 0);
	CHECK_EQ(sf_tree_find(&pair.tree, 1, 1, 0), cross + 9);
	CHECK_EQ(sf_tree_find(&pair.tree, end - cross - 9, 1, 0), cross + 9);
	CHECK_EQ(sf_tree_find(&pair.tree, end - cross - 8, 1, 0), SF_NONE);
	sf_tree_give(&pair.tree, cross - 3, 6);
	CHECK_EQ(sf_tree_find(&pair.tree, 6, 1, 0), cross - 3);
	CHECK_EQ(sf_tree_find(&pair.tree, 7, 1, 0), cross + 9);
	sf_tree_give(&pair.tree, 0, cross - 3);
	sf_tree_give(&pair.tree, cross + 3, 6);
	CHECK_EQ(sf_tree_find(&pair.tree, end, 1, 0), 0);
	close_pair(&pair);
}

static struct pair broken;

static void check_a_wrong_summary(void)
{
	broken.tree.level[1][0].max++;
	aborts_say("surefree: bug: summary 0 of level 1 is wrong");
	sf_tree_check(&broken.tree);
}

static void check_live_without_taken(void)
{
	sf_tree_set(&broken.tree, 1000, 1, SF_LIVE);
	aborts_say("surefree: bug: bits of leaf 1 contradict");
	sf_tree_check(&broken.tree);
}

static void check_quiet_without_live(void)
{
	sf_tree_take(&broken.tree, 5, 1);
	sf_tree_set(&broken.tree, 5, 1, SF_QUIET);
	aborts_say("surefree: bug: bits of leaf 0 contradict");
	sf_tree_check(&broken.tree);
}

static void a_broken_tree_is_noticed(void)
{
	if (test_emulated())
		SKIP("an emulator adds words of its own");
	if (!open_pair(&broken, 32, 32))
		return;
	sf_tree_take_live(&broken.tree, 3, 3, 0);
	aborts(check_a_wrong_summary);
	aborts(check_live_without_taken);
	sf_tree_give(&broken.tree, 3, 3);
	aborts(check_quiet_without_live);
	close_pair(&broken);
}

static const struct test tests[] = {
	{ "one leaf is like an array", one_leaf_is_like_an_array },
	{ "sixteen leaves are like an array",
	  sixteen_leaves_are_like_an_array },
	{ "two levels are like an array", two_levels_are_like_an_array },
	{ "three levels are like an array", three_levels_are_like_an_array },
	{ "five levels are like an array", five_levels_are_like_an_array },
	{ "leaves not ready are free", leaves_not_ready_are_free },
	{ "a full tree has no room", a_full_tree_has_no_room },
	{ "a search may give up soon", a_search_may_give_up_soon },
	{ "runs across leaves are found", runs_across_leaves_are_found },
	{ "runs across the highest nodes are found",
	  runs_across_the_highest_nodes_are_found },
	{ "a broken tree is noticed", a_broken_tree_is_noticed },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
