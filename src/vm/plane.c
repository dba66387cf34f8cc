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
	}
}

void sf_tree_set(struct sf_tree *tree, size_t first, size_t nr,
		 unsigned planes)
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
	return sf_tree_next(tree, first, first + nr, planes, true) <
	       first + nr;
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
		bits = bits_of(sf_word_at(tree, first), plane, false);
		bits = (has ? bits : ~bits) & mask;
		if (bits != 0)
			return sf_align_down(first, 64) +
			       (size_t)__builtin_ctzll(bits);
		first += n;
	}
	return end;
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

void sf_tree_note_tables(struct sf_tree *tree, size_t first, size_t nr)
{
	size_t last = (first + nr - 1) / SF_LEAF_PAGES;

	for (size_t leaf = first / SF_LEAF_PAGES; leaf <= last; leaf++)
		tree->leaf[leaf].has_table = 1;
}
