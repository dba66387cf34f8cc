// SPDX-License-Identifier: MIT
/*
 * Threads that ended keep next to nothing: no stack's address space, and of
 * memory what is counted as retained, all of which malloc_trim() gives back.
 */
#include "test.h"

#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "threads.h"

#define NR_THREADS  5000
#define NR_ALIVE    20
#define USED_LEN    ((size_t)1 << 20) /* of each stack */
#define KEPT_LEN    ((size_t)2 << 20) /* of all stacks together */
#define STACK_LEN   ((size_t)8 << 20)
#define NR_UNJOINED 200

static void *use_stack(void *arg)
{
	threads_use_stack(USED_LEN);
	return arg;
}

/* Resident, and in use: what more there is than before. */
static size_t rss_before;
static size_t used_before;

static void look(void)
{
	rss_before = test_rss_anon();
	used_before = threads_stats().used_len;
}

static void check(size_t more_used)
{
	struct surefree_stats stats = threads_stats();

	CHECK_LE(test_rss_anon(), rss_before + KEPT_LEN);
	CHECK_LE(stats.used_len, used_before + more_used);
	CHECK_LE(stats.retained_len, (size_t)64 << 20);
}

static void warm_up(void)
{
	pthread_t threads[NR_ALIVE];

	for (int i = 0; i < NR_ALIVE; i++)
		threads_start(&threads[i], NULL, use_stack, NULL);
	for (int i = 0; i < NR_ALIVE; i++)
		pthread_join(threads[i], NULL);
	look();
}

static void joined_threads_keep_little(void)
{
	pthread_t threads[NR_ALIVE];
	long mappings = test_mappings();

	warm_up();
	for (int round = 0; round < NR_THREADS / NR_ALIVE / 5; round++) {
		for (int i = 0; i < NR_ALIVE; i++)
			if (!threads_start(&threads[i], NULL, use_stack, NULL))
				return;
		for (int i = 0; i < NR_ALIVE; i++)
			pthread_join(threads[i], NULL);
	}
	check(1 << 20);
	if (threads_have_guard())
		CHECK_LE(test_mappings(), mappings + 2);
}

static void many_at_once_keep_little(void)
{
	static pthread_t threads[500];

	warm_up();
	for (int i = 0; i < 500; i++)
		if (!threads_start(&threads[i], NULL, use_stack, NULL))
			return;
	for (int i = 0; i < 500; i++)
		pthread_join(threads[i], NULL);
	/* What describes threads, heaps and the region's pages stays. */
	CHECK_LE(test_rss_anon(), rss_before + ((size_t)24 << 20));
	CHECK_LE(threads_stats().used_len, used_before + ((size_t)16 << 20));
}

static _Atomic int tid_of[NR_ALIVE];

static void *use_and_tell(void *arg)
{
	use_stack(arg);
	tid_of[(size_t)arg] = gettid();
	return NULL;
}

static void await_all(void)
{
	for (int i = 0; i < NR_ALIVE; i++) {
		while (tid_of[i] == 0)
			sched_yield();
		threads_wait_gone(tid_of[i]);
		tid_of[i] = 0;
	}
}

static void detached_threads_keep_little(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	warm_up();
	for (int round = 0; round < NR_THREADS / NR_ALIVE / 5; round++) {
		for (size_t i = 0; i < NR_ALIVE; i++)
			if (!threads_start(&thread, &attr, use_and_tell,
					   (void *)i))
				return;
		await_all();
	}
	/* Those that ended last, one after the other, saw most before them. */
	check(NR_ALIVE * STACK_LEN);
	/* Threads to come see all. */
	for (int i = 0; i < NR_ALIVE; i++)
		if (threads_start(&thread, NULL, use_stack, NULL))
			pthread_join(thread, NULL);
	check(1 << 20);
}

/* A thread that nobody joined yet keeps the top of its stack. */
static void threads_not_joined_yet_keep_little(void)
{
	pthread_t threads[NR_ALIVE];

	warm_up();
	for (size_t i = 0; i < NR_ALIVE; i++)
		if (!threads_start(&threads[i], NULL, use_and_tell, (void *)i))
			return;
	await_all();
	check(NR_ALIVE * (STACK_LEN + test_page()));
	for (size_t i = 0; i < NR_ALIVE; i++)
		pthread_join(threads[i], NULL);
	check(1 << 20);
}

static void trimming_gives_all_back(void)
{
	warm_up();
	CHECK_GT(threads_stats().retained_len, 0);
	malloc_trim(0);
	CHECK_EQ(threads_stats().retained_len, 0);
	CHECK_EQ(threads_stats().nr_stacks_kept, 0);
}

static const struct test tests[] = {
	{ "joined threads keep little", joined_threads_keep_little },
	{ "many at once keep little", many_at_once_keep_little },
	{ "detached threads keep little", detached_threads_keep_little },
	{ "threads not joined yet keep little",
	  threads_not_joined_yet_keep_little },
	{ "trimming gives all back", trimming_gives_all_back },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
