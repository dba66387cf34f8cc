// SPDX-License-Identifier: MIT
/*
 * In both modes: freeing a block of gigabytes that was not touched takes
 * neither time nor page tables; what was touched traps, as both ends do.
 */
#include "test.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB	((size_t)1 << 20)
#define GIB	((size_t)1 << 30)
#define END_LEN (32 * MIB) /* so much of each end traps */

/* Bytes of page tables. */
static size_t tables_len(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	size_t kib = 0;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "VmPTE: %zu kB", &kib) == 1)
			break;
	if (file != NULL)
		fclose(file);
	return kib << 10;
}

static void untouched_memory_takes_no_page_tables(void)
{
	size_t before;
	char *p;

	free(malloc(GIB));
	before = tables_len();
	CHECK_GT(before, 0);
	for (size_t i = 0; i < 20; i++) {
		p = malloc(8 * GIB);
		if (!CHECK(p != NULL))
			return;
		free(p);
	}
	/* 20 times 64 MiB would be all that trap; a GiB takes 2 of tables. */
	CHECK_LT(tables_len() - before, 8 * MIB);
}

static void what_was_touched_and_both_ends_trap(void)
{
	size_t touched[] = { 0,		100 * MIB,	 300 * MIB,
			     301 * MIB, GIB - 200 * MIB, GIB - 1 };
	char *p = malloc(GIB);

	if (!test_has_guard())
		SKIP("the kernel has no guard markers");
	if (!CHECK(p != NULL))
		return;
	for (size_t i = 0; i < TEST_COUNT(touched); i++)
		((volatile char *)p)[touched[i]] = 1;
	/* And a longer piece. */
	memset(p + 500 * MIB, 1, 20 * MIB);
	free(p);
	for (size_t i = 0; i < TEST_COUNT(touched); i++)
		CHECK_NE(test_touches(p + touched[i]), 0);
	for (size_t i = 0; i < 20 * MIB; i += test_page())
		if (!CHECK_NE(test_touches(p + 500 * MIB + i), 0))
			break;
	CHECK_NE(test_touches(p + END_LEN - 1), 0);
	/* A guard may be in that. */
	CHECK_NE(test_touches(p + GIB - END_LEN + test_page()), 0);
	CHECK_EQ(test_resident(p, GIB), 0);
}

static void what_is_had_again_is_zero(void)
{
	char *p = malloc(256 * MIB);
	char *middle = p + 128 * MIB;
	bool found = false;

	if (!CHECK(p != NULL))
		return;
	free(p);
	/* Nothing stops it there. */
	if (test_touches(middle) == 0)
		*(volatile char *)middle = 1;
	malloc_trim(0);
	for (size_t i = 0; i < 10 && !found; i++) {
		p = calloc(1, 200 * MIB);
		if (!CHECK(p != NULL))
			return;
		found = p <= middle && middle < p + 200 * MIB;
	}
	if (CHECK(found))
		CHECK_EQ(*middle, 0);
}

static const struct test tests[] = {
	{ "untouched memory takes no page tables",
	  untouched_memory_takes_no_page_tables },
	{ "what was touched, and both ends, trap",
	  what_was_touched_and_both_ends_trap },
	{ "what is had again is zero", what_is_had_again_is_zero },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
