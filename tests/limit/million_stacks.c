// SPDX-License-Identifier: MIT
/*
 * A million guarded stacks of 64 KiB, each touched at the top, in a process
 * without a spare mapping: surefree takes fewer than 16 mappings for them.
 *
 *	million_stacks [COUNT]
 */
#include "test.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "extra.h"
#include "surefree.h"

#define COUNT_WANTED ((size_t)1000000)
#define STACK_LEN    ((size_t)64 << 10)

static size_t count_wanted = COUNT_WANTED;

/* One touched page, its share of a page table, pointers: what a stack takes. */
static size_t cost(void)
{
	return test_page() + (test_page() > 4096 ? 0 : 256) +
	       sizeof(struct surefree_stack);
}

static bool map_all(struct surefree_stack *stacks, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (surefree_stack_map(STACK_LEN, &stacks[i]) != 0) {
			FAIL("stack %zu of %zu failed", i, nr);
			return false;
		}
		((char *)stacks[i].addr)[STACK_LEN - 1] = (char)(i | 1);
	}
	return true;
}

static void check_stacks(const struct surefree_stack *stacks, size_t nr)
{
	size_t nr_wrong = 0;

	for (size_t i = 0; i < nr; i++) {
		const char *addr = stacks[i].addr;

		nr_wrong += addr[STACK_LEN - 1] != (char)(i | 1);
		if (i % 1009 == 0 && test_has_guard())
			nr_wrong += test_reads(addr - 1) != 1;
	}
	CHECK_EQ(nr_wrong, 0);
}

static void a_million_stacks_take_few_mappings(void)
{
	size_t nr = count_wanted;
	size_t most = extra_available() / 4 * 3 / cost();
	struct surefree_stack *stacks;
	struct surefree_stats s;
	double seconds[3];
	long before;

	if (nr > most) {
		nr = most;
		test_say("scaled down to %zu stacks: %zu MiB are available", nr,
			 extra_available() >> 20);
	}
	stacks = mmap(NULL, nr * sizeof(*stacks), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!CHECK(stacks != MAP_FAILED))
		return;
	test_has_guard();
	if (!test_fill(0))
		return;
	before = test_mappings();
	seconds[0] = extra_seconds();
	if (!map_all(stacks, nr))
		return;
	seconds[1] = extra_seconds();
	CHECK_EQ(test_mappings(), before);
	check_stacks(stacks, nr);
	s = extra_stats();
	CHECK_LT(s.nr_mappings, 16);
	CHECK_EQ(s.used_len, nr * STACK_LEN);
	seconds[2] = extra_seconds();
	for (size_t i = 0; i < nr; i++)
		surefree_stack_unmap(&stacks[i]);
	test_say("%zu stacks: %zu mappings, mapped in %.2f s, unmapped in "
		 "%.2f s",
		 nr, s.nr_mappings, seconds[1] - seconds[0],
		 extra_seconds() - seconds[2]);
	CHECK_EQ(test_mappings(), before);
	CHECK_EQ(extra_stats().used_len, 0);
	CHECK_LE(test_rss_anon(), nr * sizeof(*stacks) + ((size_t)64 << 20));
	test_unfill();
}

static const struct test tests[] = {
	{ "a million stacks take few mappings",
	  a_million_stacks_take_few_mappings },
};

int main(int argc, char **argv)
{
	if (argc == 2 && strtoul(argv[1], NULL, 0) > 0) {
		count_wanted = strtoul(argv[1], NULL, 0);
		argv[1] = (char *)""; /* runs in this process */
	}
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
