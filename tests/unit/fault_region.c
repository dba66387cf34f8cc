// SPDX-License-Identifier: MIT
/*
 * vm/region: regions that can't be had as wanted, and frontiers that can't be
 * moved. What is refused leaves everything as it was.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/option.h"
#include "refuse.h"
#include "test.h"
#include "vm/account.h"
#include "vm/region.h"
#include "vm/state.h"

#define REGION_LEN ((size_t)64 << 20)

static struct sf_region region;

static void set_lengths(size_t region_len, size_t ahead_len)
{
	sf_state_init();
	atomic_store(&sf_options[SF_OPTION_REGION], region_len);
	atomic_store(&sf_options[SF_OPTION_AHEAD], ahead_len);
}

static size_t ahead_pages(void)
{
	return sf_option(SF_OPTION_AHEAD) >> sf_page_shift;
}

static bool open_region(size_t ahead_len)
{
	set_lengths(REGION_LEN, ahead_len);
	return CHECK_EQ(sf_region_open(&region, SF_REGION_NORMAL, 1), 0);
}

/* All below the frontier can be touched, the page at it can't. */
static void check_frontier(size_t frontier)
{
	CHECK_EQ(region.frontier, frontier);
	CHECK_GE(region.tree.nr_ready * SF_LEAF_PAGES, frontier);
	if (frontier > 0) {
		CHECK_EQ(test_touches((char *)region.base), 0);
		CHECK_EQ(test_touches(
				 (char *)sf_region_addr(&region, frontier - 1)),
			 0);
	}
	CHECK_EQ(test_reads((char *)sf_region_addr(&region, frontier)), 2);
	sf_region_check(&region);
}

static void a_refused_reservation_is_tried_smaller(void)
{
	size_t wanted;

	if (!open_region(0))
		return;
	wanted = region.nr_pages;
	refuse(__NR_mmap, ENOMEM, 0, 3);
	if (!open_region(0))
		return;
	CHECK_EQ(refuse_seen(), 4);
	refuse_nothing();
	/* The second region is to have twice as many. */
	CHECK_GE(region.nr_pages, wanted / 8);
	CHECK_LE(region.nr_pages, wanted / 4);
	CHECK_EQ(sf_counters[SF_COUNT_REGIONS_REDUCED], 1);
	CHECK_EQ(sf_counters[SF_COUNT_REGIONS_REFUSED], 0);
	CHECK_EQ(sf_region_grow(&region, region.nr_pages), 0);
	check_frontier(region.nr_pages);
}

static void a_region_never_gets_smaller_than_asked(void)
{
	size_t nr = 3000;

	set_lengths(REGION_LEN, 0);
	for (int i = 0; i < 20; i++) {
		int err;

		refuse(__NR_mmap, ENOMEM, 0, i);
		err = sf_region_open(&region, SF_REGION_NORMAL, nr);
		refuse_nothing();
		if (err == 0)
			CHECK_GE(region.nr_pages, nr);
		else
			CHECK_EQ(err, -ENOMEM);
		CHECK_EQ(sf_counters[SF_COUNT_REGIONS_REFUSED], err != 0);
		if (err != 0)
			return;
	}
	FAIL("never refused");
}

static void a_region_larger_than_any_is_refused(void)
{
	set_lengths(REGION_LEN, 0);
	CHECK_EQ(sf_region_open(&region, SF_REGION_NORMAL, (size_t)1 << 40),
		 -ENOMEM);
}

/* Reserved, but without metadata it is of no use: nothing is left behind. */
static void a_region_without_metadata_is_given_back(void)
{
	size_t size;
	long before;

	set_lengths(REGION_LEN, 0);
	before = test_mappings();
	size = test_status("VmSize");
	refuse(__NR_mprotect, ENOMEM, 0, REFUSE_ALWAYS);
	CHECK_EQ(sf_region_open(&region, SF_REGION_NORMAL, 1), -ENOMEM);
	refuse_nothing();
	/* It may have merged with another: look at the size too. */
	CHECK_EQ(test_mappings(), before);
	if (!test_emulated())
		CHECK_EQ(test_status("VmSize"), size);
	CHECK_EQ(sf_counters[SF_COUNT_REGIONS_REFUSED], 1);
	refuse(__NR_mprotect, ENOMEM, 0, 1);
	CHECK_EQ(sf_region_open(&region, SF_REGION_NORMAL, 1), 0);
	CHECK_LE(test_mappings() - before, SF_REGION_MAPPINGS);
}

static void a_region_of_one_leaf_works(void)
{
	set_lengths(1, 0);
	if (!CHECK_EQ(sf_region_open(&region, SF_REGION_NORMAL, 1), 0))
		return;
	CHECK_LE(region.nr_pages, 4 * SF_LEAF_PAGES);
	CHECK_EQ(sf_region_grow(&region, 1), 0);
	check_frontier(1);
	CHECK_EQ(sf_region_grow(&region, region.nr_pages), 0);
	check_frontier(region.nr_pages);
	CHECK_EQ(sf_region_shrink(&region), (region.nr_pages - SF_LEAF_PAGES)
						    << sf_page_shift);
	check_frontier(SF_LEAF_PAGES);
}

static void growing_stays_ahead_of_need(void)
{
	if (!open_region((size_t)4 << 20))
		return;
	CHECK_EQ(sf_region_grow(&region, 100), 0);
	check_frontier(100 + ahead_pages());
	/* What is there already is no reason to grow. */
	CHECK_EQ(sf_region_grow(&region, region.frontier), 0);
	check_frontier(100 + ahead_pages());
	CHECK_EQ(sf_region_grow(&region, region.frontier + 1), 0);
	check_frontier(101 + 2 * ahead_pages());
	CHECK_EQ(sf_region_grow(&region, region.nr_pages - 5), 0);
	check_frontier(region.nr_pages);
}

static void low_is_less_than_ahead(void)
{
	size_t frontier;

	if (!open_region((size_t)4 << 20) ||
	    !CHECK_EQ(sf_region_grow(&region, 100), 0))
		return;
	frontier = region.frontier;
	CHECK_EQ(sf_region_low(&region, 0), 0);
	CHECK_EQ(sf_region_low(&region, 100), 0);
	CHECK_EQ(sf_region_low(&region, 101), 101 + ahead_pages());
	CHECK_EQ(sf_region_low(&region, frontier), frontier + ahead_pages());
	CHECK_EQ(sf_region_grow(&region, region.nr_pages - 1), 0);
	CHECK_EQ(sf_region_low(&region, region.nr_pages - 1), 0);
}

/* As in a forked child at the limit: what is there must do. */
static void a_frontier_that_cannot_move_is_left_alone(void)
{
	size_t frontier;

	if (!open_region((size_t)4 << 20) ||
	    !CHECK_EQ(sf_region_grow(&region, 100), 0))
		return;
	frontier = region.frontier;
	refuse(__NR_mprotect, ENOMEM, 0, REFUSE_ALWAYS);
	CHECK_EQ(sf_region_grow(&region, frontier + 1), -ENOMEM);
	check_frontier(frontier);
	sf_region_grow_ahead(&region, frontier + 1);
	check_frontier(frontier);
	/* Asked once is enough, until it has moved. */
	CHECK_EQ(sf_region_low(&region, frontier), 0);
	refuse_nothing();
	CHECK_EQ(sf_region_grow(&region, frontier + 1), 0);
	check_frontier(frontier + 1 + ahead_pages());
	CHECK_NE(sf_region_low(&region, region.frontier), 0);
}

/* With metadata in place it is the long step that is refused first. */
static void a_shorter_step_is_tried(void)
{
	size_t frontier;

	if (!open_region((size_t)1 << 20) ||
	    !CHECK_EQ(sf_region_grow(&region, 100), 0))
		return;
	frontier = region.frontier;
	refuse(__NR_mprotect, ENOMEM, 0, 1);
	CHECK_EQ(sf_region_grow(&region, frontier + 1), 0);
	refuse_nothing();
	check_frontier(frontier + 1);
	for (int nr = 1; nr < 4; nr++) {
		int err;

		frontier = region.frontier;
		refuse(__NR_mprotect, EAGAIN, 0, nr);
		err = sf_region_grow(&region, frontier + 5 * SF_LEAF_PAGES);
		refuse_nothing();
		if (err == 0)
			CHECK_GE(region.frontier, frontier + 5 * SF_LEAF_PAGES);
		else
			CHECK_EQ(err, -EAGAIN);
		check_frontier(region.frontier);
	}
}

static void shrinking_leaves_what_is_ahead(void)
{
	size_t frontier = 20 * SF_LEAF_PAGES;

	if (!open_region((size_t)4 << 20) ||
	    !CHECK_EQ(sf_region_grow(&region, frontier - ahead_pages()), 0))
		return;
	check_frontier(frontier);
	sf_region_lock(&region);
	sf_tree_take(&region.tree, 3 * SF_LEAF_PAGES, 1);
	sf_tree_set(&region.tree, 19 * SF_LEAF_PAGES, 9, SF_MARKED);
	sf_region_unlock(&region);
	memset((void *)region.base, 'f', 4 * SF_LEAF_PAGES << sf_page_shift);
	CHECK_EQ(sf_region_shrink(&region), (16 * SF_LEAF_PAGES - ahead_pages())
						    << sf_page_shift);
	check_frontier(4 * SF_LEAF_PAGES + ahead_pages());
	CHECK_EQ(*(char *)sf_region_addr(&region, 4 * SF_LEAF_PAGES - 1), 'f');
	CHECK_EQ(sf_region_shrink(&region), 0);
	/* What comes back has no marks, and is zero. */
	CHECK_EQ(sf_region_grow(&region, frontier), 0);
	CHECK(!sf_tree_any(&region.tree, 0, region.nr_pages, SF_MARKED));
	CHECK_EQ(*(char *)sf_region_addr(&region, 19 * SF_LEAF_PAGES), 0);
}

static void shrinking_that_is_refused_changes_nothing(void)
{
	size_t frontier = 20 * SF_LEAF_PAGES;

	if (!open_region(0) || !CHECK_EQ(sf_region_grow(&region, frontier), 0))
		return;
	sf_region_lock(&region);
	sf_tree_set(&region.tree, 19 * SF_LEAF_PAGES, 9, SF_MARKED);
	sf_region_unlock(&region);
	refuse(__NR_mmap, ENOMEM, 0, REFUSE_ALWAYS);
	CHECK_EQ(sf_region_shrink(&region), 0);
	refuse_nothing();
	check_frontier(frontier);
	/* Markers that may be there are not forgotten. */
	CHECK(sf_tree_all(&region.tree, 19 * SF_LEAF_PAGES, 9, SF_MARKED));
	CHECK_EQ(sf_tree_find(&region.tree, frontier, 1, 0), 0);
}

static void the_number_of_mappings_stays(void)
{
	long before;

	if (!open_region((size_t)1 << 20) ||
	    !CHECK_EQ(sf_region_grow(&region, 1), 0))
		return;
	before = test_mappings();
	for (size_t nr = 1; nr < region.nr_pages; nr *= 3) {
		CHECK_EQ(sf_region_grow(&region, nr), 0);
		CHECK_EQ(test_mappings(), before);
		sf_region_shrink(&region);
		CHECK_EQ(test_mappings(), before);
	}
}

/* RLIMIT_DATA charges all that is committed. */
static void little_is_kept_ahead_where_it_is_charged(void)
{
	struct rlimit limit;

	if (test_emulated())
		SKIP("an emulator keeps this limit from us");
	if (!open_region((size_t)32 << 20))
		return;
	getrlimit(RLIMIT_DATA, &limit);
	limit.rlim_cur = test_status("VmData") + ((size_t)8 << 30);
	CHECK_OK(setrlimit(RLIMIT_DATA, &limit));
	CHECK_EQ(sf_region_grow(&region, 1), 0);
	check_frontier(1 + (((size_t)1 << 20) >> sf_page_shift));
}

/* There, committing makes resident: ahead would be memory in use. */
static void nothing_is_kept_ahead_where_memory_is_locked(void)
{
	if (!open_region((size_t)32 << 20))
		return;
	if (test_emulated())
		SKIP("an emulator may ignore the advice");
	if (mlock2((void *)region.base, 64 * sf_page_size, MLOCK_ONFAULT) != 0)
		SKIP("mlock2: %s", strerror(errno));
	CHECK_EQ(sf_region_grow(&region, 1), 0);
	check_frontier(1);
	CHECK_EQ(sf_region_low(&region, 1), 0);
}

/* The second region gets twice the share of the first. */
static void a_limited_address_space_is_shared(void)
{
	size_t len = (size_t)4 << 40;
	struct rlimit limit;

	set_lengths((size_t)1 << 40, 0);
	getrlimit(RLIMIT_AS, &limit);
	if (test_status("VmSize") > len / 2 || test_emulated())
		SKIP("the address space is in use");
	limit.rlim_cur = len;
	CHECK_OK(setrlimit(RLIMIT_AS, &limit));
	CHECK_EQ(sf_region_open(&region, SF_REGION_NORMAL, 1), 0);
	CHECK_LE(region.nr_pages << sf_page_shift, len / 8);
	CHECK_GE(region.nr_pages << sf_page_shift, len / 32);
}

static const struct test tests[] = {
	{ "a refused reservation is tried smaller",
	  a_refused_reservation_is_tried_smaller },
	{ "a region never gets smaller than asked",
	  a_region_never_gets_smaller_than_asked },
	{ "a region larger than any is refused",
	  a_region_larger_than_any_is_refused },
	{ "a region without metadata is given back",
	  a_region_without_metadata_is_given_back },
	{ "a region of one leaf works", a_region_of_one_leaf_works },
	{ "growing stays ahead of need", growing_stays_ahead_of_need },
	{ "low is less than ahead", low_is_less_than_ahead },
	{ "a frontier that cannot move is left alone",
	  a_frontier_that_cannot_move_is_left_alone },
	{ "a shorter step is tried", a_shorter_step_is_tried },
	{ "shrinking leaves what is ahead", shrinking_leaves_what_is_ahead },
	{ "shrinking that is refused changes nothing",
	  shrinking_that_is_refused_changes_nothing },
	{ "the number of mappings stays", the_number_of_mappings_stays },
	{ "little is kept ahead where it is charged",
	  little_is_kept_ahead_where_it_is_charged },
	{ "nothing is kept ahead where memory is locked",
	  nothing_is_kept_ahead_where_memory_is_locked },
	{ "a limited address space is shared",
	  a_limited_address_space_is_shared },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
