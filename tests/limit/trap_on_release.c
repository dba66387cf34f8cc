// SPDX-License-Identifier: MIT
/*
 * Touching released memory raises SIGSEGV, as if it had been unmapped: the
 * whole range up to 128 KiB, the first and last page of a longer one.
 */
#include "test.h"

#include "extra.h"
#include "surefree.h"

/* Map len bytes, touch every step-th page (0: none), release, look. */
static void check_traps(size_t len, size_t step)
{
	size_t page = test_page();
	char *p = surefree_map(len, 0);

	if (!CHECK(p != NULL))
		return;
	for (size_t at = 0; step > 0 && at < len; at += step * page)
		p[at] = 1;
	surefree_unmap(p, len);
	extra_check_released(p, len);
}

static void check_lengths(size_t step)
{
	size_t page = test_page();

	if (!test_has_guard())
		SKIP("this kernel has no guard markers");
	for (size_t nr = 1; nr * page <= EXTRA_TRAP_LEN; nr++)
		check_traps(nr * page, step);
	check_traps(EXTRA_TRAP_LEN + page, step);
	check_traps((size_t)1 << 20, step);
	check_traps((size_t)2 << 20, step);
	check_traps((size_t)9 << 20, step);
}

static void touched_memory_traps(void)
{
	check_lengths(1);
}

static void sparsely_touched_memory_traps(void)
{
	check_lengths(7);
}

/* Nothing else has made the page tables that hold these markers. */
static void untouched_memory_traps(void)
{
	check_lengths(0);
}

static void a_released_part_traps_and_the_rest_does_not(void)
{
	size_t page = test_page();
	char *p = surefree_map(9 * page, 0);

	if (!test_has_guard())
		SKIP("this kernel has no guard markers");
	if (!CHECK(p != NULL))
		return;
	extra_set(p, 9 * page, 'p');
	surefree_unmap(p + 3 * page, 3 * page);
	for (size_t i = 0; i < 9; i++)
		CHECK_EQ(test_touches(p + i * page), i >= 3 && i < 6 ? 1 : 0);
}

static void memory_mapped_again_does_not_trap(void)
{
	size_t page = test_page();

	for (size_t nr = 1; nr < 1000; nr = nr * 3 / 2 + 1) {
		char *p = surefree_map(nr * page, 0);

		if (!CHECK(p != NULL))
			return;
		extra_is(p, nr * page, 0);
		extra_set(p, nr * page, 'a');
		surefree_unmap(p, nr * page);
		p = surefree_map((nr + 1) / 2 * page, 0);
		if (!CHECK(p != NULL))
			return;
		extra_is(p, (nr + 1) / 2 * page, 0);
		surefree_unmap(p, (nr + 1) / 2 * page);
	}
}

static void with_notrap_nothing_traps(void)
{
	size_t page = test_page();
	char *p = surefree_map(4 * page, SUREFREE_NOTRAP);

	if (!CHECK(p != NULL))
		return;
	extra_set(p, 4 * page, 'n');
	surefree_unmap(p, 4 * page);
	CHECK_EQ(test_resident(p, 4 * page), 0);
	CHECK_EQ(test_reads(p), 0);
}

static void with_trap_off_nothing_traps(void)
{
	size_t page = test_page();
	char *p;

	CHECK_OK(surefree_set("trap", "off"));
	p = surefree_map(4 * page, 0);
	if (!CHECK(p != NULL))
		return;
	extra_set(p, 4 * page, 'n');
	surefree_unmap(p, 4 * page);
	CHECK_EQ(test_resident(p, 4 * page), 0);
	CHECK_EQ(test_reads(p), 0);
}

static void guard_pages_stand_on_either_side(void)
{
	size_t page = test_page();
	char *maps[64];

	if (!test_has_guard())
		SKIP("this kernel has no guard markers");
	for (int i = 0; i < 64; i++) {
		maps[i] = surefree_map(3 * page, SUREFREE_GUARDED);
		if (!CHECK(maps[i] != NULL))
			return;
		extra_set(maps[i], 3 * page, i);
	}
	for (int i = 0; i < 64; i++) {
		CHECK_EQ(test_touches(maps[i] - 1), 1);
		CHECK_EQ(test_touches(maps[i] + 3 * page), 1);
		extra_is(maps[i], 3 * page, i);
	}
	/* They stay while a page beside them is mapped. */
	surefree_unmap(maps[5] + page, page);
	CHECK_EQ(test_touches(maps[5] - 1), 1);
	CHECK_EQ(test_touches(maps[5] + 3 * page), 1);
	for (int i = 0; i < 64; i++) {
		surefree_unmap(maps[i], page);
		if (i != 5)
			surefree_unmap(maps[i] + page, page);
		surefree_unmap(maps[i] + 2 * page, page);
	}
	/* Guards gone with their maps leave no address behind. */
	maps[0] = surefree_map(64 * 5 * page, 0);
	if (CHECK(maps[0] != NULL))
		extra_is(maps[0], 64 * 5 * page, 0);
}

static const struct test tests[] = {
	{ "touched memory traps", touched_memory_traps },
	{ "sparsely touched memory traps", sparsely_touched_memory_traps },
	{ "untouched memory traps", untouched_memory_traps },
	{ "a released part traps and the rest does not",
	  a_released_part_traps_and_the_rest_does_not },
	{ "memory mapped again does not trap",
	  memory_mapped_again_does_not_trap },
	{ "with NOTRAP nothing traps", with_notrap_nothing_traps },
	{ "with trap=off nothing traps", with_trap_off_nothing_traps },
	{ "guard pages stand on either side",
	  guard_pages_stand_on_either_side },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
