// SPDX-License-Identifier: MIT
/*
 * The functions that take an alignment, with good ones and bad ones. What is
 * bad follows C23 and POSIX; where glibc 2.36 takes more than those (it rounds
 * an alignment for aligned_alloc() and memalign() up to a power of two),
 * either is right.
 */
#include "test.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "blocks.h"
#include "calls.h"

#define MARK	  4242 /* no errno */
#define ALIGN_MAX ((size_t)64 << 20)

static const size_t sizes[] = {
	0,    1,    8,	   16,	  17,	 100,	128,	1000,	 4095,
	4096, 4097, 10000, 32768, 32769, 65536, 100000, 2097152, 3000000,
};

static const size_t not_powers[] = { 3,	  5,	6,    7,     24,       48,
				     100, 4095, 5000, 65537, (3 << 20) };

/* Check a block, write all of it, and free it. */
static void use(void *p, size_t len, size_t align)
{
	struct block block;

	if (!CHECK(p != NULL) || !CHECK_EQ((uintptr_t)p % align, 0) ||
	    !CHECK_GE(malloc_usable_size(p), len)) {
		FAIL("%zu bytes, alignment %zu", len, align);
		return;
	}
	block = block_fill(p, len, align);
	CHECK(block_check(&block));
	free(p);
}

static void every_power_of_two_is_an_alignment(void)
{
	for (size_t align = 1; align <= ALIGN_MAX; align *= 2)
		for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
			void *p = calls_hide(NULL);

			errno = MARK;
			use(aligned_alloc(align, sizes[i]), sizes[i], align);
			use(memalign(align, sizes[i]), sizes[i], align);
			if (align >= sizeof(void *)) {
				CHECK_EQ(posix_memalign(&p, align, sizes[i]),
					 0);
				use(p, sizes[i], align);
			}
			CHECK_EQ(errno, MARK);
		}
}

/* Many at once, so that they lie beside each other. */
static void aligned_blocks_keep_apart(void)
{
	static struct block blocks[600];
	struct test_rng rng = test_rng(test_seed());

	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < 600; i++) {
			size_t align = (size_t)1 << test_rand_below(&rng, 15);
			size_t len = test_rand_below(&rng, 4 * align);
			void *p = aligned_alloc(align, len);

			if (!CHECK(p != NULL))
				return;
			blocks[i] = block_fill(p, len, align);
		}
		CHECK(block_check_apart(blocks, 600));
		for (size_t i = 0; i < 600; i++) {
			CHECK(block_check(&blocks[i]));
			free(blocks[i].p);
		}
	}
}

static void an_alignment_that_is_no_power_of_two_is_refused(void)
{
	for (size_t i = 0; i < TEST_COUNT(not_powers); i++) {
		size_t align = calls_size(not_powers[i]);
		void *p;

		errno = MARK;
		p = aligned_alloc(align, 100);
		if (p != NULL)
			use(p, 100, align < 16 ? 1 : 16);
		else
			CHECK_EQ(errno, EINVAL);
		errno = MARK;
		p = memalign(align, 100);
		if (p != NULL)
			use(p, 100, align < 16 ? 1 : 16);
		else
			CHECK_EQ(errno, EINVAL);
	}
}

static void posix_memalign_refuses_bad_alignments(void)
{
	char *before = calls_hide(&before);
	void *p = before;

	errno = MARK;
	for (size_t i = 0; i < TEST_COUNT(not_powers); i++)
		CHECK_EQ(posix_memalign(&p, not_powers[i], 10), EINVAL);
	CHECK_EQ(posix_memalign(&p, calls_size(0), 10), EINVAL);
	CHECK_EQ(posix_memalign(&p, calls_size(1), 10), EINVAL);
	CHECK_EQ(posix_memalign(&p, calls_size(2), 10), EINVAL);
	CHECK_EQ(posix_memalign(&p, calls_size(4), 10), EINVAL);
	CHECK_EQ(posix_memalign(&p, calls_size(SIZE_MAX), 10), EINVAL);
	/* A failure leaves the pointer, and errno is not how it is told. */
	CHECK(p == before);
	CHECK_EQ(errno, MARK);
}

static void posix_memalign_says_when_there_is_no_memory(void)
{
	static const size_t lens[] = { (size_t)PTRDIFF_MAX, SIZE_MAX,
				       SIZE_MAX - 4096, SIZE_MAX / 2 + 1 };
	char *before = calls_hide(&before);
	void *p = before;

	for (size_t i = 0; i < TEST_COUNT(lens); i++) {
		CHECK_EQ(posix_memalign(&p, 8, calls_size(lens[i])), ENOMEM);
		CHECK_EQ(posix_memalign(&p, 64, calls_size(lens[i])), ENOMEM);
		CHECK_EQ(posix_memalign(&p, 1 << 21, calls_size(lens[i])),
			 ENOMEM);
	}
	CHECK(p == before);
}

/* Powers of two that no address space holds, or whose sum overflows. */
static void huge_alignments_are_refused(void)
{
	static const size_t aligns[] = { SIZE_MAX / 2 + 1, SIZE_MAX / 4 + 1,
					 (size_t)1 << 56, (size_t)1 << 48 };

	for (size_t i = 0; i < TEST_COUNT(aligns); i++) {
		size_t align = calls_size(aligns[i]);
		void *before = calls_hide(&align);
		void *p = before;

		errno = MARK;
		CHECK(aligned_alloc(align, 100) == NULL);
		CHECK(errno == ENOMEM || errno == EINVAL);
		errno = MARK;
		CHECK(memalign(align, 100) == NULL);
		CHECK(errno == ENOMEM || errno == EINVAL);
		CHECK_EQ(posix_memalign(&p, align, 100), ENOMEM);
		CHECK(p == before);
	}
	errno = MARK;
	CHECK(memalign(calls_size(SIZE_MAX), 1) == NULL);
	CHECK(errno == ENOMEM || errno == EINVAL);
	errno = MARK;
	CHECK(memalign(calls_size(SIZE_MAX / 2 + 2), 1) == NULL);
	CHECK(errno == ENOMEM || errno == EINVAL);
	errno = MARK;
	CHECK(aligned_alloc(4096, calls_size(SIZE_MAX - 4094)) == NULL);
	CHECK_EQ(errno, ENOMEM);
}

/* C17 and later: the size need not be a multiple of the alignment. */
static void a_size_need_not_be_a_multiple(void)
{
	for (size_t align = 16; align <= 1 << 20; align *= 2)
		for (size_t len = 1; len < 3 * align; len += align / 3 + 7)
			use(aligned_alloc(align, len), len, align);
}

static void no_alignment_is_no_crash(void)
{
	void *p;

	errno = MARK;
	p = aligned_alloc(calls_size(0), 10);
	CHECK(p != NULL || errno == EINVAL);
	free(p);
	errno = MARK;
	p = memalign(calls_size(0), 10);
	CHECK(p != NULL || errno == EINVAL);
	free(p);
}

#ifndef CALLS_LINKED
static void valloc_and_pvalloc_give_pages(void)
{
	for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
		size_t page = test_page();
		size_t up = (sizes[i] + page - 1) / page * page;
		void *p;

		errno = MARK;
		use(valloc(sizes[i]), sizes[i], page);
		p = pvalloc(sizes[i]);
		CHECK_GE(malloc_usable_size(p), up);
		use(p, up, page);
		CHECK_EQ(errno, MARK);
	}
}

static void valloc_and_pvalloc_refuse_what_is_too_large(void)
{
	static const size_t lens[] = { SIZE_MAX,	   SIZE_MAX - 100,
				       SIZE_MAX - 4095,	   SIZE_MAX - 4096,
				       SIZE_MAX - 8192,	   SIZE_MAX - 65536,
				       SIZE_MAX / 2 + 1,   (size_t)PTRDIFF_MAX,
				       SIZE_MAX / 2 - 5000 };

	for (size_t i = 0; i < TEST_COUNT(lens); i++) {
		errno = MARK;
		CHECK(valloc(calls_size(lens[i])) == NULL);
		CHECK_EQ(errno, ENOMEM);
		errno = MARK;
		CHECK(pvalloc(calls_size(lens[i])) == NULL);
		CHECK_EQ(errno, ENOMEM);
	}
}
#endif

static void aligned_blocks_can_be_resized(void)
{
	for (size_t align = 16; align <= 1 << 20; align *= 4)
		for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
			void *p = aligned_alloc(align, sizes[i]);
			struct block block;
			size_t len = 2 * sizes[i] + 100;

			if (!CHECK(p != NULL))
				return;
			block = block_fill(p, sizes[i], align);
			p = realloc(p, len);
			if (!CHECK(p != NULL))
				return;
			/* C promises no more than the usual alignment. */
			block.p = p;
			block.align = CALLS_ALIGN;
			CHECK(block_check(&block));
			use(p, len, CALLS_ALIGN);
		}
}

static const struct test tests[] = {
	{ "every power of two is an alignment",
	  every_power_of_two_is_an_alignment },
	{ "aligned blocks keep apart", aligned_blocks_keep_apart },
	{ "an alignment that is no power of two is refused",
	  an_alignment_that_is_no_power_of_two_is_refused },
	{ "posix_memalign refuses bad alignments",
	  posix_memalign_refuses_bad_alignments },
	{ "posix_memalign says when there is no memory",
	  posix_memalign_says_when_there_is_no_memory },
	{ "huge alignments are refused", huge_alignments_are_refused },
	{ "a size need not be a multiple", a_size_need_not_be_a_multiple },
	{ "no alignment is no crash", no_alignment_is_no_crash },
#ifndef CALLS_LINKED
	{ "valloc and pvalloc give pages", valloc_and_pvalloc_give_pages },
	{ "valloc and pvalloc refuse what is too large",
	  valloc_and_pvalloc_refuse_what_is_too_large },
#endif
	{ "aligned blocks can be resized", aligned_blocks_can_be_resized },
};

int main(int argc, char **argv)
{
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
