/* SPDX-License-Identifier: MIT */
/*
 * Blocks with a pattern in them that no other block has, so that memory which
 * two blocks share, or which somebody else wrote to, shows when one of them is
 * looked at.
 */
#ifndef BLOCKS_H
#define BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block {
	unsigned char *p;
	size_t len;	 /* bytes that hold the pattern: those asked for, or
			    all that are usable */
	size_t align;	 /* what p is a multiple of */
	uint64_t number; /* the block's identity: the pattern follows from it */
};

/* A number that no call returned before; any thread. */
uint64_t block_number(void);

/* Fill a block of p and len with the pattern of a new number. */
struct block block_fill(void *p, size_t len, size_t align);

/* Fill it again, with the same number, from offset on. */
void block_refill(const struct block *block, size_t from);

/* Whether its first len bytes are its pattern; prints where not. */
bool block_check_len(const struct block *block, size_t len);

/* The same for all of it, and whether p is a multiple of align. */
bool block_check(const struct block *block);

/* Whether len bytes at p are zero; prints where not. */
bool block_check_zero(const void *p, size_t len);

/*
 * Whether no two of nr blocks overlap, and each has as many bytes as it says;
 * prints which. Sorts them by address.
 */
bool block_check_apart(struct block *blocks, size_t nr);

#endif
