// SPDX-License-Identifier: MIT
/*
 * Random operations on blocks that are full of a pattern, by one thread, and
 * by several that pass them on to each other, which is not repeatable in all.
 *
 * TEST_SEED sets the seed, MODEL_OPS the number of operations of a thread.
 */
#include "test.h"

#include <pthread.h>
#include <string.h>

#include "calls.h"
#include "operations.h"

#define NR_THREADS  4
#define CHECK_EVERY 5000

static size_t nr_ops = 30000;
static size_t len_max = (size_t)64 << 20;
static size_t used_len_max = (size_t)192 << 20;
static uint64_t seed;

static void play(uint64_t number)
{
	/* Not a block itself: what is tested must not fail unseen. */
	static struct player players[NR_THREADS];
	struct player *player = &players[number];

	player_init(player, NULL, 0, seed + number);
	player->len_max = len_max;
	player->used_len_max = used_len_max;
	while (player->nr_ops < nr_ops && player_step(player))
		if (player->nr_ops % CHECK_EVERY == 0)
			player_check(player);
	if (test_failed()) {
		FAIL("seed 0x%llx, thread %llu, operation %zu",
		     (unsigned long long)seed, (unsigned long long)number,
		     player->nr_ops);
		return;
	}
	player_check(player);
	player_finish(player);
}

static void *play_in_thread(void *arg)
{
	play((uint64_t)(uintptr_t)arg);
	return NULL;
}

/* All was freed, and is there no more after a trim. */
static void check_the_end(const struct surefree_stats *before)
{
	struct surefree_stats stats;

	player_empty_slots();
	calls_trim();
	if (!calls_stats(&stats))
		return;
	CHECK_LE(stats.used_len, before->used_len + ((size_t)1 << 20));
	CHECK_EQ(stats.retained_len, 0);
	CHECK_EQ(stats.nr_stuck, 0);
}

static void one_thread_keeps_blocks_whole(void)
{
	struct surefree_stats before;

	seed = test_seed();
	calls_stats(&before);
	play(0);
	check_the_end(&before);
}

static void play_in_threads(void)
{
	struct surefree_stats before;
	pthread_t threads[NR_THREADS];

	calls_stats(&before);
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		if (!CHECK_EQ(pthread_create(&threads[i], NULL, play_in_thread,
					     (void *)i),
			      0))
			return;
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	check_the_end(&before);
}

static void threads_keep_blocks_whole(void)
{
	seed = test_seed();
	play_in_threads();
}

/* More of the fast path, and of frees that meet. */
static void threads_keep_small_blocks_whole(void)
{
	seed = test_seed();
	nr_ops *= 8;
	len_max = 2000;
	play_in_threads();
}

/* Heaps of threads that ended are taken over by others. */
static void threads_that_follow_keep_blocks_whole(void)
{
	seed = test_seed();
	nr_ops /= 4;
	used_len_max = (size_t)32 << 20;
	for (int i = 0; i < 10 && !test_failed(); i++, seed += NR_THREADS)
		play_in_threads();
}

static const struct test tests[] = {
	{ "one thread keeps blocks whole", one_thread_keeps_blocks_whole },
	{ "threads keep blocks whole", threads_keep_blocks_whole },
	{ "threads keep small blocks whole", threads_keep_small_blocks_whole },
	{ "threads that follow keep blocks whole",
	  threads_that_follow_keep_blocks_whole },
};

int main(int argc, char **argv)
{
	if (getenv("MODEL_OPS") != NULL)
		nr_ops = strtoul(getenv("MODEL_OPS"), NULL, 0);
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
