/* SPDX-License-Identifier: MIT */
/*
 * Modes in which malloc looks for errors: "fence" (fenced.h) and "hardened"
 * (hardened.h). One at most, chosen at start by SUREFREE_OPTIONS.
 *
 * In a mode every heap is slow, so that all calls come to the parts of malloc.c
 * that take a lock; there they are passed on to the mode's functions. So a mode
 * that is off costs nothing.
 */
#ifndef SF_MALLOC_MODE_H
#define SF_MALLOC_MODE_H

#include "base/compiler.h"

struct sf_mode {
	/* Cells of a slab that may hold blocks; behind them is a guard. */
	unsigned (*nr_cells)(void);

	/*
	 * As malloc.h has it, but that NULL without errno is no memory: size is
	 * at most PTRDIFF_MAX, align a power of two, block not NULL.
	 */
	void *(*take)(size_t size, size_t align, bool zero);
	void *(*resize)(void *block, size_t size);
	void (*free)(void *block);
	void (*free_sized)(void *block, size_t align, size_t size);
	size_t (*len)(const char *call, const void *block);

	/* Whether an address is of blocks outside all pools. NULL: none is. */
	bool (*has)(const void *addr);

	/* Let go of freed memory that the mode holds back. */
	void (*trim)(void);

	/* Bytes in use that are in no slab and no large block. */
	size_t (*used_len)(void);

	/* Print what block a fault's address belongs to; false: to none, or
	   one that the program has. */
	bool (*explain)(uintptr_t addr, bool is_write);

	/* Around fork(). */
	void (*lock)(void);
	void (*unlock)(void);
};

/* The one that is on, or NULL. */
extern const struct sf_mode *sf_mode;

/* Choose it, before the first heap is made. */
void sf_mode_init(void);

/*
 * The rest, when constructors run: backtraces, the report of faults, and the
 * handlers of fork(), to be registered after those of the heaps.
 */
void sf_mode_start(void);

#endif
