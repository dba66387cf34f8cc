/* SPDX-License-Identifier: MIT */
/*
 * The pages of one region: what each is used for, and where free runs lie.
 *
 * Per page there are four bits, in words of 64 pages, eight words to a leaf of
 * 512 pages (2 MiB with pages of 4 KiB):
 *
 *	taken   not available: mapped, kept aside, or being worked on
 *	live    the caller's; implies taken
 *	marked  a guard marker is in place: the page cannot be touched
 *	quiet   live, and wants no trap when released
 *
 *	taken live marked
 *	  0    0     0     free
 *	  0    0     1     free and trapped
 *	  1    1     0     mapped
 *	  1    1     1     mapped, made inaccessible by surefree_guard()
 *	  1    0     0     kept for reuse, or a system call is at work on it
 *	  1    0     1     guard page beside a guarded map or below a stack
 *
 * In a heap's region the fourth bit says "used": a free page that holds old
 * contents, kept for reuse, or a live one that held some when it was taken.
 * In a region of programs' maps it says "altered": a live page whose attributes
 * or contents may differ from the region's own, see mmap/alter.h.
 *
 * Above the leaves stands a tree of summaries, 16 children to a node. Each
 * holds the length of the free run at its head, of the one at its tail and of
 * the longest. They are stored as what is lacking to the node's whole span, so
 * that memory full of zeros describes free pages. Finding the lowest free run
 * and updating take time in proportion to the tree's height, at most six,
 * however many ranges there are.
 *
 * A leaf whose pages are all alike says so in its summary; its words are
 * written when the first page differs. So a large map costs little.
 *
 * Invariants (sf_tree_check()): every summary equals what its children say;
 * live implies taken; what is taken and
 * quiet is live; leaves from nr_ready on are not
 * accessible yet and count as free.
 *
 * Not locked: the region's lock protects it.
 */
#ifndef SF_VM_TREE_H
#define SF_VM_TREE_H

#include "base/compiler.h"

#define SF_LEAF_PAGES  ((size_t)512)
#define SF_LEAF_WORDS  (SF_LEAF_PAGES / 64)
#define SF_TREE_FANOUT ((size_t)16)
#define SF_TREE_LEVELS 8 /* leaves included; 2^41 pages at most */
#define SF_NONE	       SIZE_MAX

struct sf_word {
	uint64_t taken;
	uint64_t live;
	uint64_t marked;
	uint64_t quiet;
};

/* What a node lacks: its span minus the free run, in pages. */
struct sf_lack {
	uint32_t head;
	uint32_t tail;
	uint32_t max;
	uint8_t has_table; /* leaves: a page table is known to exist, so that
			      marking there allocates none */
	uint8_t may_mark;  /* leaves: 0: no page is marked */
	uint8_t uniform;   /* leaves: 0, or SF_UNIFORM and the planes of all
			      pages, whatever their words say */
	union {
		uint8_t nr_used;   /* nodes: children from here on are wholly
				      free */
		uint8_t has_marks; /* leaves of a heap's region: a bit a word,
				      see malloc/headers.h */
	};
};

#define SF_UNIFORM 0x80

struct sf_leaf {
	struct sf_word word[SF_LEAF_WORDS];
} SF_CACHE_ALIGNED;

struct sf_tree {
	struct sf_leaf *leaf;
	struct sf_lack *level[SF_TREE_LEVELS]; /* level[0] is the leaves' */
	unsigned top;	 /* the highest level; 0 when leaves suffice */
	size_t nr_leaf;	 /* a power of two */
	size_t nr_ready; /* leaves whose metadata is accessible */
	uintptr_t base;	 /* address of page 0 */
	unsigned page_shift;
};

/* Which bits of a page to change: one per member of struct sf_word. */
enum sf_plane {
	SF_TAKEN = 1,
	SF_LIVE = 2,
	SF_MARKED = 4,
	SF_QUIET = 8,
};

/* Bytes of summaries of a tree of nr_leaf leaves. */
size_t sf_tree_summary_len(size_t nr_leaf);

/*
 * Bytes at the start of the summaries that an update may write although no
 * earlier one did: those two levels and more above the leaves. To be made
 * resident beforehand, since a release must not need memory.
 */
size_t sf_tree_upper_len(const struct sf_tree *tree);

/*
 * Set up an empty tree over zeroed memory: summaries of
 * sf_tree_summary_len() bytes, and leaves that become accessible later.
 */
void sf_tree_init(struct sf_tree *tree, size_t nr_leaf, void *summaries,
		  struct sf_leaf *leaves, uintptr_t base, unsigned page_shift);

/*
 * The lowest free run of nr pages whose page number lead lies at a multiple of
 * align bytes, or SF_NONE.
 */
size_t sf_tree_find(const struct sf_tree *tree, size_t nr, size_t align,
		    size_t lead);

/*
 * The same, but SF_NONE also when 256 runs that are long enough have no such
 * page: what it costs has a bound then.
 */
size_t sf_tree_find_soon(const struct sf_tree *tree, size_t nr, size_t align,
			 size_t lead);

/*
 * Make free pages taken. Their leaves must be ready. Marks stay: they are guard
 * pages then.
 */
void sf_tree_take(struct sf_tree *tree, size_t first, size_t nr);

/* The same without marks, to work on pages; the caller knows of the markers. */
void sf_tree_take_bare(struct sf_tree *tree, size_t first, size_t nr);

/* The same, not marked, and live with the given planes (0, SF_QUIET). */
void sf_tree_take_live(struct sf_tree *tree, size_t first, size_t nr,
		       unsigned planes);

/* The same, with the quiet bits as they are; for a heap's region. */
void sf_tree_take_used(struct sf_tree *tree, size_t first, size_t nr);

/*
 * Make live pages taken only, and not marked. Returns the first that is not
 * live, having changed some before it, or SF_NONE. *planes is what any of them
 * had.
 */
size_t sf_tree_unlive(struct sf_tree *tree, size_t first, size_t nr,
		      unsigned *planes);

/* Make taken pages free; clears live and quiet. */
void sf_tree_give(struct sf_tree *tree, size_t first, size_t nr);

/* Set and clear planes other than SF_TAKEN. */
void sf_tree_set(struct sf_tree *tree, size_t first, size_t nr,
		 unsigned planes);
void sf_tree_clear(struct sf_tree *tree, size_t first, size_t nr,
		   unsigned planes);

/* Whether all pages have all of the planes; pages not ready have none. */
bool sf_tree_all(const struct sf_tree *tree, size_t first, size_t nr,
		 unsigned planes);

/* Whether any page has any of the planes. */
bool sf_tree_any(const struct sf_tree *tree, size_t first, size_t nr,
		 unsigned planes);

/* The first page in [first, end) that has, or lacks, the plane; else end. */
size_t sf_tree_next(const struct sf_tree *tree, size_t first, size_t end,
		    unsigned plane, bool has);

/* The last page before end that has, or lacks, the plane, or SF_NONE. */
size_t sf_tree_prev(const struct sf_tree *tree, size_t end, unsigned plane,
		    bool has);

/* How many pages have the plane. */
size_t sf_tree_count(const struct sf_tree *tree, size_t first, size_t nr,
		     unsigned plane);

/* The planes of one page; 0 for pages not ready or beyond the region. */
unsigned sf_tree_planes(const struct sf_tree *tree, size_t page);

/* Whether a page table is known to exist for a page. */
static inline bool sf_tree_has_table(const struct sf_tree *tree, size_t page)
{
	return tree->level[0][page / SF_LEAF_PAGES].has_table != 0;
}

/* Note that page tables exist for these pages, since they carry markers. */
void sf_tree_note_tables(struct sf_tree *tree, size_t first, size_t nr);

/* Note that leaves which lie wholly in the range may have lost theirs. */
void sf_tree_forget_tables(struct sf_tree *tree, size_t first, size_t nr);

/* The same for leaves of which any page lies in the range: it was unmapped. */
void sf_tree_forget_all_tables(struct sf_tree *tree, size_t first, size_t nr);

/* Free pages from page on, without a gap, at most max. */
size_t sf_tree_free_after(const struct sf_tree *tree, size_t page, size_t max);

/* Compare every summary with its children; fatal when they differ. */
void sf_tree_check(const struct sf_tree *tree);

#endif
