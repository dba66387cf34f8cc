// SPDX-License-Identifier: MIT
/*
 * realloc() and reallocarray(): what they keep, where they go, and their cases
 * that are others' work (no block yet, no size).
 */
#include "test.h"

#include <errno.h>
#include <string.h>

#include "blocks.h"
#include "calls.h"

#define MARK 4242 /* no errno */

static const size_t sizes[] = {
	1,	 2,	  15,	   16,	    17,	      40,     128,
	500,	 1024,	  2049,	   4096,    8191,     16000,  32768,
	32769,	 50000,	  65536,   65537,   70000,    131072, 200000,
	1048576, 1048577, 3000000, 9000000, 40000000,
};

/* Resize block to len and check what was in both sizes. */
static bool resize(struct block *block, size_t len, bool as_array)
{
	size_t kept = block->len < len ? block->len : len;
	void *p = as_array ? reallocarray(block->p, len, 1) :
			     realloc(block->p, len);

	if (!CHECK(p != NULL))
		return false;
	block->p = p;
	if (!block_check_len(block, kept) ||
	    !CHECK_EQ((uintptr_t)p % CALLS_ALIGN, 0) ||
	    !CHECK_GE(malloc_usable_size(p), len)) {
		FAIL("from %zu to %zu bytes", block->len, len);
		return false;
	}
	block->len = len;
	block_refill(block, kept);
	return block_check(block);
}

static void every_size_becomes_every_other(void)
{
	for (size_t from = 0; from < TEST_COUNT(sizes); from++)
		for (size_t to = 0; to < TEST_COUNT(sizes); to++) {
			void *p = malloc(sizes[from]);
			struct block block;

			if (!CHECK(p != NULL))
				return;
			errno = MARK;
			block = block_fill(p, sizes[from], CALLS_ALIGN);
			if (!resize(&block, sizes[to], from % 2 == 0) ||
			    !resize(&block, sizes[from], from % 2 != 0))
				return;
			CHECK_EQ(errno, MARK);
			free(block.p);
		}
}

static void many_grow_side_by_side(void)
{
	static struct block blocks[64];
	struct test_rng rng = test_rng(test_seed());

	for (size_t i = 0; i < 64; i++)
		blocks[i] = block_fill(malloc(1), 1, CALLS_ALIGN);
	for (int i = 0; i < 6000; i++) {
		struct block *block = &blocks[test_rand_below(&rng, 64)];
		size_t len = block->len + 1 +
			     test_rand_below(&rng, block->len / 2 + 16);

		if (len > 2000000)
			len = 1 + test_rand_below(&rng, 100);
		if (!resize(block, len, false))
			return;
	}
	CHECK(block_check_apart(blocks, 64));
	for (size_t i = 0; i < 64; i++) {
		CHECK(block_check(&blocks[i]));
		free(blocks[i].p);
	}
}

static void byte_by_byte_from_nothing(void)
{
	struct block block = block_fill(realloc(NULL, 1), 1, CALLS_ALIGN);

	for (size_t len = 2; len < 20000; len++)
		if (!resize(&block, len, len % 3 == 0))
			return;
	for (size_t len = 20000; len > 1; len -= 1 + len / 100)
		if (!resize(&block, len, false))
			return;
	free(block.p);
}

static void a_block_that_need_not_move_stays(void)
{
	for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
		char *p = malloc(sizes[i]);
		char *q = realloc(p, sizes[i]);

		CHECK(q != NULL && q == calls_hide(p));
		p = q;
		/* glibc moves what it mapped. */
		if (calls_surefree()) {
			q = realloc(p, malloc_usable_size(p));
			CHECK(q != NULL && q == calls_hide(p));
		}
		free(q);
	}
}

static void no_block_is_a_new_one(void)
{
	for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
		size_t len = sizes[i];
		struct block a = block_fill(realloc(NULL, len), len, 16);
		struct block b = block_fill(reallocarray(NULL, 1, len), len,
					    16);

		CHECK(block_check(&a));
		CHECK(block_check(&b));
		free(a.p);
		free(b.p);
	}
}

/* As glibc has it, and programs rely on. */
static void no_size_frees(void)
{
	size_t used;
	struct surefree_stats stats;

	calls_stats(&stats);
	used = stats.used_len;
	for (size_t i = 0; i < TEST_COUNT(sizes); i++)
		for (int j = 0; j < 20; j++) {
			void *p = malloc(sizes[i]);
			void *q = malloc(sizes[i]);

			CHECK(p != NULL && q != NULL);
			errno = MARK;
			CHECK(realloc(p, calls_size(0)) == NULL);
			CHECK(reallocarray(q, calls_size(0), 8) == NULL);
			CHECK_EQ(errno, MARK);
		}
	/* 26 sizes, 58 MB, 40 times: not freed, it would be 2 GB more. */
	if (calls_stats(&stats))
		CHECK_LE(stats.used_len, used + (64 << 20));
}

static void a_grown_calloc_block_keeps_its_zeros(void)
{
	for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
		void *p = calloc(sizes[i], 1);

		if (!CHECK(p != NULL))
			return;
		p = realloc(p, sizes[i] * 2);
		CHECK(block_check_zero(p, sizes[i]));
		free(p);
	}
}

/*
 * Each has room for twice its length when it has moved, which nobody else that
 * grows takes.
 */
static void those_that_grow_in_turn_seldom_move(void)
{
	enum { NR = 16 };
	size_t len = 40000;
	char *blocks[NR] = { NULL };
	size_t nr_moves = 0;

	for (; len < (size_t)4 << 20; len += len / 8)
		for (size_t i = 0; i < NR; i++) {
			char *p = realloc(blocks[i], len);

			if (!CHECK(p != NULL))
				return;
			nr_moves += p != calls_hide(blocks[i]);
			blocks[i] = p;
		}
	/* The first time, and when the length has doubled, seven times. */
	if (calls_surefree() && !test_is_limited())
		CHECK_LE(nr_moves, NR * (2 + 7));
	for (size_t i = 0; i < NR; i++)
		free(blocks[i]);
}

/* Pages move; contents that were never written need not be read. */
static void a_very_large_block_grows(void)
{
	size_t len = (size_t)256 << 20;
	size_t step = (size_t)1 << 20;
	char *p = malloc(len);

	if (!CHECK(p != NULL))
		return;
	for (size_t at = 0; at < len; at += step)
		memcpy(p + at, &at, sizeof(at));
	for (int i = 0; i < 6; i++) {
		p = realloc(p, len * (size_t)(i + 2));
		if (!CHECK(p != NULL))
			return;
		for (size_t at = 0; at < len; at += step)
			CHECK(memcmp(p + at, &at, sizeof(at)) == 0);
	}
	CHECK_LE(test_rss_anon(), (size_t)64 << 20);
	p = realloc(p, step);
	CHECK(p != NULL && p[0] == 0);
	free(p);
}

static const struct test tests[] = {
	{ "every size becomes every other", every_size_becomes_every_other },
	{ "many grow side by side", many_grow_side_by_side },
	{ "byte by byte from nothing", byte_by_byte_from_nothing },
	{ "a block that need not move stays",
	  a_block_that_need_not_move_stays },
	{ "no block is a new one", no_block_is_a_new_one },
	{ "no size frees", no_size_frees },
	{ "a grown calloc block keeps its zeros",
	  a_grown_calloc_block_keeps_its_zeros },
	{ "those that grow in turn seldom move",
	  those_that_grow_in_turn_seldom_move },
	{ "a very large block grows", a_very_large_block_grows },
};

int main(int argc, char **argv)
{
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
