// SPDX-License-Identifier: MIT
/*
 * Page tables and address space stay level under map/unmap churn: what is
 * taken in the second half of a long run of operations of mixed sizes is no
 * more than in the first half.
 *
 *	churn [COUNT]
 *
 * A day's worth is 100 million; without an argument it is 3 million.
 */
#include "test.h"

#include <stdlib.h>

#include "extra.h"
#include "surefree.h"

#define NR_SLOTS   4096
#define NR_SAMPLES 64

static size_t count_wanted = 3000000;

struct slot {
	char *addr; /* NULL: none */
	size_t len;
	struct surefree_stack stack; /* stack.addr NULL: no stack */
};

struct level {
	size_t page_tables;
	size_t committed;
	size_t reserved;
	size_t metadata;
};

static struct slot slots[NR_SLOTS];

/* Mostly small, up to 4 MiB now and then: 4 KiB to 64 pages, rarely more. */
static size_t pick_len(struct test_rng *rng)
{
	size_t page = test_page();
	uint64_t kind = test_rand_below(rng, 256);

	if (kind < 200)
		return (1 + test_rand_below(rng, 8)) * page;
	if (kind < 250)
		return (1 + test_rand_below(rng, 64)) * page;
	return (1 + test_rand_below(rng, 1024)) * page;
}

static void empty(struct slot *slot)
{
	if (slot->stack.addr != NULL)
		surefree_stack_unmap(&slot->stack);
	if (slot->addr != NULL)
		surefree_unmap(slot->addr, slot->len);
	*slot = (struct slot){ 0 };
}

static bool fill_slot(struct test_rng *rng, struct slot *slot)
{
	unsigned flags = 0;

	if (test_rand_below(rng, 16) == 0) {
		if (!CHECK_OK(
			    surefree_stack_map(16 * test_page(), &slot->stack)))
			return false;
		*((char *)slot->stack.addr + slot->stack.len - 1) = 1;
		return true;
	}
	if (test_has_guard() && test_rand_below(rng, 16) == 0)
		flags = SUREFREE_GUARDED;
	slot->len = pick_len(rng);
	slot->addr = surefree_map(slot->len, flags);
	if (!CHECK(slot->addr != NULL))
		return false;
	slot->addr[test_rand_below(rng, slot->len)] = 1;
	return true;
}

/* Shorter, longer, by a page or by much; or one end of it goes. */
static bool change(struct test_rng *rng, struct slot *slot)
{
	size_t page = test_page();
	size_t len;

	if (slot->addr == NULL || slot->len <= page)
		return true;
	switch (test_rand_below(rng, 4)) {
	case 0:
		surefree_unmap(slot->addr, page);
		slot->addr += page;
		slot->len -= page;
		return true;
	case 1:
		surefree_unmap(slot->addr + slot->len - page, page);
		slot->len -= page;
		return true;
	case 2:
		len = slot->len - page;
		break;
	default:
		len = pick_len(rng);
		break;
	}
	slot->addr = surefree_remap(slot->addr, slot->len, len, 0);
	slot->len = len;
	return CHECK(slot->addr != NULL);
}

static bool step(struct test_rng *rng)
{
	struct slot *slot = &slots[test_rand_below(rng, NR_SLOTS)];

	if (slot->addr == NULL && slot->stack.addr == NULL)
		return fill_slot(rng, slot);
	if (test_rand_below(rng, 4) == 0)
		return change(rng, slot);
	empty(slot);
	return true;
}

static void sample(struct level *most)
{
	struct surefree_stats s = extra_stats();
	size_t page_tables = test_status("VmPTE");

	if (most->page_tables < page_tables)
		most->page_tables = page_tables;
	if (most->committed < s.committed_len)
		most->committed = s.committed_len;
	if (most->reserved < s.reserved_len)
		most->reserved = s.reserved_len;
	if (most->metadata < s.metadata_len)
		most->metadata = s.metadata_len;
}

static void say_level(const char *when, const struct level *level)
{
	test_say("%s half: page tables %zu KiB, committed %zu MiB, "
		 "reserved %zu GiB, metadata %zu KiB",
		 when, level->page_tables >> 10, level->committed >> 20,
		 level->reserved >> 30, level->metadata >> 10);
}

static void page_tables_and_address_space_stay_level(void)
{
	struct test_rng rng = test_rng(test_seed());
	struct level first = { 0 };
	struct level second = { 0 };
	size_t every = count_wanted / NR_SAMPLES + 1;

	for (size_t i = 0; i < count_wanted; i++) {
		if (!step(&rng))
			return;
		if (i % every == every - 1)
			sample(i < count_wanted / 2 ? &first : &second);
	}
	say_level("first", &first);
	say_level("second", &second);
	/* Memory in use wanders; a leak of a page a call does not hide so. */
	CHECK_LE(second.page_tables,
		 first.page_tables + first.page_tables / 8 + (64 << 10));
	CHECK_LE(second.committed, first.committed + ((size_t)80 << 20));
	CHECK_EQ(second.reserved, first.reserved);
	CHECK_LE(second.metadata, first.metadata + first.metadata / 4);
	for (size_t i = 0; i < NR_SLOTS; i++)
		empty(&slots[i]);
	CHECK_EQ(extra_stats().used_len, 0);
	CHECK_LT(extra_stats().nr_mappings, 16);
}

/* Guard pages must go with their maps, however those end. */
static void guard_pages_leave_no_address_behind(void)
{
	size_t page = test_page();
	size_t first = extra_stats().committed_len;

	if (!test_has_guard())
		SKIP("this kernel has no guard markers");
	for (int i = 0; i < 100000; i++) {
		char *p = surefree_map(4 * page, SUREFREE_GUARDED);

		if (!CHECK(p != NULL))
			return;
		CHECK_EQ(surefree_remap(p, 4 * page, 3 * page, 0), p);
		if (i % 2 == 0) {
			surefree_unmap(p, page);
			surefree_unmap(p + 2 * page, page);
			surefree_unmap(p + page, page);
		} else {
			p = surefree_remap(p, 3 * page, 9 * page, 0);
			if (!CHECK(p != NULL))
				return;
			surefree_unmap(p, 9 * page);
		}
	}
	CHECK_EQ(extra_stats().committed_len, first);
}

static void stacks_leave_no_address_behind(void)
{
	static struct surefree_stack stacks[512];
	size_t first = 0;

	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 512; i++)
			CHECK_OK(surefree_stack_map(
				(size_t)(1 + (i * 7 + round) % 23) *
					test_page(),
				&stacks[i]));
		for (int i = 0; i < 512; i++)
			surefree_stack_unmap(&stacks[i]);
		if (round == 10)
			first = extra_stats().committed_len;
	}
	CHECK_EQ(extra_stats().committed_len, first);
}

static const struct test tests[] = {
	{ "page tables and address space stay level",
	  page_tables_and_address_space_stay_level },
	{ "guard pages leave no address behind",
	  guard_pages_leave_no_address_behind },
	{ "stacks leave no address behind", stacks_leave_no_address_behind },
};

int main(int argc, char **argv)
{
	if (argc == 2 && strtoul(argv[1], NULL, 0) > 0) {
		count_wanted = strtoul(argv[1], NULL, 0);
		argv[1] = (char *)"level"; /* runs in this process */
	}
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
