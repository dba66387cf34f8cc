// SPDX-License-Identifier: MIT
/* os/lock: threads exclude each other, and sleepers are woken. */
#include "os/lock.h"

#include <pthread.h>
#include <unistd.h>

#include "test.h"

#define NR_THREADS 4
#define NR_ROUNDS  200000

static struct sf_lock lock;
static unsigned long counter; /* under lock */
static _Atomic uint32_t word;
static _Atomic unsigned nr_awake;

static void *count(void *arg)
{
	(void)arg;
	for (int i = 0; i < NR_ROUNDS; i++) {
		sf_lock_acquire(&lock, SF_RANK_STATE);
		counter++;
		sf_lock_release(&lock, SF_RANK_STATE);
	}
	return NULL;
}

static void *sleep_on_word(void *arg)
{
	(void)arg;
	while (atomic_load(&word) == 0)
		sf_lock_wait(&word, 0);
	atomic_fetch_add(&nr_awake, 1);
	return NULL;
}

static void start(pthread_t *threads, void *(*fn)(void *arg))
{
	for (int i = 0; i < NR_THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, fn, NULL), 0);
}

static void join(pthread_t *threads)
{
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void threads_exclude_each_other(void)
{
	pthread_t threads[NR_THREADS];

	start(threads, count);
	join(threads);
	CHECK_EQ(counter, (unsigned long)NR_THREADS * NR_ROUNDS);
	CHECK_EQ(lock.word, 0);
}

static void all_sleepers_are_woken(void)
{
	pthread_t threads[NR_THREADS];

	start(threads, sleep_on_word);
	atomic_store(&word, 1);
	sf_lock_wake_all(&word);
	join(threads);
	CHECK_EQ(nr_awake, NR_THREADS);
}

static void waiting_for_another_value_does_not_sleep(void)
{
	alarm(60); /* ends the process if it does */
	atomic_store(&word, 5);
	sf_lock_wait(&word, 4);
	alarm(0);
}

static const struct test tests[] = {
	{ "threads exclude each other", threads_exclude_each_other },
	{ "all sleepers are woken", all_sleepers_are_woken },
	{ "waiting for another value does not sleep",
	  waiting_for_another_value_does_not_sleep },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
