// SPDX-License-Identifier: MIT
/*
 * Heaps that change hands while others free their blocks, and a signal handler
 * that wants them slow while they are stopped.
 */
#include "malloc/heap.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "malloc/malloc.h"
#include "malloc/profile.h"
#include "malloc/stats.h"
#include "malloc/threads.h"
#include "test.h"

#define NR_ROUNDS   10000
#define MANY_BLOCKS 100
#define MAX_BLOCKS  1100  /* more than a slab has room for */
#define BLOCK_LEN   32768 /* a slab has room for two */
#define MAX_WAITING 200

static void *blocks[MAX_BLOCKS];
static size_t nr_blocks;
static struct sf_heap *maker;
static pthread_t freer;
static pthread_barrier_t barrier;

/*
 * Hold the freeing thread where it is until the other one has ended; not for
 * ever, as it may have a lock that this one waits for.
 */
static void wait_for_end(int number)
{
	(void)number;
	for (size_t i = 0; i < MAX_WAITING && maker->in_use; i++)
		sched_yield();
}

static void *make_blocks(void *arg)
{
	size_t spin = *(const size_t *)arg;

	for (size_t i = 0; i < nr_blocks; i++)
		blocks[i] = sf_malloc(BLOCK_LEN);
	maker = sf_heap_own;
	pthread_barrier_wait(&barrier);
	for (volatile size_t i = 0; i < spin; i++)
		;
	pthread_kill(freer, SIGUSR1);
	return NULL;
}

/* A thread ends while its blocks are freed by this one. */
static void end_and_free(size_t spin, size_t own_spin)
{
	pthread_t thread;

	if (!CHECK_EQ(pthread_create(&thread, NULL, make_blocks, &spin), 0))
		return;
	pthread_barrier_wait(&barrier);
	for (volatile size_t i = 0; i < own_spin; i++)
		;
	for (size_t i = 0; i < nr_blocks; i++)
		sf_free(blocks[i]);
	pthread_join(thread, NULL);
}

static size_t nr_unused_with_quota(void)
{
	size_t nr = 0;

	for (struct sf_heap *h = sf_threads_first(); h != NULL; h = h->next)
		nr += !h->in_use && atomic_load(&h->remote_quota) != 0;
	return nr;
}

static void nothing_waits_in_the_heaps_of_threads_that_ended(void)
{
	struct sigaction action = { .sa_handler = wait_for_end };
	size_t nr_left = 0;
	size_t nr_quotas = 0;

	freer = pthread_self();
	pthread_barrier_init(&barrier, NULL, 2);
	CHECK_OK(sigaction(SIGUSR1, &action, NULL));
	for (size_t i = 0; i < NR_ROUNDS; i++) {
		/* One block: what it leaves no later one cleans up. */
		nr_blocks = i % 2 == 0 ? 1 : MANY_BLOCKS;
		end_and_free(i % 2 == 0 ? 0 : i % 128 * 100,
			     i % 2 == 0 ? i % 8192 : 0);
		nr_left += atomic_load(&sf_heap_common.remote) != NULL;
		nr_quotas += nr_unused_with_quota();
	}
	CHECK_EQ(nr_left, 0);
	CHECK_EQ(nr_quotas, 0);
}

/* How others free the blocks of a thread that goes on. */
enum { ALL, EVERY_SECOND, EVERY_SECOND_FIRST, NR_HOWS };

static unsigned class_now;
static struct sf_malloc_stats stats; /* when all was freed and trimmed */

static void *make_and_wait(void *arg)
{
	int how = *(const int *)arg;

	for (size_t i = 0; i < nr_blocks; i++)
		blocks[i] = sf_malloc(sf_classes[class_now].size);
	if (how == EVERY_SECOND)
		for (size_t i = 1; i < nr_blocks; i += 2)
			sf_free(blocks[i]);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	if (how == EVERY_SECOND_FIRST)
		for (size_t i = 1; i < nr_blocks; i += 2)
			sf_free(blocks[i]);
	sf_malloc_trim(0);
	sf_malloc_stats(&stats);
	return NULL;
}

/* Blocks of a class in use, and slabs, before that thread ends. */
static size_t nr_left_of_class(int how)
{
	pthread_t thread;

	if (!CHECK_EQ(pthread_create(&thread, NULL, make_and_wait, &how), 0))
		return 0;
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < nr_blocks; i += how == ALL ? 1 : 2)
		sf_free(blocks[i]);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	return stats.classes[class_now].nr_used +
	       stats.classes[class_now].nr_slabs;
}

static void what_others_free_comes_back_whatever_its_size(void)
{
	static struct sf_malloc_stats before;

	pthread_barrier_init(&barrier, NULL, 2);
	sf_malloc_trim(0);
	sf_malloc_stats(&before);
	for (class_now = 0; class_now < SF_NR_CLASSES; class_now++) {
		nr_blocks = sf_classes[class_now].nr_blocks + 2;
		if (!CHECK_LE(nr_blocks, MAX_BLOCKS))
			return;
		for (int how = ALL; how < NR_HOWS; how++)
			CHECK_EQ(nr_left_of_class(how),
				 before.classes[class_now].nr_used +
					 before.classes[class_now].nr_slabs);
	}
}

static void what_a_handler_asks_for_outlives_a_stop(void)
{
	struct sf_heap *heap;

	sf_free(sf_malloc(1));
	heap = sf_heap_own;
	if (atomic_load(&heap->slow))
		SKIP("heaps are always slow here");
	sf_heap_stop(heap);
	/* As the handler of profile_signal does. */
	atomic_fetch_or(&sf_profile_state, SF_PROFILE_WANTED);
	sf_heap_hint_slow();
	sf_heap_resume(heap);
	CHECK_EQ(atomic_load(&heap->slow), 1);
	atomic_fetch_and(&sf_profile_state, ~SF_PROFILE_WANTED);
	sf_heap_stop(heap);
	sf_heap_resume(heap);
	CHECK_EQ(atomic_load(&heap->slow), 0);
}

static const struct test tests[] = {
	{ "nothing waits in the heaps of threads that ended",
	  nothing_waits_in_the_heaps_of_threads_that_ended },
	{ "what others free comes back, whatever its size",
	  what_others_free_comes_back_whatever_its_size },
	{ "what a handler asks for outlives a stop",
	  what_a_handler_asks_for_outlives_a_stop },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
