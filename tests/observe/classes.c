// SPDX-License-Identifier: MIT
/* What surefree_stats() tells of blocks: totals, and counters by size. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "observe.h"
#include "test.h"

#define MAX_CLASSES 256
#define NR_BLOCKS   5000
#define LARGE_LEN   ((size_t)1 << 20)

static struct surefree_class_stats classes[MAX_CLASSES];
static void *blocks[NR_BLOCKS];

static struct surefree_stats stats_now(void)
{
	struct surefree_stats stats = { .size = sizeof(stats) };

	CHECK_OK(observe_stats(&stats));
	return stats;
}

/* The counters of the blocks that serve len bytes. */
static struct surefree_class_stats class_of(size_t len)
{
	size_t nr = observe_classes(classes, MAX_CLASSES);
	size_t i = 0;

	while (i < nr && i < MAX_CLASSES && classes[i].block_len < len)
		i++;
	CHECK_LT(i, nr);
	return classes[i < nr ? i : 0];
}

static void take(size_t len)
{
	for (size_t i = 0; i < NR_BLOCKS; i++) {
		blocks[i] = malloc(len);
		CHECK(blocks[i] != NULL);
	}
}

static void give(void)
{
	for (size_t i = 0; i < NR_BLOCKS; i++)
		free(blocks[i]);
}

static void check_counted(size_t len)
{
	struct surefree_class_stats before = class_of(len);
	struct surefree_class_stats filled;
	struct surefree_class_stats after;

	take(len);
	filled = class_of(len);
	give();
	after = class_of(len);
	CHECK_EQ(filled.nr_used, before.nr_used + NR_BLOCKS);
	CHECK_GE(filled.nr_slabs, NR_BLOCKS * len / 65536);
	CHECK_LE((filled.nr_used + filled.nr_free) * filled.block_len,
		 filled.nr_slabs * 65536);
	CHECK_EQ(after.nr_used, before.nr_used);
	CHECK_LT(after.nr_slabs, filled.nr_slabs);
}

static void blocks_are_counted_by_size(void)
{
	static const size_t lens[] = { 1, 16, 100, 512, 513, 3000, 32768 };

	for (size_t i = 0; i < TEST_COUNT(lens); i++)
		check_counted(lens[i]);
}

static void sizes_ascend_to_32_kib(void)
{
	size_t nr = observe_classes(classes, MAX_CLASSES);

	if (!CHECK_LE(nr, MAX_CLASSES) || !CHECK_GT(nr, 1))
		return;
	CHECK_EQ(classes[0].block_len, 16);
	for (size_t i = 1; i < nr; i++)
		CHECK_GT(classes[i].block_len, classes[i - 1].block_len);
	CHECK_EQ(classes[nr - 1].block_len, 32768);
}

static void a_short_array_is_filled_as_far_as_it_goes(void)
{
	memset(classes, 0xff, sizeof(classes));
	CHECK_GT(observe_classes(classes, 3), 3);
	CHECK_LT(classes[2].block_len, 100);
	CHECK_EQ(classes[3].block_len, SIZE_MAX);
	CHECK_GT(observe_classes(NULL, 0), 3);
}

/* A program of an older version does not know these members. */
static void a_shorter_struct_is_filled_as_far_as_it_goes(void)
{
	struct surefree_stats stats;
	size_t known = offsetof(struct surefree_stats, malloc_len);

	memset(&stats, 0xff, sizeof(stats));
	stats.size = known;
	CHECK_OK(observe_stats(&stats));
	CHECK_EQ(stats.size, known);
	CHECK_GT(stats.nr_regions, 0);
	CHECK_EQ(stats.malloc_len, SIZE_MAX);
	CHECK_EQ(stats.nr_samples_lost, UINT64_MAX);
}

static void totals_follow_small_blocks(void)
{
	struct surefree_stats before = stats_now();
	struct surefree_stats filled;
	struct surefree_stats after;

	take(1000);
	filled = stats_now();
	give();
	after = stats_now();
	CHECK_GE(filled.malloc_len, before.malloc_len + NR_BLOCKS * 1000);
	CHECK_EQ(filled.malloc_large_len, before.malloc_large_len);
	CHECK_GE(filled.malloc_peak_len, filled.malloc_len);
	CHECK_GE(filled.used_len, filled.malloc_len);
	CHECK_LE(after.malloc_len, before.malloc_len + 4 * 65536);
	CHECK_GE(after.malloc_peak_len, filled.malloc_len);
}

static void totals_follow_large_blocks(void)
{
	struct surefree_stats before = stats_now();
	char *p = malloc(LARGE_LEN);
	struct surefree_stats filled = stats_now();

	CHECK(p != NULL);
	CHECK_EQ(filled.malloc_large_len, before.malloc_large_len + LARGE_LEN);
	CHECK_EQ(filled.malloc_len, before.malloc_len + LARGE_LEN);
	free(p);
	filled = stats_now();
	CHECK_EQ(filled.malloc_large_len, before.malloc_large_len);
	CHECK_EQ(filled.malloc_len, before.malloc_len);
	CHECK_GE(filled.malloc_peak_len, before.malloc_len + LARGE_LEN);
}

static void *allocate_and_wait(void *arg)
{
	pthread_barrier_t *barrier = arg;
	void *volatile p = malloc(100);

	pthread_barrier_wait(barrier);
	pthread_barrier_wait(barrier);
	free(p);
	return NULL;
}

static void threads_with_a_heap_are_counted(void)
{
	size_t before = stats_now().nr_heaps;
	pthread_barrier_t barrier;
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 2);
	if (!CHECK_EQ(pthread_create(&thread, NULL, allocate_and_wait,
				     &barrier),
		      0))
		return;
	pthread_barrier_wait(&barrier);
	CHECK_EQ(stats_now().nr_heaps, before + 1);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	CHECK_EQ(stats_now().nr_heaps, before);
}

static const struct test tests[] = {
	{ "blocks are counted by size", blocks_are_counted_by_size },
	{ "sizes ascend to 32 KiB", sizes_ascend_to_32_kib },
	{ "a short array is filled as far as it goes",
	  a_short_array_is_filled_as_far_as_it_goes },
	{ "a shorter struct is filled as far as it goes",
	  a_shorter_struct_is_filled_as_far_as_it_goes },
	{ "totals follow small blocks", totals_follow_small_blocks },
	{ "totals follow large blocks", totals_follow_large_blocks },
	{ "threads with a heap are counted", threads_with_a_heap_are_counted },
};

int main(int argc, char **argv)
{
	void *volatile p = malloc(1); /* so that this thread has a heap */

	free(p);
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
