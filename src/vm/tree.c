// SPDX-License-Identifier: MIT
/*
 * The tree of free runs, see tree.h: search, update and check. The bits of
 * pages are read and changed in plane.c.
 */
#include "vm/tree.h"

#include "base/log.h"
#include "vm/tree_word.h"

/* Of runs that are long enough; one may count once for each node it is in. */
#define MAX_TRIES ((size_t)256)

/* Free pages at a node's head and tail, and its longest free run. */
struct runs {
	size_t head;
	size_t tail;
	size_t max;
};

static size_t span_of(unsigned level)
{
	return SF_LEAF_PAGES << (4 * level);
}

static size_t nr_nodes(const struct sf_tree *tree, unsigned level)
{
	return tree->nr_leaf >> (4 * level);
}

static struct runs runs_of(unsigned level, const struct sf_lack *lack)
{
	size_t span = span_of(level);

	return (struct runs){ span - lack->head, span - lack->tail,
			      span - lack->max };
}

/* Store runs; returns whether they differ from what was there. */
static bool store_runs(unsigned level, struct sf_lack *lack, struct runs runs)
{
	size_t span = span_of(level);
	uint32_t head = (uint32_t)(span - runs.head);
	uint32_t tail = (uint32_t)(span - runs.tail);
	uint32_t max = (uint32_t)(span - runs.max);

	if (lack->head == head && lack->tail == tail && lack->max == max)
		return false;
	lack->head = head;
	lack->tail = tail;
	lack->max = max;
	return true;
}

size_t sf_tree_summary_len(size_t nr_leaf)
{
	size_t nr = nr_leaf;
	size_t len = nr * sizeof(struct sf_lack);

	while (nr > SF_TREE_FANOUT) {
		nr /= SF_TREE_FANOUT;
		len += nr * sizeof(struct sf_lack);
	}
	return len;
}

size_t sf_tree_upper_len(const struct sf_tree *tree)
{
	unsigned low = tree->top > 1 ? 1 : 0;

	return (size_t)((char *)tree->level[low] -
			(char *)tree->level[tree->top]);
}

void sf_tree_init(struct sf_tree *tree, size_t nr_leaf, void *summaries,
		  struct sf_leaf *leaves, uintptr_t base, unsigned page_shift)
{
	struct sf_lack *at = summaries;

	sf_assert(sf_is_power_of_two(nr_leaf));
	*tree = (struct sf_tree){
		.leaf = leaves,
		.nr_leaf = nr_leaf,
		.base = base,
		.page_shift = page_shift,
	};
	/* The highest first, see sf_tree_upper_len(). */
	while (nr_nodes(tree, tree->top) > SF_TREE_FANOUT)
		tree->top++;
	for (unsigned level = tree->top + 1; level-- > 0;) {
		tree->level[level] = at;
		at += nr_nodes(tree, level);
	}
}

/*
 * Search
 */

struct search {
	const struct sf_tree *tree;
	size_t nr;    /* pages wanted */
	size_t align; /* bytes */
	size_t lead;  /* the page of the run that is to be aligned */
	size_t start; /* free run that ends where the search stands */
	size_t len;
	size_t nr_tries; /* how many may be long enough in vain */
};

/* Where in the free run of len pages at start the wanted ones fit. */
static size_t fit(struct search *search, size_t start, size_t len)
{
	const struct sf_tree *tree = search->tree;
	uintptr_t addr;
	size_t skip;

	if (len < search->nr)
		return SF_NONE;
	if (search->align >> tree->page_shift <= 1)
		return start;
	addr = tree->base + ((start + search->lead) << tree->page_shift);
	skip = (-addr & (search->align - 1)) >> tree->page_shift;
	if (skip <= len - search->nr)
		return start + skip;
	if (search->nr_tries > 0)
		search->nr_tries--;
	return SF_NONE;
}

/* Go on with a free run of len pages at start: lengthen the last or begin. */
static void extend_run(struct search *search, size_t start, size_t len)
{
	if (search->start + search->len != start) {
		search->start = start;
		search->len = 0;
	}
	search->len += len;
}

/* The first page from bit on whose taken bit is taken, at most the span. */
static size_t leaf_next(const struct sf_word *words, size_t bit, bool taken)
{
	while (bit < SF_LEAF_PAGES) {
		uint64_t word = words[bit / 64].taken;
		uint64_t rest = (taken ? word : ~word) >> (bit % 64);

		if (rest != 0)
			return bit + (size_t)__builtin_ctzll(rest);
		bit = (bit | 63) + 1;
	}
	return SF_LEAF_PAGES;
}

static size_t search_leaf(struct search *search, size_t node)
{
	const struct sf_word *words = sf_words_of(search->tree, node);
	size_t base = node * SF_LEAF_PAGES;
	size_t bit = 0;

	while ((bit = leaf_next(words, bit, false)) < SF_LEAF_PAGES) {
		size_t end = leaf_next(words, bit, true);
		size_t found;

		extend_run(search, base + bit, end - bit);
		found = fit(search, search->start, search->len);
		if (found != SF_NONE)
			return found;
		bit = end;
	}
	return SF_NONE;
}

/*
 * Look at nodes first to last of a level, in the order of addresses. Recurses
 * once per level, only where a run that is long enough is known to lie.
 */
static size_t search_nodes(struct search *search, unsigned level, size_t first,
			   size_t last)
{
	size_t span = span_of(level);

	for (size_t node = first; node <= last && search->nr_tries > 0;
	     node++) {
		struct runs runs = runs_of(level,
					   &search->tree->level[level][node]);
		size_t start = node * span;
		size_t found;

		if (runs.head > 0) {
			extend_run(search, start, runs.head);
			found = fit(search, search->start, search->len);
			if (found != SF_NONE)
				return found;
		}
		if (runs.head == span)
			continue;
		if (runs.max >= search->nr) {
			search->len = 0;
			found = level == 0 ? search_leaf(search, node) :
					     search_nodes(search, level - 1,
							  node * SF_TREE_FANOUT,
							  (node +
							   1) * SF_TREE_FANOUT -
								  1);
			if (found != SF_NONE)
				return found;
		}
		search->start = start + span - runs.tail;
		search->len = runs.tail;
	}
	return SF_NONE;
}

static size_t find(const struct sf_tree *tree, size_t nr, size_t align,
		   size_t lead, size_t nr_tries)
{
	struct search search = {
		.tree = tree,
		.nr = nr,
		.align = align,
		.lead = lead,
		.nr_tries = nr_tries,
	};

	return search_nodes(&search, tree->top, 0,
			    nr_nodes(tree, tree->top) - 1);
}

size_t sf_tree_find(const struct sf_tree *tree, size_t nr, size_t align,
		    size_t lead)
{
	return find(tree, nr, align, lead, SIZE_MAX);
}

size_t sf_tree_find_soon(const struct sf_tree *tree, size_t nr, size_t align,
			 size_t lead)
{
	return find(tree, nr, align, lead, MAX_TRIES);
}

/*
 * Update
 */

/* The longest run of ones in a word. */
static size_t longest_ones(uint64_t x)
{
	size_t n = 0;

	if (x == UINT64_MAX)
		return 64;
	while (x != 0) {
		x &= x << 1;
		n++;
	}
	return n;
}

static struct runs count_leaf(const struct sf_word *words)
{
	struct runs runs = { 0 };
	size_t run = 0;
	bool all_free = true;

	for (size_t w = 0; w < SF_LEAF_WORDS; w++) {
		uint64_t taken = words[w].taken;

		if (taken == 0) {
			run += 64;
			continue;
		}
		run += (size_t)__builtin_ctzll(taken);
		if (all_free)
			runs.head = run;
		all_free = false;
		runs.max = sf_max(runs.max, run);
		/* Inside the word, when something longer may hide there. */
		if (runs.max < 64)
			runs.max = sf_max(runs.max, longest_ones(~taken));
		run = (size_t)__builtin_clzll(taken);
	}
	if (all_free)
		runs.head = run;
	runs.tail = run;
	runs.max = sf_max(runs.max, run);
	return runs;
}

/* Count a node from its first nr children; the others are wholly free. */
static struct runs count_children(const struct sf_lack *child, size_t nr,
				  size_t child_span)
{
	struct runs runs = { 0 };
	size_t run = 0;
	bool all_free = true;

	for (size_t i = 0; i < nr; i++) {
		if (child[i].max == 0) {
			run += child_span;
			continue;
		}
		run += child_span - child[i].head;
		if (all_free)
			runs.head = run;
		all_free = false;
		runs.max = sf_max(runs.max,
				  sf_max(run, child_span - child[i].max));
		run = child_span - child[i].tail;
	}
	run += (SF_TREE_FANOUT - nr) * child_span;
	if (all_free)
		runs.head = run;
	runs.tail = run;
	runs.max = sf_max(runs.max, run);
	return runs;
}

/*
 * Bring one node up to date after a change of its children up to the given
 * one. Whether it differs from before.
 */
static bool update_node(struct sf_tree *tree, unsigned level, size_t node,
			size_t last_child)
{
	struct sf_lack *lack = &tree->level[level][node];
	const struct sf_lack
		*child = &tree->level[level - 1][node * SF_TREE_FANOUT];
	size_t nr = sf_max(lack->nr_used, last_child + 1);

	while (nr > 0 && child[nr - 1].max == 0)
		nr--;
	lack->nr_used = (uint8_t)nr;
	return store_runs(level, lack,
			  count_children(child, nr, span_of(level - 1)));
}

/* Bring the summaries above leaves first to last up to date. */
static void update_parents(struct sf_tree *tree, size_t first, size_t last)
{
	for (unsigned level = 1; level <= tree->top; level++) {
		size_t last_child = last % SF_TREE_FANOUT;
		bool changed = false;

		first /= SF_TREE_FANOUT;
		last /= SF_TREE_FANOUT;
		for (size_t node = first; node < last; node++)
			changed |= update_node(tree, level, node,
					       SF_TREE_FANOUT - 1);
		changed |= update_node(tree, level, last, last_child);
		if (!changed)
			return;
	}
}

/* Pages of a range that lie in one leaf, from first on. */
static size_t part_in_leaf(size_t first, size_t nr)
{
	return sf_min(nr, SF_LEAF_PAGES - first % SF_LEAF_PAGES);
}

/* Set the taken bits of a part of a leaf; marks are kept or cleared, quiet bits
 * kept. */
static void take_part(struct sf_tree *tree, size_t first, size_t nr,
		      unsigned planes, bool keep_bits)
{
	size_t n;

	for (size_t page = first, left = nr; left > 0; page += n, left -= n) {
		uint64_t mask = sf_word_mask(page, left, &n);
		struct sf_word *word = sf_word_at(tree, page);

		sf_assert((word->taken & mask) == 0);
		word->taken |= mask;
		word->live |= planes & SF_LIVE ? mask : 0;
		word->quiet |= planes & SF_QUIET ? mask : 0;
		if (!keep_bits)
			word->marked &= ~mask;
	}
}

static void take_all(struct sf_tree *tree, size_t first, size_t nr,
		     unsigned planes, bool keep_bits)
{
	size_t first_leaf = first / SF_LEAF_PAGES;
	size_t last_leaf = (first + nr - 1) / SF_LEAF_PAGES;
	bool changed = false;
	size_t n;

	sf_assert(last_leaf < tree->nr_ready);
	for (size_t page = first, left = nr; left > 0; page += n, left -= n) {
		size_t leaf = page / SF_LEAF_PAGES;
		struct sf_lack *lack = &tree->level[0][leaf];
		struct runs runs = { 0 };

		n = part_in_leaf(page, left);
		if (n == SF_LEAF_PAGES &&
		    !(keep_bits && (lack->may_mark || lack->uniform == 0))) {
			lack->uniform = (uint8_t)(SF_UNIFORM | SF_TAKEN |
						  planes);
			lack->may_mark = 0;
			/* Resident now, so that releasing a part needs no
			   memory for the words. */
			tree->leaf[leaf].word[0] = (struct sf_word){ 0 };
		} else {
			take_part(tree, page, n, planes, keep_bits);
			runs = count_leaf(sf_words_of(tree, leaf));
		}
		changed |= store_runs(0, lack, runs);
	}
	if (changed)
		update_parents(tree, first_leaf, last_leaf);
}

void sf_tree_take(struct sf_tree *tree, size_t first, size_t nr)
{
	take_all(tree, first, nr, 0, true);
}

void sf_tree_take_bare(struct sf_tree *tree, size_t first, size_t nr)
{
	take_all(tree, first, nr, 0, false);
}

void sf_tree_take_live(struct sf_tree *tree, size_t first, size_t nr,
		       unsigned planes)
{
	take_all(tree, first, nr, planes | SF_LIVE, false);
}

void sf_tree_take_used(struct sf_tree *tree, size_t first, size_t nr)
{
	take_all(tree, first, nr, SF_LIVE, true);
}

static void give_part(struct sf_tree *tree, size_t first, size_t nr)
{
	size_t n;

	for (size_t page = first, left = nr; left > 0; page += n, left -= n) {
		uint64_t mask = sf_word_mask(page, left, &n);
		struct sf_word *word = sf_word_at(tree, page);

		sf_assert((word->taken & mask) == mask);
		word->taken &= ~mask;
		word->live &= ~mask;
		word->quiet &= ~mask;
	}
}

void sf_tree_give(struct sf_tree *tree, size_t first, size_t nr)
{
	size_t first_leaf = first / SF_LEAF_PAGES;
	size_t last_leaf = (first + nr - 1) / SF_LEAF_PAGES;
	bool changed = false;
	size_t n;

	sf_assert(last_leaf < tree->nr_ready);
	for (size_t page = first, left = nr; left > 0; page += n, left -= n) {
		size_t leaf = page / SF_LEAF_PAGES;
		struct sf_lack *lack = &tree->level[0][leaf];
		struct runs runs = { SF_LEAF_PAGES, SF_LEAF_PAGES,
				     SF_LEAF_PAGES };

		n = part_in_leaf(page, left);
		if (n == SF_LEAF_PAGES && !lack->may_mark) {
			lack->uniform = SF_UNIFORM;
		} else {
			give_part(tree, page, n);
			runs = count_leaf(sf_words_of(tree, leaf));
		}
		changed |= store_runs(0, lack, runs);
	}
	if (changed)
		update_parents(tree, first_leaf, last_leaf);
}

size_t sf_tree_free_after(const struct sf_tree *tree, size_t page, size_t max)
{
	size_t nr_pages = tree->nr_leaf * SF_LEAF_PAGES;
	size_t end = sf_min(nr_pages, page + max);

	if (page >= nr_pages)
		return 0;
	return sf_tree_next(tree, page, end, SF_TAKEN, true) - page;
}

/*
 * Check
 */

static void check_equal(const struct sf_tree *tree, unsigned level, size_t node,
			struct runs counted)
{
	struct runs stored = runs_of(level, &tree->level[level][node]);

	if (stored.head != counted.head || stored.tail != counted.tail ||
	    stored.max != counted.max)
		sf_fatal("bug: summary %zu of level %u is wrong", node, level);
}

static void check_leaf(const struct sf_tree *tree, size_t node)
{
	const struct sf_lack *lack = &tree->level[0][node];
	const struct sf_word *words = sf_words_of(tree, node);

	check_equal(tree, 0, node, count_leaf(words));
	for (size_t w = 0; w < SF_LEAF_WORDS; w++)
		if ((words[w].live & ~words[w].taken) != 0 ||
		    (words[w].quiet & words[w].taken & ~words[w].live) != 0 ||
		    (words[w].marked != 0 && !lack->may_mark))
			sf_fatal("bug: bits of leaf %zu contradict", node);
}

void sf_tree_check(const struct sf_tree *tree)
{
	for (size_t node = 0; node < tree->nr_ready; node++)
		check_leaf(tree, node);
	for (unsigned level = 1; level <= tree->top; level++) {
		size_t ready = tree->nr_ready /
			       (span_of(level) / SF_LEAF_PAGES);

		for (size_t node = 0; node < ready; node++)
			check_equal(tree, level, node,
				    count_children(
					    &tree->level[level - 1]
							[node * SF_TREE_FANOUT],
					    SF_TREE_FANOUT,
					    span_of(level - 1)));
	}
}
