// SPDX-License-Identifier: MIT
/*
 * What glibc's malloc makes of a refused munmap(): nothing. Blocks of its own
 * mappings (128 KiB and more) stay resident for ever, and nobody is told.
 */
#include "kernel.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define NR_BLOCKS 64
#define BLOCK_LEN ((size_t)256 << 10)

static char *blocks[NR_BLOCKS];
static char *more[NR_BLOCKS];

/* Allocate and touch; false when this malloc is of another kind. */
static bool make_blocks(void)
{
	size_t apart = BLOCK_LEN + test_page();

	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	for (size_t i = 0; i < NR_BLOCKS; i++) {
		blocks[i] = malloc(BLOCK_LEN);
		if (!CHECK(blocks[i] != NULL))
			return false;
		memset(blocks[i], 1, BLOCK_LEN);
	}
	for (size_t i = 1; i < NR_BLOCKS; i++)
		if ((size_t)labs(blocks[i] - blocks[i - 1]) != apart) {
			test_skip("this malloc does not map each block, side "
				  "by side, as glibc's does");
			return false;
		}
	return true;
}

static size_t resident_blocks(void)
{
	size_t len = 0;

	for (size_t i = 0; i < NR_BLOCKS; i++)
		len += test_resident(blocks[i], BLOCK_LEN);
	return len;
}

static void freeing(void)
{
	size_t before;

	if (!make_blocks() || !test_fill(0))
		return;
	before = resident_blocks();
	for (size_t i = 1; i < NR_BLOCKS; i += 2)
		free(blocks[i]);
	for (size_t i = 0; i < NR_BLOCKS; i += 2)
		free(blocks[i]);
	/* The one at either end, and what its going away laid open, went. */
	CHECK_GT(resident_blocks(), before / 10 * 9);
}

static void allocating(void)
{
	if (!make_blocks() || !test_fill(test_can_exceed() ? -1 : 0))
		return;
	for (size_t i = 0; i < NR_BLOCKS; i++) {
		more[i] = malloc(BLOCK_LEN);
		CHECK_EQ(more[i], NULL);
	}
}

static const struct test tests[] = {
	{ "glibc's free keeps what the kernel refuses to unmap, silently",
	  freeing },
	{ "glibc's malloc fails with memory to spare", allocating },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
