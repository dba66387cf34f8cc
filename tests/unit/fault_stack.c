// SPDX-License-Identifier: MIT
/*
 * vm/stack: a page that nobody owns below every stack, marked where that can
 * be; released stacks come back with it, or are gone altogether.
 */
#include "vm/stack.h"

#include <errno.h>
#include <string.h>

#include "aborts.h"
#include "base/option.h"
#include "os/probe.h"
#include "refuse.h"
#include "test.h"
#include "vm/account.h"
#include "vm/keep.h"
#include "vm/retain.h"
#include "vm/state.h"

#define NR_PAGES 6

static struct sf_extent body;
static bool guarded;

static char *body_at(size_t page)
{
	return (char *)sf_region_addr(body.region, body.first + page);
}

static char *guard(void)
{
	return body_at(0) - sf_page_size;
}

static unsigned planes_at(size_t page)
{
	unsigned planes;

	sf_region_lock(body.region);
	planes = sf_tree_planes(&body.region->tree, page);
	sf_region_unlock(body.region);
	return planes;
}

static size_t kept_stacks(void)
{
	return sf_keep_nr_stacks();
}

/* What is called a guard is one. Others may trap from an earlier release. */
static void check_guard(void)
{
	if (guarded)
		CHECK_EQ(test_touches(guard()), 1);
}

static bool map(void)
{
	sf_state_init();
	if (!CHECK_EQ(sf_stack_map(NR_PAGES, &body, &guarded), 0))
		return false;
	CHECK_EQ(body.nr, NR_PAGES);
	CHECK_EQ(planes_at(body.first - 1) & (SF_TAKEN | SF_LIVE), SF_TAKEN);
	CHECK_EQ(planes_at(body.first), SF_TAKEN | SF_LIVE);
	CHECK_EQ(planes_at(body.first + NR_PAGES - 1), SF_TAKEN | SF_LIVE);
	memset(body_at(0), 's', sf_extent_len(&body));
	return true;
}

static void check_gone(void)
{
	if (!test_emulated())
		CHECK_EQ(test_resident(body_at(0), sf_extent_len(&body)), 0);
	CHECK_EQ(body.region->nr_used, 0);
	CHECK_EQ(body.region->nr_busy, 0);
	sf_region_check(body.region);
}

static void the_guard_is_below_the_stack(void)
{
	if (!map())
		return;
	CHECK_EQ(guarded, test_has_guard());
	CHECK_EQ(sf_counters[SF_COUNT_GUARDS_MISSING], !guarded);
	if (guarded)
		CHECK_EQ(test_touches(guard()), 1);
	CHECK_EQ(body.region->nr_used, NR_PAGES);
	sf_region_check(body.region);
}

static void a_released_stack_comes_back_with_its_guard(void)
{
	struct sf_extent before;

	if (!map())
		return;
	before = body;
	sf_stack_unmap("stack", &body);
	check_gone();
	CHECK_EQ(kept_stacks(), 1);
	if (!map())
		return;
	CHECK_EQ(body.first, before.first);
	CHECK_EQ(kept_stacks(), 0);
	CHECK_EQ(guarded, test_has_guard());
	CHECK_EQ(sf_counters[SF_COUNT_STACKS_REUSED], 1);
	if (guarded)
		CHECK_EQ(test_touches(guard()), 1);
}

static void a_stack_is_found_by_any_address_in_it(void)
{
	uintptr_t start;

	if (!map())
		return;
	start = (uintptr_t)body_at(0);
	CHECK_EQ(sf_stack_find(start), start);
	CHECK_EQ(sf_stack_find(start + sf_extent_len(&body) - 1), start);
	CHECK_EQ(sf_stack_find(start + 12345), start);
	CHECK_EQ(sf_stack_find((uintptr_t)&start), 0);
	/* Behind it is nothing, before it its guard. */
	CHECK_EQ(sf_stack_find(start + sf_extent_len(&body)), 0);
	CHECK_EQ(sf_stack_find(start - 1), 0);
}

static void another_length_is_another_stack(void)
{
	struct sf_extent other;

	if (!map())
		return;
	sf_stack_unmap("stack", &body);
	CHECK_EQ(sf_stack_map(NR_PAGES + 1, &other, &guarded), 0);
	CHECK(other.first > body.first + body.nr || other.first < body.first);
	CHECK_EQ(kept_stacks(), 1);
	sf_stack_unmap("stack", &other);
	CHECK_EQ(kept_stacks(), 2);
}

static void trimmed_stacks_leave_nothing_taken(void)
{
	if (!map())
		return;
	sf_stack_unmap("stack", &body);
	sf_keep_trim(0);
	CHECK_EQ(kept_stacks(), 0);
	CHECK(!sf_tree_any(&body.region->tree, 0, body.region->nr_pages,
			   SF_TAKEN));
	check_gone();
	/* The addresses are good for something else, markers or not. */
	CHECK_EQ(sf_extent_map(SF_REGION_NORMAL, NR_PAGES + 1, 1, 0, &body), 0);
	CHECK_EQ(body.first, 0);
	memset(body_at(0), 'm', sf_extent_len(&body));
}

static void a_stack_whose_guard_is_refused_says_so(void)
{
	/* The first two make a page table for later traps. */
	for (int skip = 0; skip < 3; skip++) {
		sf_state_init();
		refuse(__NR_madvise, ENOMEM, skip, 1);
		if (sf_stack_map(NR_PAGES, &body, &guarded) != 0)
			continue;
		refuse_nothing();
		memset(body_at(0), 's', sf_extent_len(&body));
		check_guard();
		sf_stack_unmap("stack", &body);
		check_gone();
		/* Taken up again it still says so. */
		CHECK_EQ(sf_stack_map(NR_PAGES, &body, &guarded), 0);
		check_guard();
		sf_stack_unmap("stack", &body);
		sf_keep_trim(0);
	}
	CHECK_GT(sf_counters[SF_COUNT_GUARDS_MISSING], 0);
}

/* Release pages 0 to NR_PAGES: markers may be there then, none is. */
static void release_with_refused_trap(void)
{
	struct sf_extent before;

	sf_keep_trim(0);
	if (!CHECK_EQ(sf_extent_map(SF_REGION_NORMAL, NR_PAGES + 1, 1, 0,
				    &before),
		      0))
		return;
	CHECK_EQ(before.first, 0);
	memset((void *)sf_extent_addr(&before), 'b', sf_extent_len(&before));
	refuse(__NR_madvise, ENOMEM, 0, 1);
	sf_extent_unmap("unmap", &before);
	refuse_nothing();
}

/* Whichever call is refused, now or when it is taken up again. */
static void a_marker_that_may_be_there_is_no_guard(void)
{
	int nr_without = 0;

	sf_state_init();
	if (!test_has_guard())
		SKIP("no guard markers");
	for (int i = 0; i < 16 && !test_failed(); i++) {
		int times = 1 + i % 2;
		int err;

		release_with_refused_trap();
		refuse(__NR_madvise, ENOMEM, i / 2, times);
		err = sf_stack_map(NR_PAGES, &body, &guarded);
		refuse_nothing();
		if (err != 0)
			continue;
		CHECK_EQ(body.first, 1);
		nr_without += !guarded;
		check_guard();
		sf_stack_unmap("stack", &body);
		if (map())
			check_guard();
		sf_stack_unmap("stack", &body);
	}
	CHECK_GT(nr_without, 0);
}

static void without_traps_there_is_no_guard(void)
{
	sf_state_init();
	atomic_store(&sf_options[SF_OPTION_TRAP], 0);
	if (!map())
		return;
	CHECK(!guarded);
	CHECK_EQ(test_touches(guard()), 0);
	CHECK_EQ(sf_counters[SF_COUNT_GUARDS_MISSING], 1);
	sf_stack_unmap("stack", &body);
	if (!map())
		return;
	CHECK(!guarded);
	CHECK_EQ(sf_counters[SF_COUNT_GUARDS_MISSING], 2);
	sf_stack_unmap("stack", &body);
	sf_keep_trim(0);
	check_gone();
}

static void a_stack_that_cannot_be_had_changes_nothing(void)
{
	size_t nr;

	sf_state_init();
	body.region = sf_state_region(0);
	nr = body.region->nr_pages;
	refuse(__NR_mmap, ENOMEM, 0, REFUSE_ALWAYS);
	refuse(__NR_mprotect, ENOMEM, 0, REFUSE_ALWAYS);
	CHECK_EQ(sf_stack_map(nr - 1, &body, &guarded), -ENOMEM);
	refuse_nothing();
	body.region = sf_state_region(0);
	CHECK_EQ(body.region->nr_used, 0);
	CHECK(!sf_tree_any(&body.region->tree, 0, nr, SF_TAKEN));
	CHECK_EQ(sf_counters[SF_COUNT_GUARDS_MISSING], 0);
}

/* It can't be kept while its pages are there: it is set aside for ever. */
static void a_stack_that_is_never_taken_back_is_stuck(void)
{
	if (!map())
		return;
	refuse(__NR_madvise, ENOMEM, 0, REFUSE_ALWAYS);
	sf_stack_unmap("stack", &body);
	refuse_nothing();
	CHECK_EQ(kept_stacks(), 0);
	CHECK_EQ(sf_counters[SF_COUNT_STUCK], 1);
	CHECK_EQ(sf_counters[SF_COUNT_STUCK_LEN],
		 (NR_PAGES + 1) * sf_page_size);
	CHECK_EQ(planes_at(body.first) & (SF_TAKEN | SF_LIVE), SF_TAKEN);
	CHECK_EQ(body.region->nr_used, 0);
	CHECK_EQ(body.region->nr_busy, 0);
	if (map())
		CHECK_NE(*body_at(0), 0);
}

static void release_twice(void)
{
	aborts_say("surefree: stack(%p, %zu): page %p is not mapped, or "
		   "already released",
		   (void *)body_at(0), sf_extent_len(&body),
		   (void *)body_at(0));
	sf_stack_unmap("stack", &body);
	sf_stack_unmap("stack", &body);
}

static void release_a_part(void)
{
	struct sf_extent part = { body.region, body.first + 1, body.nr - 1 };

	aborts_say("surefree: stack(%p, %zu): not a stack, or already "
		   "released",
		   (void *)body_at(1), sf_extent_len(&part));
	sf_stack_unmap("stack", &part);
}

static void release_a_map(void)
{
	struct sf_extent map;

	sf_extent_map(SF_REGION_NORMAL, 3, (size_t)1 << 21, 0, &map);
	aborts_say("surefree: stack(%p, %zu): not a stack, or already "
		   "released",
		   (void *)sf_extent_addr(&map), sf_extent_len(&map));
	sf_stack_unmap("stack", &map);
}

static void only_a_stack_is_released_as_one(void)
{
	if (test_emulated())
		SKIP("an emulator adds words of its own");
	if (!map())
		return;
	aborts(release_twice);
	aborts(release_a_part);
	aborts(release_a_map);
}

static const struct test tests[] = {
	{ "the guard is below the stack", the_guard_is_below_the_stack },
	{ "a released stack comes back with its guard",
	  a_released_stack_comes_back_with_its_guard },
	{ "a stack is found by any address in it",
	  a_stack_is_found_by_any_address_in_it },
	{ "another length is another stack", another_length_is_another_stack },
	{ "trimmed stacks leave nothing taken",
	  trimmed_stacks_leave_nothing_taken },
	{ "a stack whose guard is refused says so",
	  a_stack_whose_guard_is_refused_says_so },
	{ "a marker that may be there is no guard",
	  a_marker_that_may_be_there_is_no_guard },
	{ "without traps there is no guard", without_traps_there_is_no_guard },
	{ "a stack that cannot be had changes nothing",
	  a_stack_that_cannot_be_had_changes_nothing },
	{ "a stack that is never taken back is stuck",
	  a_stack_that_is_never_taken_back_is_stuck },
	{ "only a stack is released as one", only_a_stack_is_released_as_one },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
