// SPDX-License-Identifier: MIT
/*
 * SUREFREE_OPTIONS=hardened,backtrace: what reaches a guard faults, and what
 * was written to freed blocks is found before they are anybody's again.
 */
#include "test.h"

#include <dlfcn.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aborts.h"
#include "said.h"

#define SLAB_LEN ((size_t)64 << 10)
#define LEN	 ((size_t)1792) /* nobody else has blocks of this size */

/* Keeps the compiler from knowing what a block is. */
static char *volatile block;
static volatile char sink;

static void write_beyond_slab(void)
{
	uintptr_t slab;

	block = said_block(1000);
	slab = (uintptr_t)block & ~(SLAB_LEN - 1);
	*(volatile char *)(slab + SLAB_LEN - test_page()) = 1;
}

/* From the block on, and say which it is. */
static void write_on_and_on(void)
{
	fprintf(stderr, "at %p, in use\n", (void *)block);
	for (size_t i = 0; i < SLAB_LEN; i++)
		((volatile char *)block)[i] = 1;
}

static void write_over_new(void)
{
	block = said_block(LEN);
	write_on_and_on();
}

static void write_over_freed(void)
{
	char *first = said_block(LEN);
	char *second = said_block(LEN);

	block = first < second ? first : second;
	free(first < second ? second : first);
	write_on_and_on();
}

/* The same words twice: the program's, and the report's. */
static void the_block_before_the_guard_is_named(void (*misuse)(void))
{
	static char text[16384];
	char words[64];

	CHECK_EQ(aborts_capture(misuse, text, sizeof(text)), -SIGSEGV);
	snprintf(words, sizeof(words), "%.*s", (int)strcspn(text, "\n"), text);
	if (strstr(text + strlen(words), words) == NULL)
		FAIL("it said %s", text);
}

static void free_never_allocated(void)
{
	size_t offset;

	block = said_block(LEN);
	offset = (uintptr_t)block & (SLAB_LEN - 1);
	free(offset < SLAB_LEN / 2 ? block + LEN : block - LEN);
}

static void write_beyond_large(void)
{
	block = said_block(100000);
	block[malloc_usable_size(block)] = 1;
}

static void read_after_free_of_large(void)
{
	block = said_block(100000);
	free(block);
	sink = block[5];
}

static void guards_fault(void)
{
	if (!said_has_guard() || test_page() >= SLAB_LEN)
		SKIP("no guard markers, or pages are as large as slabs");
	said(write_beyond_slab, SIGSEGV, "write at", "of the block of 1024",
	     "touched by", NULL);
	the_block_before_the_guard_is_named(write_over_new);
	the_block_before_the_guard_is_named(write_over_freed);
	said(write_beyond_large, SIGSEGV, "write at",
	     "offset 102400 of the block of 102400 bytes", ", in use",
	     "allocated by", "touched by", NULL);
	said(read_after_free_of_large, SIGSEGV, "read at",
	     "offset 5 of the block of 102400 bytes", ", already free",
	     "allocated by", "freed by", NULL);
}

/* Free blocks until no quarantine holds what was freed before. */
static void free_many(size_t size)
{
	for (size_t i = 0; i < 200000; i++)
		free(malloc(size));
}

static void write_after_free(void)
{
	block = said_block(100);
	free(block);
	block[13] = 1;
	free_many(100);
}

static void write_after_free_of_middle(void)
{
	block = said_block(10000);
	free(block);
	block[9999] = 1;
	free_many(10000);
}

static void a_write_after_free_is_found(void)
{
	said(write_after_free, SIGABRT,
	     "write after free: offset 13 of the block of 112 bytes at",
	     "allocated by", "freed by", NULL);
	said(write_after_free_of_middle, SIGABRT,
	     "write after free: offset 9999 of the block of 10240 bytes at",
	     NULL);
}

static void free_twice(void)
{
	block = said_block(24);
	free(block);
	free(block);
}

static void free_large_twice(void)
{
	block = said_block(100000);
	free(block);
	free(block);
}

static void resize_freed(void)
{
	block = said_block(24);
	free(block);
	sink = *(char *)realloc(block, 100);
}

static void free_inside(void)
{
	block = said_block(24);
	free(block + 16);
}

static void call_free_sized(size_t size, size_t told)
{
	void (*free_sized)(void *, size_t) = (void (*)(void *, size_t))
		dlsym(RTLD_DEFAULT, "free_sized");

	free_sized(malloc(size), told);
}

static void free_with_wrong_size(void)
{
	call_free_sized(100, 20);
}

static void free_with_right_sizes(void)
{
	for (size_t size = 0; size < 200000; size += 1 + size / 3)
		call_free_sized(size, size);
	raise(SIGUSR1);
}

static void free_of_something_else_is_reported(void)
{
	said(free_never_allocated, SIGABRT,
	     "never allocated (a block of 1792 bytes)", "called by", NULL);
	said(free_twice, SIGABRT, "already free (a block of 32 bytes)",
	     "freed by", "called by", NULL);
	said(free_large_twice, SIGABRT,
	     "already free (a block of 102400 bytes)", "freed by", NULL);
	said(resize_freed, SIGABRT, "realloc(", "already free", NULL);
	said(free_inside, SIGABRT, "offset 16 of one of 32 bytes", NULL);
	said(free_with_wrong_size, SIGABRT, "20): the block has 112 bytes",
	     NULL);
	said(free_with_right_sizes, SIGUSR1, NULL);
}

static const struct test tests[] = {
	{ "guards fault", guards_fault },
	{ "a write after free is found", a_write_after_free_is_found },
	{ "free() of something else is reported",
	  free_of_something_else_is_reported },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
