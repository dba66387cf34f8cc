/* SPDX-License-Identifier: MIT */
/* Walking the words of a range of pages: for tree.c and plane.c only. */
#ifndef SF_VM_TREE_WORD_H
#define SF_VM_TREE_WORD_H

#include "vm/tree.h"

/* The bits of a word that [first, first + nr) covers from first on. */
static inline uint64_t sf_word_mask(size_t first, size_t nr, size_t *covered)
{
	size_t bit = first % 64;
	size_t n = sf_min(64 - bit, nr);

	*covered = n;
	/* n is 1 to 64. */
	return UINT64_MAX >> (-n & 63) << bit;
}

/* The words of a leaf, written first if its summary stood for them. */
static inline struct sf_word *sf_words_of(const struct sf_tree *tree,
					  size_t leaf)
{
	struct sf_lack *lack = &tree->level[0][leaf];
	struct sf_word *words = tree->leaf[leaf].word;
	unsigned planes = lack->uniform;
	struct sf_word all;

	if (SF_LIKELY(planes == 0))
		return words;
	all = (struct sf_word){
		.taken = planes & SF_TAKEN ? UINT64_MAX : 0,
		.live = planes & SF_LIVE ? UINT64_MAX : 0,
		.quiet = planes & SF_QUIET ? UINT64_MAX : 0,
	};
	for (size_t w = 0; w < SF_LEAF_WORDS; w++)
		words[w] = all;
	lack->uniform = 0;
	return words;
}

static inline struct sf_word *sf_word_at(const struct sf_tree *tree,
					 size_t page)
{
	struct sf_word *words = sf_words_of(tree, page / SF_LEAF_PAGES);

	return &words[page % SF_LEAF_PAGES / 64];
}

#endif
