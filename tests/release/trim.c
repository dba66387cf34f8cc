// SPDX-License-Identifier: MIT
/*
 * malloc_trim(0) leaves nothing of what was freed, whoever freed it and
 * wherever it is kept: by this thread, by others that are idle now or have
 * ended, by a consumer for producers that are idle. Without it, what is freed
 * goes back all the same, but for what the option "retain" allows.
 */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "release.h"

#define NR_WORKERS 8
#define TOTAL_LEN  (32 * MIB) /* of each worker */
#define MAX_BLOCKS 65536      /* of each worker */
/*
 * What describes the blocks that there were, 512 bytes for 64 KiB, and the
 * heaps of the threads.
 */
#define SLACK_LEN (5 * MIB / 2)

struct block {
	char *addr; /* NULL: freed */
	size_t len;
};

/* Blocks for free pages within slabs, for each worker that makes some. */
#define NR_SMALL  ((size_t)40000)
#define SMALL_LEN ((size_t)1000)

static struct block *blocks[NR_WORKERS];
static char **small[NR_WORKERS];
static size_t peak_len;

/* Threads 0 to NR_WORKERS - 1 produce; the last one consumes. */
static void allocate(size_t index)
{
	struct test_rng rng = test_rng(index + 1);
	size_t len = 0;

	for (size_t i = 0; i < MAX_BLOCKS && len < TOTAL_LEN; i++) {
		struct block *block = &blocks[index][i];

		block->len = release_pick_len(&rng);
		block->addr = malloc(block->len);
		if (!CHECK(block->addr != NULL))
			return;
		release_touch(block->addr, block->len);
		len += block->len;
	}
}

static void free_block(struct block *block)
{
	if (block->addr == NULL)
		return;
	release_is_touched(block->addr, block->len);
	free(block->addr);
	block->addr = NULL;
}

static void free_own(size_t index)
{
	for (size_t i = 0; i < MAX_BLOCKS; i++)
		free_block(&blocks[index][i]);
}

static void free_all(size_t index)
{
	(void)index;
	for (size_t i = 0; i < MAX_BLOCKS; i++)
		for (size_t other = 0; other < NR_WORKERS; other++)
			free_block(&blocks[other][i]);
}

/* What another thread allocated: a neighbour's. */
static void free_next(size_t index)
{
	free_own((index + 1) % NR_WORKERS);
}

/* All but one in 512. */
static void free_most(size_t index)
{
	for (size_t i = 0; i < MAX_BLOCKS; i++)
		if (i % 512 != 0)
			free_block(&blocks[index][i]);
}

static void use_a_little(size_t index)
{
	(void)index;
	free(malloc(1));
}

/* With one more thread than there are workers, and 0 spare mappings. */
static bool start(void)
{
	for (size_t i = 0; i < NR_WORKERS; i++)
		blocks[i] = release_array(MAX_BLOCKS, sizeof(struct block));
	release_pages_init(MAX_BLOCKS);
	release_crew_start(NR_WORKERS + 1);
	if (!release_fill(0))
		return false;
	release_crew_do(0, NR_WORKERS, use_a_little);
	release_mark();
	return true;
}

static void produce(void)
{
	release_crew_do(0, NR_WORKERS - 1, allocate);
	peak_len = release_resident();
	CHECK_GE(peak_len, NR_WORKERS * TOTAL_LEN);
}

/* What is freed is back but for what is retained, without any call. */
static void check_bound(size_t live_len)
{
	struct surefree_stats stats = release_stats();
	size_t slack = SLACK_LEN + peak_len / 50;

	CHECK_LE(stats.retained_len, RETAIN_DEFAULT);
	release_check(release_resident(), live_len + stats.retained_len + slack,
		      "live, and what the statistics say is retained");
}

static void check_trimmed(size_t live_len)
{
	malloc_trim(0);
	CHECK_EQ(release_stats().retained_len, 0);
	release_check(release_resident(), live_len + SLACK_LEN,
		      "after malloc_trim(0)");
}

/* Memory can be had, is zero for calloc(), and goes back once more. */
static void check_goes_on(void)
{
	size_t index = 0;

	for (size_t len = 16; len < 4 * MIB; len = len * 3 / 2) {
		char *p = calloc(1, len);

		if (!CHECK(p != NULL))
			return;
		for (size_t i = 0; i < len; i++)
			if (!CHECK_EQ(p[i], 0))
				return;
		free(p);
	}
	allocate(index);
	free_own(index);
	check_trimmed(0);
}

static void freed_by(size_t first, size_t last, void (*fn)(size_t index))
{
	if (!start())
		return;
	produce();
	release_crew_do(first, last, fn);
	check_bound(0);
	check_trimmed(0);
	check_goes_on();
	test_unfill();
	release_crew_end();
}

static void freed_by_the_threads_that_made_it(void)
{
	freed_by(0, NR_WORKERS - 1, free_own);
}

static void freed_by_neighbours(void)
{
	freed_by(0, NR_WORKERS - 1, free_next);
}

static void freed_by_a_consumer(void)
{
	freed_by(NR_WORKERS, NR_WORKERS, free_all);
}

static void freed_by_this_thread(void)
{
	if (!start())
		return;
	for (size_t i = 0; i < NR_WORKERS; i++)
		allocate(i);
	peak_len = release_resident();
	free_all(0);
	check_bound(0);
	check_trimmed(0);
	check_goes_on();
	test_unfill();
	release_crew_end();
}

/* Their stacks stay with glibc: the mark must count them. */
static void freed_by_threads_that_ended(void)
{
	if (!start())
		return;
	produce();
	release_crew_do(0, NR_WORKERS - 1, free_own);
	test_unfill();
	release_crew_end();
	check_bound(0);
	check_trimmed(0);
	check_goes_on();
}

static void freed_after_their_threads_ended(void)
{
	if (!start())
		return;
	produce();
	test_unfill();
	release_crew_end();
	if (!release_fill(0))
		return;
	free_all(0);
	check_bound(0);
	check_trimmed(0);
	check_goes_on();
}

static size_t count_live_pages(void)
{
	release_pages_clear();
	for (size_t i = 0; i < NR_WORKERS; i++)
		for (size_t k = 0; k < MAX_BLOCKS; k++)
			if (blocks[i][k].addr != NULL)
				release_pages_add(blocks[i][k].addr,
						  blocks[i][k].len);
	return release_pages_len();
}

static void what_is_in_use_stays(void)
{
	size_t live_len;

	if (!start())
		return;
	produce();
	release_crew_do(0, NR_WORKERS - 1, free_most);
	live_len = count_live_pages() + release_marks_len();
	check_bound(live_len);
	check_trimmed(live_len);
	release_crew_do(NR_WORKERS, NR_WORKERS, free_all);
	check_bound(0);
	check_trimmed(0);
	check_goes_on();
	test_unfill();
	release_crew_end();
}

/* What malloc_trim() meets while others allocate and free is left whole. */
static void work_hard(size_t index)
{
	for (int i = 0; i < 4; i++) {
		allocate(index);
		free_own(index);
	}
}

static void while_others_work(void)
{
	if (!start())
		return;
	release_crew_begin(0, 3, work_hard);
	for (size_t i = 0; release_crew_busy(); i++)
		malloc_trim(i % 4 * 4 * MIB);
	release_crew_wait();
	check_trimmed(0);
	check_goes_on();
	test_unfill();
	release_crew_end();
}

/* Fifteen of sixteen blocks: free pages within slabs. */
static void free_within_slabs(size_t index)
{
	for (size_t i = 0; i < NR_SMALL; i++)
		if (i % 16 != 0)
			free(small[index][i]);
}

static void allocate_small(size_t index)
{
	for (size_t i = 0; i < NR_SMALL; i++) {
		small[index][i] = malloc(SMALL_LEN);
		if (CHECK(small[index][i] != NULL))
			release_touch(small[index][i], SMALL_LEN);
	}
}

/* Before and after: what is counted as retained, and resident memory. */
static void check_trim_to(size_t keep_len, size_t least)
{
	size_t before = release_stats().retained_len;
	size_t resident = release_resident();
	int result = malloc_trim(keep_len);
	size_t after = release_stats().retained_len;

	CHECK_EQ(result, before > keep_len);
	CHECK_LE(after, keep_len);
	CHECK_GE(after, least);
	/* Caches of blocks count as more than they hold. */
	release_check(release_resident(), resident - (before - after) + 4 * MIB,
		      "what was resident but for what was given back");
}

static void trim_in_steps(size_t nr_threads)
{
	size_t retained;

	for (size_t i = 0; i < nr_threads; i++)
		small[i] = release_array(NR_SMALL, sizeof(void *));
	release_crew_start(nr_threads);
	release_mark();
	release_crew_do(0, nr_threads - 1, allocate_small);
	release_crew_do(0, nr_threads - 1, free_within_slabs);
	retained = release_stats().retained_len;
	CHECK_GE(retained, 24 * MIB);
	/* Nothing to do. */
	check_trim_to(retained, retained);
	check_trim_to(16 * MIB, 15 * MIB);
	check_trim_to(8 * MIB, 7 * MIB);
	check_trim_to(MIB, MIB / 2);
	check_trim_to(0, 0);
	for (size_t i = 0; i < nr_threads; i++)
		for (size_t k = 0; k < NR_SMALL; k += 16)
			release_is_touched(small[i][k], SMALL_LEN);
	release_crew_end();
}

static void of_one_thread_as_much_stays_as_asked_for(void)
{
	trim_in_steps(1);
}

static void of_many_threads_too(void)
{
	trim_in_steps(NR_WORKERS);
}

/* What the pool keeps after blocks of this length were freed in turn. */
static void of_large_blocks_too(void)
{
	void *large[64];

	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < 64; i++) {
			large[i] = malloc(512 * KIB);
			if (CHECK(large[i] != NULL))
				release_touch(large[i], 512 * KIB);
		}
		for (size_t i = 0; i < 64; i++)
			free(large[i]);
	}
	release_mark();
	CHECK_GE(release_stats().retained_len, 16 * MIB);
	check_trim_to(8 * MIB, 5 * MIB);
	check_trim_to(0, 0);
}

static const struct test tests[] = {
	{ "malloc_trim(0) leaves nothing that this thread freed",
	  freed_by_this_thread },
	{ "nor what threads that are idle now freed",
	  freed_by_the_threads_that_made_it },
	{ "nor what threads freed for each other", freed_by_neighbours },
	{ "nor what a consumer freed for idle producers", freed_by_a_consumer },
	{ "nor what threads that ended had freed",
	  freed_by_threads_that_ended },
	{ "nor what is freed after the end of their threads",
	  freed_after_their_threads_ended },
	{ "nor whole free pages between blocks in use", what_is_in_use_stays },
	{ "malloc_trim(0) while other threads work", while_others_work },
	{ "of what one thread freed, as much stays as malloc_trim() is told",
	  of_one_thread_as_much_stays_as_asked_for },
	{ "of what many threads freed, too", of_many_threads_too },
	{ "of large blocks, too", of_large_blocks_too },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
