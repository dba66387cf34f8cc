// SPDX-License-Identifier: MIT
/*
 * vm/keep: what is kept is bounded, comes back by its length with its
 * contents, and makes room from the oldest on.
 */
#include "vm/keep.h"
#include "vm/retain.h"

#include <pthread.h>
#include <string.h>

#include "base/option.h"
#include "test.h"
#include "vm/account.h"
#include "vm/state.h"
#include "vm/trim.h"

#define NR_ENTRIES 256 /* of a shard; one thread uses one shard */
#define NR_STACKS  64
#define NR_CHAINS  64
#define NR_THREADS 4
#define NR_ROUNDS  2000

static void set_bound(size_t len)
{
	sf_state_init();
	atomic_store(&sf_options[SF_OPTION_RETAIN], len);
}

static size_t retained_pages(void)
{
	return sf_retain_len() >> sf_page_shift;
}

static size_t kept_stacks(void)
{
	return sf_keep_nr_stacks();
}

/* Map nr pages and write mark into each. */
static struct sf_extent map(size_t nr, char mark)
{
	struct sf_extent extent = { 0 };

	if (CHECK_EQ(sf_extent_map(SF_REGION_NORMAL, nr, 1, 0, &extent), 0))
		memset((void *)sf_extent_addr(&extent), mark,
		       sf_extent_len(&extent));
	return extent;
}

/* Release it to be kept, as sf_extent_unmap() does. Whether it is. */
static bool keep(const struct sf_extent *extent,
		 bool (*put)(const struct sf_extent *))
{
	bool kept;

	sf_extent_unlive("keep", extent);
	kept = put(extent);
	if (!kept)
		sf_extent_release_kept(extent, true);
	sf_extent_end(extent);
	return kept;
}

static bool keep_range(const struct sf_extent *extent)
{
	return keep(extent, sf_keep_put_range);
}

static struct sf_extent keep_new(size_t nr, char mark)
{
	struct sf_extent extent = map(nr, mark);

	CHECK(keep_range(&extent));
	return extent;
}

static unsigned planes_of(const struct sf_extent *extent, size_t page)
{
	unsigned planes;

	sf_region_lock(extent->region);
	planes = sf_tree_planes(&extent->region->tree, extent->first + page);
	sf_region_unlock(extent->region);
	return planes & (SF_TAKEN | SF_LIVE | SF_QUIET);
}

/* Kept: taken and resident. Released: free and gone. */
static void check_kept(const struct sf_extent *extent)
{
	CHECK_EQ(planes_of(extent, 0), SF_TAKEN);
	if (!test_emulated())
		CHECK_EQ(test_resident((void *)sf_extent_addr(extent),
				       sf_extent_len(extent)),
			 sf_extent_len(extent));
}

static void check_released(const struct sf_extent *extent)
{
	CHECK_EQ(planes_of(extent, 0), 0);
	if (!test_emulated())
		CHECK_EQ(test_resident((void *)sf_extent_addr(extent),
				       sf_extent_len(extent)),
			 0);
}

static void check_all(void)
{
	for (size_t i = 0; i < sf_state_nr_regions(); i++)
		sf_region_check(sf_state_region(i));
}

static bool same(const struct sf_extent *a, const struct sf_extent *b)
{
	return a->region == b->region && a->first == b->first && a->nr == b->nr;
}

static void without_a_bound_nothing_is_kept(void)
{
	struct sf_extent extent;

	set_bound(0);
	extent = map(2, 'a');
	CHECK(!keep_range(&extent));
	check_released(&extent);
	CHECK(!sf_keep_take_range(2, 0, &extent));
	CHECK_EQ(retained_pages(), 0);
}

static void a_kept_range_comes_back_with_its_contents(void)
{
	struct sf_extent one;
	struct sf_extent got;
	uint64_t reused = sf_counters[SF_COUNT_RETAINED_REUSED];

	set_bound((size_t)1 << 20);
	one = keep_new(3, 'k');
	check_kept(&one);
	CHECK_EQ(retained_pages(), 3);
	CHECK(!sf_keep_take_range(2, 0, &got));
	CHECK(!sf_keep_take_range(4, 0, &got));
	CHECK(!sf_keep_take_stack(3, &got));
	if (!CHECK(sf_keep_take_range(3, 0, &got)) || !CHECK(same(&one, &got)))
		return;
	CHECK_EQ(*(char *)sf_extent_addr(&got), 'k');
	CHECK_EQ(planes_of(&got, 2), SF_TAKEN | SF_LIVE);
	CHECK_EQ(retained_pages(), 0);
	CHECK_EQ(sf_counters[SF_COUNT_RETAINED_REUSED], reused + 1);
	CHECK(!sf_keep_take_range(3, 0, &got));
	check_all();
}

static void the_newest_comes_back_first(void)
{
	struct sf_extent kept[5];
	struct sf_extent got;

	set_bound((size_t)1 << 20);
	for (char i = 0; i < 5; i++)
		kept[(size_t)i] = map(2, i);
	for (size_t i = 0; i < 5; i++)
		CHECK(keep_range(&kept[i]));
	for (size_t i = 5; i-- > 0;) {
		CHECK(sf_keep_take_range(2, 0, &got));
		CHECK(same(&got, &kept[i]));
	}
}

/* nr * 2 % NR_CHAINS is the same for all of these, and a stack beside it. */
static void lengths_of_one_chain_are_told_apart(void)
{
	static const size_t lens[] = { 1, 1 + NR_CHAINS / 2, 1 + NR_CHAINS,
				       1 + 3 * NR_CHAINS };
	struct sf_extent kept[2][4];
	struct sf_extent got;

	set_bound((size_t)64 << 20);
	for (size_t j = 0; j < 2; j++)
		for (size_t i = 0; i < 4; i++)
			kept[j][i] = keep_new(lens[i], 'c');
	for (size_t j = 2; j-- > 0;) {
		for (size_t i = 0; i < 4; i++) {
			/* From the chain's middle and ends in turn. */
			size_t at = (i + 1) % 4;

			CHECK(sf_keep_take_range(lens[at], 0, &got));
			CHECK(same(&got, &kept[j][at]));
		}
	}
	CHECK_EQ(retained_pages(), 0);
	check_all();
}

static void the_oldest_makes_room(void)
{
	struct sf_extent kept[5];
	struct sf_extent more;
	struct sf_extent got;

	set_bound(10 * test_page());
	for (size_t i = 0; i < 5; i++)
		kept[i] = map(2, 'o');
	more = map(1, 'm');
	for (size_t i = 0; i < 5; i++)
		CHECK(keep_range(&kept[i]));
	CHECK_EQ(retained_pages(), 10);
	CHECK(keep_range(&more));
	check_released(&kept[0]);
	check_kept(&kept[1]);
	CHECK_EQ(retained_pages(), 9);
	/* What was taken up and kept again is the newest. */
	CHECK(sf_keep_take_range(2, 0, &got));
	CHECK(same(&got, &kept[4]));
	CHECK(sf_keep_take_range(2, 0, &kept[3]));
	CHECK(keep_range(&got));
	got = keep_new(2, 'n');
	check_kept(&kept[1]);
	CHECK_EQ(retained_pages(), 9);
	got = keep_new(2, 'n');
	check_released(&kept[1]);
	check_kept(&kept[2]);
	check_kept(&kept[4]);
	check_kept(&more);
	check_all();
}

static void a_large_range_drives_nothing_out(void)
{
	struct sf_extent small;
	struct sf_extent large;

	set_bound(16 * test_page());
	small = keep_new(4, 's');
	large = map(13, 'l');
	CHECK(!keep_range(&large));
	check_released(&large);
	check_kept(&small);
	/* Where there is room it is kept. */
	large = map(12, 'l');
	CHECK(keep_range(&large));
	CHECK_EQ(retained_pages(), 16);
	large = map(17, 'l');
	CHECK(!keep_range(&large));
	CHECK_EQ(retained_pages(), 16);
}

static void a_full_table_lets_the_oldest_go(void)
{
	static struct sf_extent kept[NR_ENTRIES + 10];

	set_bound((size_t)1 << 30);
	for (size_t i = 0; i < TEST_COUNT(kept); i++)
		kept[i] = map(1, 'f');
	for (size_t i = 0; i < TEST_COUNT(kept); i++)
		CHECK(keep_range(&kept[i]));
	CHECK_EQ(retained_pages(), NR_ENTRIES);
	for (size_t i = 0; i < TEST_COUNT(kept); i++)
		CHECK_EQ(planes_of(&kept[i], 0), i < 10 ? 0 : SF_TAKEN);
	CHECK_EQ(sf_keep_trim(0), NR_ENTRIES * test_page());
	CHECK_EQ(retained_pages(), 0);
	for (size_t i = 0; i < TEST_COUNT(kept); i++)
		CHECK_EQ(planes_of(&kept[i], 0), 0);
	check_all();
}

static void a_kept_stack_leaves_its_first_page_alone(void)
{
	struct sf_extent whole;
	struct sf_extent got;

	set_bound(0);
	whole = map(5, 's');
	CHECK(keep(&whole, sf_keep_put_stack));
	CHECK_EQ(kept_stacks(), 1);
	/* No bound: the pages are gone, but for the guard's. */
	CHECK_EQ(retained_pages(), 0);
	if (!test_emulated())
		CHECK_EQ(test_resident((void *)sf_extent_addr(&whole),
				       5 * test_page()),
			 test_page());
	CHECK(!sf_keep_take_range(5, 0, &got));
	CHECK(!sf_keep_take_stack(4, &got));
	if (!CHECK(sf_keep_take_stack(5, &got)))
		return;
	CHECK(same(&whole, &got));
	CHECK_EQ(planes_of(&got, 0), SF_TAKEN);
	CHECK_EQ(planes_of(&got, 1), SF_TAKEN | SF_LIVE);
	CHECK_EQ(planes_of(&got, 4), SF_TAKEN | SF_LIVE);
	CHECK_EQ(kept_stacks(), 0);
	check_all();
}

static void stacks_keep_pages_within_the_bound(void)
{
	struct sf_extent stack;

	set_bound(8 * test_page());
	for (int i = 0; i < 10; i++) {
		stack = map(2, 's');
		CHECK(keep(&stack, sf_keep_put_stack));
		CHECK_LE(retained_pages(), 8);
	}
	CHECK_EQ(retained_pages(), 8);
	check_kept(&stack);
	CHECK_EQ(sf_keep_trim(0), 8 * test_page());
	CHECK_EQ(kept_stacks(), 0);
	check_all();
}

/* 64 pages, of which the top ones have been touched; the first is a guard. */
static struct sf_extent map_with_top(size_t nr_top)
{
	struct sf_extent stack = { 0 };

	if (CHECK_EQ(sf_extent_map(SF_REGION_NORMAL, 64, 1, 0, &stack), 0))
		memset((char *)sf_extent_addr(&stack) +
			       ((64 - nr_top) << sf_page_shift),
		       't', nr_top << sf_page_shift);
	return stack;
}

static bool put_top(const struct sf_extent *extent)
{
	return sf_keep_put_stack_top(extent, 2 * sf_page_size);
}

static void a_stack_may_keep_its_top_only(void)
{
	struct sf_extent stack;
	struct sf_extent got;
	char *top;

	set_bound((size_t)1 << 20);
	stack = map_with_top(2);
	top = (char *)sf_extent_addr(&stack) + 62 * test_page();
	CHECK(keep(&stack, put_top));
	CHECK_EQ(retained_pages(), 2);
	CHECK_EQ(*top, 't');
	if (!CHECK(sf_keep_take_stack(64, &got)))
		return;
	CHECK(same(&stack, &got));
	CHECK_EQ(retained_pages(), 0);
	CHECK_EQ(*top, 't');
	got.first++;
	got.nr--;
	sf_extent_unlive("keep", &got);
	CHECK(put_top(&stack));
	sf_extent_end(&got);
	CHECK_EQ(sf_keep_trim(1), 2 * test_page());
	CHECK_EQ(retained_pages(), 0);
	CHECK_EQ(kept_stacks(), 0);
	check_all();
}

/* A sixteenth of the bound, and not many. */
static void few_stacks_keep_their_top(void)
{
	struct sf_extent stack;

	set_bound(16 * 4 * test_page());
	for (int i = 0; i < 10; i++) {
		stack = map_with_top(2);
		CHECK(keep(&stack, put_top));
	}
	CHECK_EQ(retained_pages(), 4);
	CHECK_EQ(kept_stacks(), 10);
	if (!test_emulated())
		CHECK_EQ(test_resident((void *)sf_extent_addr(&stack),
				       64 * test_page()),
			 0);
	set_bound((size_t)1 << 30);
	for (int i = 0; i < 30; i++) {
		stack = map_with_top(2);
		CHECK(keep(&stack, put_top));
	}
	CHECK_EQ(retained_pages(), 2 * 16);
	CHECK_EQ(sf_keep_trim(0), 2 * 16 * test_page());
	CHECK_EQ(retained_pages(), 0);
	stack = map_with_top(2);
	CHECK(keep(&stack, put_top));
	CHECK_EQ(retained_pages(), 2);
}

static void stacks_fill_a_part_of_the_table(void)
{
	struct sf_extent stack;

	set_bound(0);
	for (size_t i = 0; i < NR_STACKS; i++) {
		stack = map(2, 's');
		CHECK(keep(&stack, sf_keep_put_stack));
	}
	stack = map(2, 's');
	CHECK(!keep(&stack, sf_keep_put_stack));
	check_released(&stack);
	CHECK_EQ(kept_stacks(), NR_STACKS);
	set_bound((size_t)1 << 20);
	stack = map(2, 's');
	CHECK(!keep(&stack, sf_keep_put_stack));
	CHECK_EQ(retained_pages(), 0);
	/* Ranges still find room. */
	stack = map(2, 'r');
	CHECK(keep_range(&stack));
	CHECK_EQ(sf_keep_trim(0), 2 * test_page());
	CHECK_EQ(kept_stacks(), 0);
}

static void trimming_begins_with_the_oldest(void)
{
	struct sf_extent kept[4];
	struct sf_extent stack;

	set_bound(0);
	stack = map(3, 's');
	CHECK(keep(&stack, sf_keep_put_stack));
	set_bound((size_t)1 << 20);
	for (size_t i = 0; i < 4; i++)
		kept[i] = keep_new(2 + i, 't');
	CHECK_EQ(retained_pages(), 14);
	CHECK_EQ(sf_keep_trim(14 * test_page()), 0);
	CHECK_EQ(sf_keep_trim(SIZE_MAX), 0);
	CHECK_EQ(sf_keep_trim(10 * test_page()), 5 * test_page());
	check_released(&kept[0]);
	check_released(&kept[1]);
	check_kept(&kept[2]);
	CHECK_EQ(kept_stacks(), 1);
	CHECK_EQ(sf_keep_trim(1), 9 * test_page());
	CHECK_EQ(kept_stacks(), 1);
	CHECK_EQ(sf_keep_trim(0), 0);
	CHECK_EQ(kept_stacks(), 0);
	CHECK_EQ(sf_keep_trim(0), 0);
	check_all();
}

static void *churn(void *arg)
{
	struct test_rng rng = test_rng((uintptr_t)arg);

	for (int i = 0; i < NR_ROUNDS; i++) {
		size_t nr = 1 + test_rand_below(&rng, 12);
		struct sf_extent extent;
		bool is_stack = nr > 1 && test_rand_below(&rng, 4) == 0;

		if (is_stack || !sf_keep_take_range(nr, 0, &extent))
			extent = map(nr, 'x');
		keep(&extent, is_stack ? sf_keep_put_stack : sf_keep_put_range);
		CHECK_LE(retained_pages(), 32);
		if (is_stack && sf_keep_take_stack(nr, &extent)) {
			extent.first++;
			extent.nr--;
			sf_extent_unmap("churn", &extent);
		}
	}
	return NULL;
}

/*
 * The guards of the stacks that were taken up stay taken: no page of them is
 * given back here.
 */
static void threads_never_keep_more_than_the_bound(void)
{
	pthread_t threads[NR_THREADS];
	set_bound(32 * test_page());
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, churn,
					(void *)(i + 1)),
			 0);
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_GT(sf_retain_peak_len(), 0);
	CHECK_LE(sf_retain_peak_len(), 32 * test_page());
	sf_trim(0);
	CHECK_EQ(retained_pages(), 0);
	CHECK_EQ(kept_stacks(), 0);
	CHECK_EQ(sf_counters[SF_COUNT_STUCK], 0);
	CHECK_EQ(sf_state_region(0)->nr_used, 0);
	CHECK_EQ(sf_state_region(0)->nr_busy, 0);
	check_all();
}

static void *keep_one(void *arg)
{
	struct sf_extent *extent = (struct sf_extent *)arg;

	*extent = keep_new(7, 'z');
	return NULL;
}

static void what_another_thread_kept_is_found(void)
{
	struct sf_extent kept;
	struct sf_extent got;
	pthread_t thread;

	set_bound((size_t)1 << 20);
	for (int i = 0; i < 20; i++) {
		CHECK_EQ(pthread_create(&thread, NULL, keep_one, &kept), 0);
		pthread_join(thread, NULL);
		CHECK(sf_keep_take_range(7, 0, &got));
		CHECK(same(&kept, &got));
	}
	CHECK_EQ(retained_pages(), 0);
}

static const struct test tests[] = {
	{ "without a bound nothing is kept", without_a_bound_nothing_is_kept },
	{ "a kept range comes back with its contents",
	  a_kept_range_comes_back_with_its_contents },
	{ "the newest comes back first", the_newest_comes_back_first },
	{ "lengths of one chain are told apart",
	  lengths_of_one_chain_are_told_apart },
	{ "the oldest makes room", the_oldest_makes_room },
	{ "a large range drives nothing out",
	  a_large_range_drives_nothing_out },
	{ "a full table lets the oldest go", a_full_table_lets_the_oldest_go },
	{ "a kept stack leaves its first page alone",
	  a_kept_stack_leaves_its_first_page_alone },
	{ "stacks keep pages within the bound",
	  stacks_keep_pages_within_the_bound },
	{ "a stack may keep its top only", a_stack_may_keep_its_top_only },
	{ "few stacks keep their top", few_stacks_keep_their_top },
	{ "stacks fill a part of the table", stacks_fill_a_part_of_the_table },
	{ "trimming begins with the oldest", trimming_begins_with_the_oldest },
	{ "threads never keep more than the bound",
	  threads_never_keep_more_than_the_bound },
	{ "what another thread kept is found",
	  what_another_thread_kept_is_found },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
