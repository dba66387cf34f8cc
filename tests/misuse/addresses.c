// SPDX-License-Identifier: MIT
/*
 * An address or length that cannot be of our memory is reported with the call,
 * the address, the length and the cause, and the process aborts.
 */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "aborts.h"
#include "extra.h"
#include "surefree.h"

static const char foreign[] = "not mapped by surefree";

static char *map_pages(size_t nr)
{
	char *p = surefree_map(nr * test_page(), 0);

	if (p == NULL)
		_exit(TEST_CHILD_FAILED);
	memset(p, 1, nr * test_page());
	return p;
}

/* The five calls that take a range. */
static void discard(void *addr, size_t len)
{
	surefree_discard(addr, len);
}

static void guard(void *addr, size_t len)
{
	surefree_guard(addr, len);
}

static void unguard(void *addr, size_t len)
{
	surefree_unguard(addr, len);
}

static void remap(void *addr, size_t len)
{
	surefree_remap(addr, len, len + 1, 0);
}

static const struct {
	const char *name;
	void (*call)(void *addr, size_t len);
} calls[] = {
	{ "surefree_unmap", surefree_unmap }, { "surefree_discard", discard },
	{ "surefree_guard", guard },	      { "surefree_unguard", unguard },
	{ "surefree_remap", remap },
};

static size_t chosen; /* index into calls */

static void misuse(void *addr, size_t len, const char *cause)
{
	aborts_say("surefree: %s(%p, %zu): %s", calls[chosen].name, addr, len,
		   cause);
	calls[chosen].call(addr, len);
}

static void for_all_calls(void (*fn)(void))
{
	for (chosen = 0; chosen < TEST_COUNT(calls); chosen++)
		aborts(fn);
}

static void pass_unaligned(void)
{
	char cause[64];

	snprintf(cause, sizeof(cause),
		 "address is not on a page boundary (%zu)", test_page());
	misuse(map_pages(4) + 8, test_page(), cause);
}

static void pass_null(void)
{
	misuse(NULL, test_page(), foreign);
}

static void pass_heap(void)
{
	char *p = aligned_alloc(test_page(), 4 * test_page());

	misuse(p, test_page(), foreign);
}

static void pass_code(void)
{
	uintptr_t at = (uintptr_t)pass_code / test_page() * test_page();

	misuse((void *)at, test_page(), foreign);
}

static void pass_mmap(void)
{
	char *p = mmap(NULL, test_page(), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	misuse(p, test_page(), foreign);
}

static void pass_kernel_address(void)
{
	misuse((void *)(UINTPTR_MAX - test_page() + 1), test_page(), foreign);
}

static void pass_wrapping_length(void)
{
	misuse(map_pages(4), SIZE_MAX, foreign);
}

static void pass_length_to_the_end_of_memory(void)
{
	char *p = map_pages(4);

	misuse(p, (size_t)0 - (uintptr_t)p, foreign);
}

static void pass_huge_length(void)
{
	misuse(map_pages(4), (size_t)1 << 62, foreign);
}

static void an_unaligned_address_is_reported(void)
{
	for_all_calls(pass_unaligned);
}

static void null_is_reported(void)
{
	for_all_calls(pass_null);
}

static void heap_memory_is_reported(void)
{
	for_all_calls(pass_heap);
}

static void code_is_reported(void)
{
	for_all_calls(pass_code);
}

static void a_foreign_map_is_reported(void)
{
	for_all_calls(pass_mmap);
}

static void the_last_page_of_memory_is_reported(void)
{
	for_all_calls(pass_kernel_address);
}

static void a_length_that_wraps_around_is_reported(void)
{
	/* To remap(), a length like that is ENOMEM before it is misuse. */
	for (chosen = 0; chosen + 1 < TEST_COUNT(calls); chosen++) {
		aborts(pass_wrapping_length);
		aborts(pass_length_to_the_end_of_memory);
		aborts(pass_huge_length);
	}
}

static void a_length_of_zero_does_nothing(void)
{
	char *p = map_pages(1);

	surefree_unmap(p, 0);
	surefree_discard(p, 0);
	CHECK_EQ(*p, 1);
	surefree_unmap(NULL, 0);
	CHECK_EQ(extra_stats().used_len, test_page());
}

static const struct test tests[] = {
	{ "an unaligned address is reported",
	  an_unaligned_address_is_reported },
	{ "NULL is reported", null_is_reported },
	{ "heap memory is reported", heap_memory_is_reported },
	{ "code is reported", code_is_reported },
	{ "a foreign map is reported", a_foreign_map_is_reported },
	{ "the last page of memory is reported",
	  the_last_page_of_memory_is_reported },
	{ "a length that wraps around is reported",
	  a_length_that_wraps_around_is_reported },
	{ "a length of zero does nothing", a_length_of_zero_does_nothing },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
