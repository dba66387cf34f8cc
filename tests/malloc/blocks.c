// SPDX-License-Identifier: MIT
/*
 * A pattern is a sequence of 64-bit words: a block's number, made wild, plus a
 * step for each word. So a piece of one block is found in no other, nor
 * elsewhere in the same one, and the loops are as fast as memory.
 */
#include "blocks.h"

#include <stdatomic.h>
#include <string.h>

#include "calls.h"
#include "test.h"

#define WORD sizeof(uint64_t)
#define STEP 0x9e3779b97f4a7c15u

static atomic_uint_fast64_t last_number;

uint64_t block_number(void)
{
	return atomic_fetch_add_explicit(&last_number, 1,
					 memory_order_relaxed) +
	       1;
}

/* The word at index of block number. */
static uint64_t word(uint64_t number, size_t index)
{
	uint64_t base = number * 0xbf58476d1ce4e5b9u;

	return (base ^ (base >> 29)) + (uint64_t)index * STEP;
}

/* Write [from, to) of the pattern, byte by byte: not for more than words. */
static void fill_bytes(const struct block *block, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		uint64_t value = word(block->number, i / WORD);

		block->p[i] = (unsigned char)(value >> 8 * (i % WORD));
	}
}

void block_refill(const struct block *block, size_t from)
{
	size_t first = (from + WORD - 1) / WORD;
	size_t end = block->len / WORD;

	if (first >= end) {
		fill_bytes(block, from, block->len);
		return;
	}
	fill_bytes(block, from, first * WORD);
	for (size_t i = first; i < end; i++) {
		uint64_t value = word(block->number, i);

		memcpy(block->p + i * WORD, &value, WORD);
	}
	fill_bytes(block, end * WORD, block->len);
}

struct block block_fill(void *p, size_t len, size_t align)
{
	struct block block = { p, len, align, block_number() };

	block_refill(&block, 0);
	return block;
}

/* The first byte of [from, to) that is not the pattern's, or to. */
static size_t find_wrong(const struct block *block, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		uint64_t value = word(block->number, i / WORD);

		if (block->p[i] != (unsigned char)(value >> 8 * (i % WORD)))
			return i;
	}
	return to;
}

bool block_check_len(const struct block *block, size_t len)
{
	uint64_t difference = 0;
	size_t end = len / WORD;
	size_t at;

	for (size_t i = 0; i < end; i++) {
		uint64_t value;

		memcpy(&value, block->p + i * WORD, WORD);
		difference |= value ^ word(block->number, i);
	}
	if (difference == 0 && find_wrong(block, end * WORD, len) == len)
		return true;
	at = find_wrong(block, 0, len);
	FAIL("block %llu at %p, %zu bytes, alignment %zu: byte %zu is 0x%02x, "
	     "wrong",
	     (unsigned long long)block->number, (void *)block->p, block->len,
	     block->align, at, block->p[at]);
	return false;
}

bool block_check(const struct block *block)
{
	if ((uintptr_t)block->p % block->align != 0) {
		FAIL("%zu bytes at %p: not a multiple of %zu", block->len,
		     (void *)block->p, block->align);
		return false;
	}
	return block_check_len(block, block->len);
}

bool block_check_zero(const void *p, size_t len)
{
	const unsigned char *bytes = p;
	uint64_t any = 0;
	size_t end = len / WORD;

	for (size_t i = 0; i < end; i++) {
		uint64_t value;

		memcpy(&value, bytes + i * WORD, WORD);
		any |= value;
	}
	for (size_t i = end * WORD; i < len; i++)
		any |= bytes[i];
	for (size_t i = 0; any != 0 && i < len; i++)
		if (bytes[i] != 0) {
			FAIL("byte %zu of %zu at %p is 0x%02x, not 0", i, len,
			     p, bytes[i]);
			return false;
		}
	return true;
}

static int compare_blocks(const void *a, const void *b)
{
	const struct block *x = a;
	const struct block *y = b;

	return (x->p > y->p) - (x->p < y->p);
}

bool block_check_apart(struct block *blocks, size_t nr)
{
	qsort(blocks, nr, sizeof(blocks[0]), compare_blocks);
	for (size_t i = 0; i < nr; i++) {
		size_t len = malloc_usable_size(blocks[i].p);

		if (len < blocks[i].len) {
			FAIL("%zu bytes asked for, %zu usable at %p",
			     blocks[i].len, len, (void *)blocks[i].p);
			return false;
		}
		if (i + 1 < nr && blocks[i].p + len > blocks[i + 1].p) {
			FAIL("blocks %p + %zu and %p overlap",
			     (void *)blocks[i].p, len, (void *)blocks[i + 1].p);
			return false;
		}
	}
	return true;
}
