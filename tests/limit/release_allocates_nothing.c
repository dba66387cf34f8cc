// SPDX-License-Identifier: MIT
/*
 * A release takes no page fault: it touches no memory that was not there
 * before. So it cannot be what gets a process killed where memory, or its
 * cgroup, is full.
 */
#include "test.h"

#include <sys/resource.h>

#include "extra.h"
#include "surefree.h"

#define MIB ((size_t)1 << 20)

static long nr_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/* Code, stack and counters of all that is measured here are in place. */
static void warm_up(void)
{
	struct surefree_stack stack;
	char *p = surefree_map(4 * MIB, 0);

	if (!CHECK(p != NULL))
		return;
	p[0] = 1;
	surefree_discard(p, MIB);
	CHECK_EQ(surefree_remap(p, 4 * MIB, 3 * MIB, 0), p);
	surefree_unmap(p + MIB, test_page());
	surefree_unmap(p, MIB);
	surefree_unmap(p + MIB + test_page(), 2 * MIB - test_page());
	CHECK_OK(surefree_stack_map(16 * test_page(), &stack));
	surefree_stack_unmap(&stack);
	CHECK_GE(nr_faults(), 0);
}

/* Map len bytes, touch every step-th page. */
static char *map_touched(size_t len, size_t step)
{
	char *p = surefree_map(len, 0);

	if (!CHECK(p != NULL))
		return NULL;
	for (size_t at = 0; at < len; at += step * test_page())
		p[at] = 1;
	return p;
}

/* Parts of nr pages, every distance bytes. */
static void check_parts(size_t len, size_t step, size_t nr, size_t distance)
{
	char *p = map_touched(len, step);
	long before = nr_faults();

	for (size_t at = 0; p != NULL && at < len; at += distance)
		surefree_unmap(p + at, nr * test_page());
	CHECK_EQ(nr_faults() - before, 0);
}

static void unmapping_pages_takes_no_fault(void)
{
	warm_up();
	check_parts(64 * MIB, 1, 1, MIB);
	check_parts(64 * MIB, 64, 1, MIB);
	check_parts(64 * MIB, 1, 2, 16 * test_page());
}

static void unmapping_large_parts_takes_no_fault(void)
{
	warm_up();
	check_parts(64 * MIB, 1, MIB / test_page(), 4 * MIB);
	check_parts(64 * MIB, 64, 3 * MIB / test_page(), 4 * MIB);
}

static void unmapping_untouched_memory_takes_no_fault(void)
{
	warm_up();
	check_parts((size_t)1 << 30, (size_t)1 << 20, 1, 2 * MIB);
	check_parts((size_t)1 << 30, (size_t)1 << 20, 700, 8 * MIB);
}

static void unmapping_all_takes_no_fault(void)
{
	char *p;
	long before;

	warm_up();
	for (size_t len = test_page(); len <= 256 * MIB; len *= 2) {
		p = map_touched(len, 16);
		before = nr_faults();
		surefree_unmap(p, len);
		CHECK_EQ(nr_faults() - before, 0);
	}
}

static void discarding_takes_no_fault(void)
{
	char *p;
	long before;

	warm_up();
	p = map_touched(64 * MIB, 1);
	before = nr_faults();
	surefree_discard(p + 3 * test_page(), 33 * MIB);
	for (size_t at = 40 * MIB; at < 60 * MIB; at += MIB)
		surefree_discard(p + at, test_page());
	CHECK_EQ(nr_faults() - before, 0);
}

static void shrinking_takes_no_fault(void)
{
	char *p;
	long before;

	warm_up();
	p = map_touched(64 * MIB, 1);
	before = nr_faults();
	for (size_t len = 64 * MIB; len > 2 * MIB; len -= MIB + test_page())
		surefree_remap(p, len, len - MIB - test_page(), 0);
	CHECK_EQ(nr_faults() - before, 0);
}

static void unmapping_stacks_takes_no_fault(void)
{
	static struct surefree_stack stacks[3000];
	long before;

	warm_up();
	for (size_t i = 0; i < TEST_COUNT(stacks); i++) {
		if (!CHECK_OK(surefree_stack_map(64 << 10, &stacks[i])))
			return;
		((char *)stacks[i].addr)[stacks[i].len - 1] = 1;
	}
	before = nr_faults();
	for (size_t i = 0; i < TEST_COUNT(stacks); i++)
		surefree_stack_unmap(&stacks[i]);
	/* The table of kept stacks is touched for the first time. */
	CHECK_LE(nr_faults() - before, 16);
}

static const struct test tests[] = {
	{ "unmapping pages takes no fault", unmapping_pages_takes_no_fault },
	{ "unmapping large parts takes no fault",
	  unmapping_large_parts_takes_no_fault },
	{ "unmapping untouched memory takes no fault",
	  unmapping_untouched_memory_takes_no_fault },
	{ "unmapping all takes no fault", unmapping_all_takes_no_fault },
	{ "discarding takes no fault", discarding_takes_no_fault },
	{ "shrinking takes no fault", shrinking_takes_no_fault },
	{ "unmapping stacks takes no fault", unmapping_stacks_takes_no_fault },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
