// SPDX-License-Identifier: MIT
/* Reading and changing the bits of pages, see tree.h. */
#include "base/log.h"
#include "vm/tree.h"
#include "vm/tree_word.h"

static void change(struct sf_word *word, uint64_t mask, unsigned planes,
		   bool set)
{
	uint64_t value = set ? mask : 0;

	if (planes & SF_LIVE)
		word->live = (word->live & ~mask) | value;
	if (planes & SF_MARKED)
		word->marked = (word->marked & ~mask) | value;
	if (planes & SF_QUIET)
		word->quiet = (word->quiet & ~mask) | value;
}

static void change_all(struct sf_tree *tree, size_t first, size_t nr,
		       unsigned planes, bool set)
{
	size_t n;

	sf_assert((planes & SF_TAKEN) == 0);
	for (size_t page = first, left = nr; left > 0; page += n, left -= n) {
		uint64_t mask = sf_word_mask(page, left, &n);

		change(sf_word_at(tree, page), mask, planes, set);
		if (set && (planes & SF_MARKED))
			tree->level[0][page / SF_LEAF_PAGES].may_mark = 1;
	}
}

void sf_tree_set(struct sf_tree *tree, size_t first, size_t nr, unsigned planes)
{
	change_all(tree, first, nr, planes, true);
}

void sf_tree_clear(struct sf_tree *tree, size_t first, size_t nr,
		   unsigned planes)
{
	change_all(tree, first, nr, planes, false);
}

/* The bits that are in all of the planes, or in any of them. */
static uint64_t bits_of(const struct sf_word *word, unsigned planes, bool all)
{
	uint64_t plane[4] = { word->taken, word->live, word->marked,
			      word->quiet };
	uint64_t bits = all ? UINT64_MAX : 0;

	for (unsigned i = 0; i < 4; i++) {
		if ((planes & (1u << i)) == 0)
			continue;
		bits = all ? bits & plane[i] : bits | plane[i];
	}
	return bits;
}

bool sf_tree_all(const struct sf_tree *tree, size_t first, size_t nr,
		 unsigned planes)
{
	size_t n;

	if ((first + nr - 1) / SF_LEAF_PAGES >= tree->nr_ready)
		return false;
	for (; nr > 0; first += n, nr -= n) {
		uint64_t mask = sf_word_mask(first, nr, &n);

		if ((bits_of(sf_word_at(tree, first), planes, true) & mask) !=
		    mask)
			return false;
	}
	return true;
}

bool sf_tree_any(const struct sf_tree *tree, size_t first, size_t nr,
		 unsigned planes)
{
	return sf_tree_next(tree, first, first + nr, planes, true) < first + nr;
}

/* Whether a leaf's summary tells that no page of it is looked for. */
static bool leaf_has_none(const struct sf_tree *tree, size_t leaf,
			  unsigned plane, bool has)
{
	const struct sf_lack *lack = &tree->level[0][leaf];

	if (lack->uniform != 0)
		return ((lack->uniform & plane) != 0) != has;
	return plane == SF_MARKED && has && !lack->may_mark;
}

size_t sf_tree_next(const struct sf_tree *tree, size_t first, size_t end,
		    unsigned plane, bool has)
{
	size_t ready = tree->nr_ready * SF_LEAF_PAGES;
	size_t n;

	while (first < end) {
		uint64_t mask = sf_word_mask(first, end - first, &n);
		uint64_t bits;

		if (first >= ready)
			return has ? end : first;
		if (leaf_has_none(tree, first / SF_LEAF_PAGES, plane, has)) {
			first = (first | (SF_LEAF_PAGES - 1)) + 1;
			continue;
		}
		bits = bits_of(sf_word_at(tree, first), plane, false);
		bits = (has ? bits : ~bits) & mask;
		if (bits != 0)
			return sf_align_down(first, 64) +
			       (size_t)__builtin_ctzll(bits);
		first += n;
	}
	return end;
}

size_t sf_tree_prev(const struct sf_tree *tree, size_t end, unsigned plane,
		    bool has)
{
	size_t ready = tree->nr_ready * SF_LEAF_PAGES;

	if (!has && end > ready)
		return end - 1;
	end = sf_min(end, ready);
	while (end > 0) {
		size_t start = sf_align_down(end - 1, 64);
		size_t n;
		uint64_t mask = sf_word_mask(start, end - start, &n);
		uint64_t bits;

		if (leaf_has_none(tree, start / SF_LEAF_PAGES, plane, has)) {
			end = sf_align_down(start, SF_LEAF_PAGES);
			continue;
		}
		bits = bits_of(sf_word_at(tree, start), plane, false);
		bits = (has ? bits : ~bits) & mask;
		if (bits != 0)
			return start + 63 - (size_t)__builtin_clzll(bits);
		end = start;
	}
	return SF_NONE;
}

size_t sf_tree_count(const struct sf_tree *tree, size_t first, size_t nr,
		     unsigned plane)
{
	size_t count = 0;
	size_t n;

	for (; nr > 0; first += n, nr -= n) {
		uint64_t mask = sf_word_mask(first, nr, &n);

		if (leaf_has_none(tree, first / SF_LEAF_PAGES, plane, true))
			continue;
		count += (size_t)__builtin_popcountll(
			bits_of(sf_word_at(tree, first), plane, false) & mask);
	}
	return count;
}

unsigned sf_tree_planes(const struct sf_tree *tree, size_t page)
{
	const struct sf_word *word;
	uint64_t bit = (uint64_t)1 << (page % 64);

	if (page / SF_LEAF_PAGES >= tree->nr_ready)
		return 0;
	word = sf_word_at(tree, page);
	return (word->taken & bit ? SF_TAKEN : 0u) |
	       (word->live & bit ? SF_LIVE : 0u) |
	       (word->marked & bit ? SF_MARKED : 0u) |
	       (word->quiet & bit ? SF_QUIET : 0u);
}

/* Do it for a whole leaf whose pages are all alike, and live. */
static bool unlive_uniform(struct sf_tree *tree, size_t first, size_t nr,
			   uint64_t *quiet)
{
	struct sf_lack *lack = &tree->level[0][first / SF_LEAF_PAGES];

	if (first % SF_LEAF_PAGES != 0 || nr < SF_LEAF_PAGES ||
	    (lack->uniform & SF_LIVE) == 0)
		return false;
	*quiet |= lack->uniform & SF_QUIET;
	lack->uniform &= (uint8_t) ~(SF_LIVE | SF_QUIET);
	return true;
}

size_t sf_tree_unlive(struct sf_tree *tree, size_t first, size_t nr,
		      unsigned *planes)
{
	uint64_t quiet = 0;
	uint64_t marked = 0;
	size_t n;

	if ((first + nr - 1) / SF_LEAF_PAGES >= tree->nr_ready)
		return sf_tree_next(tree, first, first + nr, SF_LIVE, false);
	for (; nr > 0; first += n, nr -= n) {
		uint64_t mask = sf_word_mask(first, nr, &n);
		struct sf_word *word;
		uint64_t dead;

		if (unlive_uniform(tree, first, nr, &quiet)) {
			n = SF_LEAF_PAGES;
			continue;
		}
		word = sf_word_at(tree, first);
		dead = ~word->live & mask;

		if (SF_UNLIKELY(dead != 0))
			return sf_align_down(first, 64) +
			       (size_t)__builtin_ctzll(dead);
		quiet |= word->quiet & mask;
		marked |= word->marked & mask;
		word->live &= ~mask;
		word->quiet &= ~mask;
		word->marked &= ~mask;
	}
	*planes = (quiet != 0 ? SF_QUIET : 0u) | (marked != 0 ? SF_MARKED : 0u);
	return SF_NONE;
}

void sf_tree_note_tables(struct sf_tree *tree, size_t first, size_t nr)
{
	size_t last = (first + nr - 1) / SF_LEAF_PAGES;

	for (size_t leaf = first / SF_LEAF_PAGES; leaf <= last; leaf++)
		tree->level[0][leaf].has_table = 1;
}

void sf_tree_forget_tables(struct sf_tree *tree, size_t first, size_t nr)
{
	size_t end = (first + nr) / SF_LEAF_PAGES;

	for (size_t leaf = (first + SF_LEAF_PAGES - 1) / SF_LEAF_PAGES;
	     leaf < end; leaf++)
		tree->level[0][leaf].has_table = 0;
}

void sf_tree_forget_all_tables(struct sf_tree *tree, size_t first, size_t nr)
{
	size_t start = sf_align_down(first, SF_LEAF_PAGES);
	size_t end = sf_align_up(first + nr, SF_LEAF_PAGES);

	sf_tree_forget_tables(tree, start, end - start);
}
