// SPDX-License-Identifier: MIT
/*
 * Sizes that are zero, odd, too large or that overflow, and what becomes of
 * errno.
 */
#include "test.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>

#include "blocks.h"
#include "calls.h"

#define NR_ZERO 1000
#define EVERY	70000
#define MARK	4242 /* no errno */

/* Sizes that no system has. */
static const size_t too_large[] = {
	(size_t)PTRDIFF_MAX,
	(size_t)PTRDIFF_MAX + 1,
	(size_t)PTRDIFF_MAX - 1,
	(size_t)PTRDIFF_MAX - 4096,
	SIZE_MAX,
	SIZE_MAX - 1,
	SIZE_MAX - 15,
	SIZE_MAX - 16,
	SIZE_MAX - 4095,
	SIZE_MAX - 4096,
	SIZE_MAX - 65536,
	SIZE_MAX - (2 << 20),
	SIZE_MAX / 2 + 4096,
	SIZE_MAX / 4 * 3,
};

/* Whether a call returned NULL and set ENOMEM; errno was MARK before. */
static bool refused(const void *result)
{
	bool right = CHECK(result == NULL) && CHECK_EQ(errno, ENOMEM);

	errno = MARK;
	return right;
}

static void blocks_of_no_bytes_are_blocks(void)
{
	void *blocks[NR_ZERO];

	for (size_t i = 0; i < NR_ZERO; i += 4) {
		blocks[i] = malloc(calls_size(0));
		blocks[i + 1] = calloc(calls_size(0), calls_size(i));
		blocks[i + 2] = calloc(calls_size(SIZE_MAX), calls_size(0));
		blocks[i + 3] = realloc(NULL, calls_size(0));
	}
	for (size_t i = 0; i < NR_ZERO; i++) {
		if (!CHECK(blocks[i] != NULL) ||
		    !CHECK_EQ((uintptr_t)blocks[i] % CALLS_ALIGN, 0))
			return;
		for (size_t j = 0; j < i; j++)
			if (blocks[i] == blocks[j])
				FAIL("blocks %zu and %zu are one", i, j);
	}
	for (size_t i = 0; i < NR_ZERO; i++)
		free(blocks[i]);
}

static void every_size_is_usable_to_its_last_byte(void)
{
	static struct block blocks[EVERY / 64];
	size_t nr = 0;

	for (size_t len = 1; len < EVERY; len += 1 + len / 1024) {
		void *p = malloc(len);

		if (!CHECK(p != NULL) ||
		    !CHECK_GE(malloc_usable_size(p), len) ||
		    !CHECK_EQ((uintptr_t)p % CALLS_ALIGN, 0))
			return;
		/* Some stay, so that neighbours are seen. */
		blocks[nr] = block_fill(p, len, CALLS_ALIGN);
		if (++nr < TEST_COUNT(blocks))
			continue;
		CHECK(block_check_apart(blocks, nr));
		while (nr > 0) {
			nr--;
			CHECK(block_check(&blocks[nr]));
			free(blocks[nr].p);
		}
	}
	while (nr > 0) {
		nr--;
		CHECK(block_check(&blocks[nr]));
		free(blocks[nr].p);
	}
}

/* What malloc_usable_size() says may all be written, also in the neighbours. */
static void every_usable_byte_is_usable(void)
{
	static struct block blocks[512];

	for (size_t from = 1; from < 40000; from += 2000) {
		for (size_t i = 0; i < 512; i++) {
			size_t len = from + i * 7;
			void *p = malloc(len);

			if (!CHECK(p != NULL))
				return;
			len = malloc_usable_size(p);
			blocks[i] = block_fill(p, len, CALLS_ALIGN);
		}
		for (size_t i = 0; i < 512; i++) {
			CHECK(block_check(&blocks[i]));
			free(blocks[i].p);
		}
	}
	CHECK_EQ(malloc_usable_size(NULL), 0);
}

static void sizes_that_are_too_large_are_refused(void)
{
	errno = MARK;
	for (size_t i = 0; i < TEST_COUNT(too_large); i++) {
		size_t len = calls_size(too_large[i]);

		if (!refused(malloc(len)) || !refused(calloc(1, len)) ||
		    !refused(calloc(len, 1)) || !refused(realloc(NULL, len)) ||
		    !refused(reallocarray(NULL, 1, len)) ||
		    !refused(aligned_alloc(16, len)) ||
		    !refused(aligned_alloc(4096, len)) ||
		    !refused(memalign(64, len))) {
			FAIL("the size was %zu", len);
			return;
		}
	}
}

static void products_that_overflow_are_refused(void)
{
	static const size_t pairs[][2] = {
		{ SIZE_MAX, 2 },
		{ SIZE_MAX / 2 + 1, 2 },
		{ SIZE_MAX / 2 + 2, 2 },
		{ (size_t)1 << 32, (size_t)1 << 32 },
		{ ((size_t)1 << 32) + 1, ((size_t)1 << 32) },
		{ SIZE_MAX, SIZE_MAX },
		{ SIZE_MAX / 16 + 1, 16 },
		{ SIZE_MAX / 16 + 2, 16 },
		{ 3, SIZE_MAX / 3 + 1 },
		{ PTRDIFF_MAX, 3 },
	};
	char *p = malloc(100);

	if (!CHECK(p != NULL))
		return;
	memset(p, 'k', 100);
	errno = MARK;
	for (size_t i = 0; i < TEST_COUNT(pairs); i++) {
		size_t nr = calls_size(pairs[i][0]);
		size_t len = calls_size(pairs[i][1]);

		if (!refused(calloc(nr, len)) || !refused(calloc(len, nr)) ||
		    !refused(reallocarray(NULL, nr, len)) ||
		    !refused(reallocarray(calls_hide(p), nr, len)) ||
		    !refused(reallocarray(calls_hide(p), len, nr))) {
			FAIL("%zu times %zu", nr, len);
			return;
		}
	}
	for (size_t i = 0; i < 100; i++)
		CHECK_EQ(p[i], 'k');
	free(p);
}

static void a_refused_realloc_leaves_the_block(void)
{
	static const size_t sizes[] = { 1, 100, 5000, 100000, 3000000 };

	for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
		void *p = malloc(sizes[i]);
		struct block block;

		if (!CHECK(p != NULL))
			return;
		block = block_fill(p, sizes[i], CALLS_ALIGN);
		errno = MARK;
		for (size_t j = 0; j < TEST_COUNT(too_large); j++)
			CHECK(refused(realloc(calls_hide(p),
					      calls_size(too_large[j]))));
		CHECK(block_check(&block));
		free(p);
	}
}

static void what_succeeds_leaves_errno(void)
{
	static const size_t sizes[] = { 0,     1,      100,	5000,
					40000, 200000, 2000000, 70000000 };

	for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
		void *p[4];

		errno = MARK;
		p[0] = malloc(sizes[i]);
		p[1] = calloc(1, sizes[i]);
		p[2] = realloc(malloc(1), sizes[i] + 1);
		p[3] = aligned_alloc(64, sizes[i]);
		CHECK_EQ(errno, MARK);
		for (int j = 0; j < 4; j++) {
			CHECK(p[j] != NULL);
			free(p[j]);
		}
		CHECK_EQ(errno, MARK);
	}
}

static void free_leaves_errno(void)
{
	static void *many[2000];

	errno = MARK;
	free(NULL);
	CHECK_EQ(errno, MARK);
	for (size_t size = 1; size < (32 << 20); size = size * 3 + 1) {
		size_t nr = size < 100000 ? 2000 : 8;

		for (size_t i = 0; i < nr; i++) {
			many[i] = malloc(size);
			if (!CHECK(many[i] != NULL))
				return;
			memset(many[i], 1, size);
		}
		errno = MARK;
		for (size_t i = 0; i < nr; i++)
			free(many[i]);
		CHECK_EQ(errno, MARK);
	}
}

static void sized_free_takes_every_size(void)
{
	for (size_t len = 0; len < 3000000; len += 1 + len / 5) {
		void *p = malloc(len);
		void *q = calloc(1, len);
		void *r = aligned_alloc(256, len);
		void *s = realloc(malloc(2 * len), len + 1);

		if (!CHECK(p != NULL && q != NULL && r != NULL && s != NULL))
			return;
		errno = MARK;
		calls_free_sized(p, len);
		calls_free_sized(q, len);
		calls_free_aligned_sized(r, 256, len);
		calls_free_sized(s, len + 1);
		CHECK_EQ(errno, MARK);
	}
	calls_free_sized(NULL, 0);
	calls_free_sized(NULL, 100);
	calls_free_aligned_sized(NULL, 16, 100);
	CHECK_EQ(errno, MARK);
}

/* Fill memory with 0xff, free it, and ask for it as zeros. */
static void calloc_gives_zeros(void)
{
	static void *many[256];

	for (int round = 0; round < 3; round++)
		for (size_t len = 1; len < 6000000; len = len * 2 + 5) {
			size_t nr = len < 20000 ? 256 : 6;

			for (size_t i = 0; i < nr; i++) {
				many[i] = malloc(len);
				if (!CHECK(many[i] != NULL))
					return;
				memset(many[i], 0xff, len);
			}
			for (size_t i = 0; i < nr; i++)
				free(many[i]);
			for (size_t i = 0; i < nr; i++) {
				many[i] = i % 2 ? calloc(1, len) :
						  calloc(len, 1);
				if (!CHECK(many[i] != NULL) ||
				    !CHECK(block_check_zero(many[i], len)))
					return;
				memset(many[i], 0xff, len);
			}
			for (size_t i = 0; i < nr; i++)
				free(many[i]);
		}
}

/* RLIMIT_DATA counts what is made writable, in every way it can be. */
static void memory_that_runs_out_comes_back(size_t len)
{
	struct rlimit limit = { (size_t)512 << 20, (size_t)512 << 20 };
	static void *blocks[1 << 20];
	size_t nr_first = 0;

	if (calls_sanitized())
		SKIP("a sanitizer has more than RLIMIT_DATA allows");
	CHECK_OK(setrlimit(RLIMIT_DATA, &limit));
	for (int round = 0; round < 3; round++) {
		size_t nr = 0;

		errno = MARK;
		while (nr < TEST_COUNT(blocks) &&
		       (blocks[nr] = malloc(len)) != NULL)
			nr++;
		if (nr == TEST_COUNT(blocks))
			SKIP("RLIMIT_DATA is not heeded here");
		CHECK_EQ(errno, ENOMEM);
		errno = MARK;
		CHECK(refused(calloc(1, len)));
		CHECK(refused(realloc(NULL, len)));
		CHECK(refused(aligned_alloc(4096, len)));
		CHECK_GE(nr * len, limit.rlim_cur / 4);
		if (round == 0)
			nr_first = nr;
		CHECK_GE(nr, nr_first - nr_first / 8);
		while (nr > 0)
			free(blocks[--nr]);
	}
}

static void small_blocks_run_out_and_come_back(void)
{
	memory_that_runs_out_comes_back(3000);
}

static void large_blocks_run_out_and_come_back(void)
{
	memory_that_runs_out_comes_back((size_t)1 << 20);
}

static const struct test tests[] = {
	{ "blocks of no bytes are blocks", blocks_of_no_bytes_are_blocks },
	{ "every size is usable to its last byte",
	  every_size_is_usable_to_its_last_byte },
	{ "every usable byte is usable", every_usable_byte_is_usable },
	{ "sizes that are too large are refused",
	  sizes_that_are_too_large_are_refused },
	{ "products that overflow are refused",
	  products_that_overflow_are_refused },
	{ "a refused realloc leaves the block",
	  a_refused_realloc_leaves_the_block },
	{ "what succeeds leaves errno", what_succeeds_leaves_errno },
	{ "free leaves errno", free_leaves_errno },
	{ "sized free takes every size", sized_free_takes_every_size },
	{ "calloc gives zeros", calloc_gives_zeros },
	{ "small blocks run out and come back",
	  small_blocks_run_out_and_come_back },
	{ "large blocks run out and come back",
	  large_blocks_run_out_and_come_back },
};

int main(int argc, char **argv)
{
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
