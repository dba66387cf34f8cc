// SPDX-License-Identifier: MIT
/*
 * vm/region: reserving takes five mappings, moving frontiers none, and what is
 * said of pages is true of the memory.
 */
#include "vm/region.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/option.h"
#include "test.h"
#include "vm/state.h"

static struct sf_region region;

static bool open_region(enum sf_region_kind kind, size_t len)
{
	sf_state_init();
	atomic_store(&sf_options[SF_OPTION_REGION], len);
	return CHECK_EQ(sf_region_open(&region, kind, SF_LEAF_PAGES), 0);
}

static void a_region_takes_five_mappings_at_most(void)
{
	long before;

	sf_state_init();
	before = test_mappings();
	if (!open_region(SF_REGION_NORMAL, (size_t)1 << 30))
		return;
	CHECK_EQ(sf_region_grow(&region, 1), 0);
	CHECK_LE(test_mappings() - before, SF_REGION_MAPPINGS);
	CHECK_EQ(region.base % (SF_LEAF_PAGES << sf_page_shift), 0);
	CHECK_GE(region.nr_pages << sf_page_shift, (size_t)1 << 29);
	CHECK_GE(region.base, region.start);
	CHECK_LE(region.base + (region.nr_pages << sf_page_shift), region.end);
	sf_region_check(&region);
}

static void growing_takes_no_mapping(void)
{
	long before;

	if (!open_region(SF_REGION_NORMAL, (size_t)1 << 32) ||
	    !CHECK_EQ(sf_region_grow(&region, 1), 0) || !test_fill(0))
		return;
	before = test_mappings();
	for (size_t nr = 1; nr < region.nr_pages; nr = nr * 3 / 2 + 1) {
		char *last;

		if (!CHECK_EQ(sf_region_grow(&region, nr), 0))
			break;
		CHECK_GE(region.frontier, nr);
		last = (char *)sf_region_addr(&region, nr - 1);
		CHECK_EQ(test_touches(last), 0);
	}
	CHECK_EQ(sf_region_grow(&region, region.nr_pages), 0);
	CHECK_EQ(region.frontier, region.nr_pages);
	CHECK_EQ(test_mappings(), before);
	sf_region_check(&region);
	test_unfill();
}

static void beyond_the_frontier_nothing_can_be_touched(void)
{
	char *p;

	if (!open_region(SF_REGION_NORMAL, (size_t)1 << 30) ||
	    !CHECK_EQ(sf_region_grow(&region, 1), 0))
		return;
	p = (char *)sf_region_addr(&region, region.frontier);
	CHECK_EQ(test_touches(p - 1), 0);
	CHECK_EQ(test_reads(p), 2);
	CHECK_EQ(test_reads((char *)region.start), 2);
	CHECK_EQ(test_reads((char *)region.base - 1), 2);
	CHECK_EQ(test_touches((char *)region.metadata), 0);
	CHECK_EQ(test_reads((char *)region.metadata + region.metadata_len), 2);
	CHECK_EQ(test_reads((char *)region.end - 1), 2);
}

static void a_view_region_commits_metadata_only(void)
{
	if (!open_region(SF_REGION_VIEW, (size_t)1 << 30))
		return;
	CHECK_EQ(sf_region_grow(&region, 1000), 0);
	CHECK_GE(region.tree.nr_ready * SF_LEAF_PAGES, 1000);
	CHECK_EQ(test_reads((char *)region.base), 2);
}

static void shrinking_keeps_what_is_taken(void)
{
	char *p;

	if (!open_region(SF_REGION_NORMAL, (size_t)1 << 30) ||
	    !CHECK_EQ(sf_region_grow(&region, 8 * SF_LEAF_PAGES), 0))
		return;
	sf_region_lock(&region);
	sf_tree_take(&region.tree, 3 * SF_LEAF_PAGES + 7, 1);
	sf_region_unlock(&region);
	p = (char *)sf_region_addr(&region, 3 * SF_LEAF_PAGES + 7);
	*p = 'k';
	sf_region_shrink(&region);
	CHECK_GE(region.frontier, 3 * SF_LEAF_PAGES + 8);
	CHECK_EQ(*p, 'k');
	sf_region_check(&region);
	/* It comes back zero. */
	CHECK_EQ(sf_region_grow(&region, 8 * SF_LEAF_PAGES), 0);
	p = (char *)sf_region_addr(&region, 8 * SF_LEAF_PAGES - 1);
	CHECK_EQ(test_touches(p), 0);
	CHECK_EQ(*p, 0);
}

/* Free pages at the end go, what is taken stays, and so does what is asked. */
static void a_region_can_be_cut(void)
{
	size_t taken = 5 * SF_LEAF_PAGES + 7;
	char *last;
	char *p;

	if (!open_region(SF_REGION_NORMAL, (size_t)1 << 30) ||
	    !CHECK_EQ(sf_region_grow(&region, 20 * SF_LEAF_PAGES), 0))
		return;
	sf_tree_take_bare(&region.tree, 0, taken);
	last = (char *)sf_region_addr(&region, taken - 1);
	*last = 1;
	region.ahead = 1;
	sf_region_cut(&region, 30 * SF_LEAF_PAGES);
	CHECK_EQ(region.nr_pages, 30 * SF_LEAF_PAGES);
	CHECK_GE(region.frontier, 20 * SF_LEAF_PAGES);
	sf_region_cut(&region, 0);
	CHECK_LE(region.nr_pages, 7 * SF_LEAF_PAGES);
	CHECK_EQ(region.frontier, region.nr_pages);
	CHECK_EQ(*last, 1);
	CHECK_EQ(test_reads((char *)region.end - 1), 2);
	CHECK_EQ(sf_region_grow(&region, region.nr_pages + 1), -ENOSPC);
	p = mmap((void *)region.end, test_page(), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK_EQ((uintptr_t)p, region.end);
	p = mmap((void *)(region.start - test_page()), test_page(),
		 PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK_EQ((uintptr_t)p, region.start - test_page());
	sf_region_check(&region);
}

/* At the limit what can't be cut is as it was. */
static void a_cut_may_be_refused(void)
{
	if (!open_region(SF_REGION_NORMAL, (size_t)1 << 30) ||
	    !CHECK_EQ(sf_region_grow(&region, 20 * SF_LEAF_PAGES), 0))
		return;
	sf_tree_take_bare(&region.tree, 0, 1);
	region.ahead = 1;
	if (!test_fill(0))
		return;
	sf_region_cut(&region, 0);
	test_unfill();
	sf_region_check(&region);
	CHECK_EQ(test_touches((char *)region.base), 0);
	CHECK_EQ(sf_region_grow(&region, region.nr_pages), 0);
	CHECK_EQ(test_touches(
			 (char *)sf_region_addr(&region, region.nr_pages - 1)),
		 0);
	sf_region_cut(&region, 0);
	CHECK_LE(region.nr_pages, region.frontier);
}

static void a_small_address_space_gets_a_small_region(void)
{
	struct rlimit limit;

	if (test_emulated())
		SKIP("an emulator keeps this limit from us");
	sf_state_init();
	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = test_status("VmSize") + ((size_t)256 << 20);
	/* The drop-in's setrlimit() would make room, where it is preloaded. */
	CHECK_OK((int)syscall(SYS_prlimit64, 0, RLIMIT_AS, &limit, NULL));
	CHECK_EQ(sf_region_open(&region, SF_REGION_NORMAL, SF_LEAF_PAGES), 0);
	CHECK_LE(region.end - region.start, (size_t)256 << 20);
	CHECK_EQ(sf_region_open(&region, SF_REGION_NORMAL,
				((size_t)1 << 40) >> sf_page_shift),
		 -ENOMEM);
}

static const struct test tests[] = {
	{ "a region can be cut, and has what is taken", a_region_can_be_cut },
	{ "a cut may be refused at the limit", a_cut_may_be_refused },
	{ "a region takes five mappings at most",
	  a_region_takes_five_mappings_at_most },
	{ "growing takes no mapping", growing_takes_no_mapping },
	{ "beyond the frontier nothing can be touched",
	  beyond_the_frontier_nothing_can_be_touched },
	{ "a view region commits metadata only",
	  a_view_region_commits_metadata_only },
	{ "shrinking keeps what is taken", shrinking_keeps_what_is_taken },
	{ "a small address space gets a small region",
	  a_small_address_space_gets_a_small_region },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
