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
	return (n == 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1) << bit;
}

static inline struct sf_word *sf_word_at(const struct sf_tree *tree,
					 size_t page)
{
	return &tree->leaf[page / SF_LEAF_PAGES].word[page % SF_LEAF_PAGES / 64];
}

#endif
