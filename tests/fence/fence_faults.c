// SPDX-License-Identifier: MIT
/*
 * SUREFREE_OPTIONS=fence: what touches memory that is not its own faults, or is
 * found when the block is freed, and the block is named with who allocated and
 * who freed it.
 */
#include "test.h"

#include <dlfcn.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aborts.h"
#include "said.h"

/* Keeps the compiler from knowing what a block is. */
static char *volatile block;
static volatile char sink;

static void write_beyond(void)
{
	block = said_block(112);
	block[112] = 1;
}

static void read_beyond(void)
{
	block = said_block(4096);
	sink = block[4096];
}

/* Where no block was yet. */
static void write_far_beyond(void)
{
	block = said_block(100);
	block[2 * test_page()] = 1;
}

static void write_very_far_beyond(void)
{
	block = said_block(100);
	block[1000 * test_page()] = 1;
}

static void a_byte_beyond_the_end_faults(void)
{
	if (!said_has_guard())
		SKIP("the kernel has no guard markers");
	said(write_beyond, SIGSEGV, "write at", ": offset 112 of the block of",
	     "of 112 bytes", ", in use", "allocated by", "touched by", NULL);
	said(write_far_beyond, SIGSEGV, "write at", "of the block of 100 bytes",
	     ", in use", NULL);
	said(write_very_far_beyond, SIGSEGV, "write at",
	     "of the block of 100 bytes", ", in use", NULL);
	said(read_beyond, SIGSEGV, "read at", "offset 4096 of the block of",
	     ", in use", NULL);
}

static void write_beyond_odd(void)
{
	block = said_block(100);
	block[100] = 0;
	free(block);
}

static void write_before(void)
{
	block = said_block(100);
	block[-1] = 0;
	free(block);
}

static void what_alignment_leaves_is_looked_at_by_free(void)
{
	said(write_beyond_odd, SIGABRT,
	     "offset 100 of the block of 100 bytes was written to",
	     "allocated by", "called by", NULL);
	said(write_before, SIGABRT,
	     "offset -1 of the block of 100 bytes was written to", NULL);
}

static void write_far_before(void)
{
	block = said_block(test_page());
	block[-1] = 0;
}

static void touch_no_bytes(void)
{
	block = malloc(0);
	sink = *block;
}

static void before_the_pages_and_without_bytes_it_faults(void)
{
	if (!said_has_guard())
		SKIP("the kernel has no guard markers");
	said(write_far_before, SIGSEGV, "write at", "offset -1 of the block of",
	     ", in use", NULL);
	said(touch_no_bytes, SIGSEGV, "offset 0 of the block of 0 bytes", NULL);
}

static void read_after_free(void)
{
	block = said_block(10000);
	free(block);
	sink = block[5000];
}

static void write_after_free(void)
{
	block = said_block(24);
	free(block);
	block[3] = 1;
}

static void write_after_realloc(void)
{
	block = said_block(24);
	sink = *(char *)realloc(block, 25);
	block[3] = 1;
}

static void a_freed_block_faults(void)
{
	if (!said_has_guard())
		SKIP("the kernel has no guard markers");
	said(read_after_free, SIGSEGV, "read at", "offset 5000 of the block of",
	     "of 10000 bytes", ", already free", "allocated by", "freed by",
	     "touched by", NULL);
	said(write_after_free, SIGSEGV, "write at", "offset 3 of the block of",
	     ", already free", NULL);
	said(write_after_realloc, SIGSEGV, "write at",
	     "offset 3 of the block of", ", already free", NULL);
}

static void free_twice(void)
{
	block = said_block(24);
	free(block);
	free(block);
}

static void free_inside(void)
{
	block = said_block(24);
	free(block + 16);
}

static void free_with_wrong_size(void)
{
	void (*free_sized)(void *, size_t) = (void (*)(void *, size_t))
		dlsym(RTLD_DEFAULT, "free_sized");

	free_sized(malloc(24), 23);
}

static void free_of_something_else_is_reported(void)
{
	said(free_twice, SIGABRT, "already free (a block of 24 bytes)",
	     "allocated by", "freed by", "called by", NULL);
	said(free_inside, SIGABRT,
	     "not the start of a block, but offset 16 of one of 24 bytes",
	     "allocated by", NULL);
	said(free_with_wrong_size, SIGABRT, "23): the block has 24 bytes",
	     NULL);
}

static void kill_self(void)
{
	raise(SIGSEGV);
}

static void fault_elsewhere(void)
{
	block = NULL;
	*block = 1;
}

static void check_silent(void (*fn)(void), int end)
{
	char text[512];

	CHECK_EQ(aborts_capture(fn, text, sizeof(text)), end);
	CHECK_STR(text, "");
}

static void other_faults_end_as_they_would_have(void)
{
	check_silent(kill_self, -SIGSEGV);
	check_silent(fault_elsewhere, -SIGSEGV);
}

static void blocks_have_the_size_and_alignment_asked_for(void)
{
	for (size_t align = 16; align <= (size_t)1 << 22; align *= 2) {
		for (size_t size = 1; size < 20000; size += 1 + size / 3) {
			char *p = memalign(align, size);

			if (!CHECK(p != NULL))
				return;
			CHECK_EQ((uintptr_t)p % align, 0);
			CHECK_EQ(malloc_usable_size(p), size);
			memset(p, 1, size);
			free(p);
		}
	}
}

static void calloc_gives_zeros(void)
{
	for (size_t size = 1; size < 100000; size += 1 + size / 4) {
		char *p = calloc(1, size);
		size_t nr = 0;

		if (!CHECK(p != NULL))
			return;
		while (nr < size && p[nr] == 0)
			nr++;
		CHECK_EQ(nr, size);
		memset(p, 1, size);
		p = realloc(p, size * 2);
		CHECK_EQ(p[0] + p[size - 1], 2);
		free(p);
	}
}

static const struct test tests[] = {
	{ "a byte beyond the end faults", a_byte_beyond_the_end_faults },
	{ "what alignment leaves is looked at by free()",
	  what_alignment_leaves_is_looked_at_by_free },
	{ "before the pages, and without bytes, it faults",
	  before_the_pages_and_without_bytes_it_faults },
	{ "a freed block faults", a_freed_block_faults },
	{ "free() of something else is reported",
	  free_of_something_else_is_reported },
	{ "other faults end as they would have",
	  other_faults_end_as_they_would_have },
	{ "blocks have the size and alignment asked for",
	  blocks_have_the_size_and_alignment_asked_for },
	{ "calloc() gives zeros", calloc_gives_zeros },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
