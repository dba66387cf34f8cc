// SPDX-License-Identifier: MIT
/*
 * Threads by the thousand, whose blocks outlive them, and which allocate in
 * every moment of their end: key destructors, thread_local destructors,
 * cleanup handlers. Who frees a block checks the pattern in it.
 */
#include "test.h"

#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include "blocks.h"
#include "calls.h"

#define NR_THREADS 3000
#define NR_ALIVE   8
#define NR_BLOCKS  24 /* of a thread */
#define NR_LEFT	   (NR_ALIVE * NR_BLOCKS * 4)

/* What threads left behind: a ring that each puts into and takes from. */
static struct block left[NR_LEFT];
static size_t nr_left;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct block allocate(size_t len)
{
	return block_fill(malloc(len), len, CALLS_ALIGN);
}

static void check_and_free(const struct block *block)
{
	if (block->p != NULL && block_check(block))
		free(block->p);
}

/* Put a block in the place of the oldest one, which the caller frees. */
static struct block exchange(struct block block)
{
	struct block old;

	pthread_mutex_lock(&lock);
	old = left[nr_left % NR_LEFT];
	left[nr_left++ % NR_LEFT] = block;
	pthread_mutex_unlock(&lock);
	return old;
}

static void free_what_is_left(void)
{
	for (size_t i = 0; i < NR_LEFT; i++) {
		check_and_free(&left[i]);
		left[i].p = NULL;
	}
}

/* A size of any class: small ones for most. */
static size_t some_len(size_t number)
{
	size_t len = (number * 2654435761u >> 7) % 3000;

	if (number % 61 == 0)
		len *= 100;
	return 1 + len;
}

static void *leave_blocks(void *arg)
{
	size_t number = (size_t)(uintptr_t)arg;
	struct block own[NR_BLOCKS];

	for (size_t i = 0; i < NR_BLOCKS; i++)
		own[i] = allocate(some_len(number * NR_BLOCKS + i));
	for (size_t i = 0; i < NR_BLOCKS; i++)
		if (i % 6 == 0) {
			check_and_free(&own[i]);
		} else {
			struct block old = exchange(own[i]);

			check_and_free(&old);
		}
	return NULL;
}

/* Start nr threads, NR_ALIVE at a time, and join them. */
static void run(size_t nr, void *(*fn)(void *))
{
	pthread_t threads[NR_ALIVE];

	for (size_t i = 0; i < nr + NR_ALIVE; i++) {
		if (i >= NR_ALIVE && i - NR_ALIVE < nr)
			pthread_join(threads[i % NR_ALIVE], NULL);
		if (i < nr &&
		    !CHECK_EQ(pthread_create(&threads[i % NR_ALIVE], NULL, fn,
					     (void *)(uintptr_t)(i + 1)),
			      0))
			exit(1);
	}
}

static void blocks_outlive_their_threads(void)
{
	struct surefree_stats before;
	struct surefree_stats after;

	run(100, leave_blocks);
	free_what_is_left();
	calls_trim();
	calls_stats(&before);
	run(NR_THREADS, leave_blocks);
	free_what_is_left();
	calls_trim();
	if (!calls_stats(&after))
		return;
	CHECK_LE(after.used_len, before.used_len + (1 << 20));
	CHECK_LE(after.metadata_len, before.metadata_len + (4 << 20));
	CHECK_EQ(after.retained_len, 0);
}

/* Threads that ended must not cost more, the more there were of them. */
static void ended_threads_cost_nothing(void)
{
	size_t resident;

	if (calls_sanitized())
		SKIP("a sanitizer keeps what is freed");
	run(500, leave_blocks);
	resident = test_rss_anon();
	run(NR_THREADS, leave_blocks);
	CHECK_LE(test_rss_anon(), resident + ((size_t)8 << 20));
	free_what_is_left();
}

static sem_t ended;

static void *leave_blocks_and_post(void *arg)
{
	leave_blocks(arg);
	sem_post(&ended);
	return NULL;
}

static void detached_threads_come_and_go(void)
{
	pthread_attr_t attr;

	sem_init(&ended, 0, NR_ALIVE);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (size_t i = 0; i < NR_THREADS; i++) {
		pthread_t thread;

		sem_wait(&ended);
		if (!CHECK_EQ(pthread_create(&thread, &attr,
					     leave_blocks_and_post,
					     (void *)(uintptr_t)i),
			      0))
			return;
	}
	for (int i = 0; i < NR_ALIVE; i++)
		sem_wait(&ended);
	free_what_is_left();
}

/*
 * The end of a thread
 */

#define NR_KEYS 20

static pthread_key_t keys[NR_KEYS];
static struct block kept_by_key[NR_ALIVE][NR_KEYS];

/* Free what was kept and keep another one, as often as we are called. */
static void at_thread_end(void *arg)
{
	struct block *block = arg;
	size_t index = (size_t)(block - &kept_by_key[0][0]) % NR_KEYS;
	struct block other = allocate(some_len(block->number));

	check_and_free(block);
	check_and_free(&other);
	*block = allocate(some_len(index * 31));
	pthread_setspecific(keys[index], block);
}

static void *set_keys(void *arg)
{
	size_t number = (size_t)(uintptr_t)arg % NR_ALIVE;

	for (size_t i = 0; i < NR_KEYS; i++) {
		struct block *block = &kept_by_key[number][i];

		/* What the last round of destructors of another kept. */
		check_and_free(block);
		*block = allocate(some_len(number * NR_KEYS + i));
		pthread_setspecific(keys[i], block);
	}
	return NULL;
}

static void key_destructors_allocate_and_free(void)
{
	for (int i = 0; i < NR_KEYS; i++)
		CHECK_EQ(pthread_key_create(&keys[i], at_thread_end), 0);
	run(NR_THREADS / 4, set_keys);
	for (size_t i = 0; i < NR_ALIVE; i++)
		for (size_t j = 0; j < NR_KEYS; j++)
			check_and_free(&kept_by_key[i][j]);
}

/* Of glibc and musl, for the destructors of C++'s thread_local objects. */
int __cxa_thread_atexit_impl(void (*fn)(void *arg), void *arg, void *dso);
extern void *__dso_handle;

static void at_thread_exit(void *arg)
{
	struct block *block = arg;
	struct block other = allocate(some_len(block->number));

	/* One more, to be called when all of these were. */
	if (block->len % 3 == 0) {
		struct block *next = malloc(sizeof(*next));

		*next = allocate(block->len + 1);
		__cxa_thread_atexit_impl(at_thread_exit, next, &__dso_handle);
	}
	check_and_free(&other);
	check_and_free(block);
	free(block);
}

static void *register_destructors(void *arg)
{
	size_t number = (size_t)(uintptr_t)arg;

	for (size_t i = 0; i < NR_BLOCKS; i++) {
		struct block *block = malloc(sizeof(*block));

		*block = allocate(some_len(number * NR_BLOCKS + i));
		__cxa_thread_atexit_impl(at_thread_exit, block, &__dso_handle);
	}
	return NULL;
}

static void thread_local_destructors_allocate_and_free(void)
{
	run(NR_THREADS / 4, register_destructors);
}

static void clean_up(void *arg)
{
	check_and_free(arg);
}

static void hold_one(size_t number)
{
	struct block block = allocate(some_len(number));

	pthread_cleanup_push(clean_up, &block);
	sem_post(&ended);
	pthread_testcancel();
	pthread_cleanup_pop(1);
}

static void *allocate_until_cancelled(void *arg)
{
	for (size_t i = (size_t)(uintptr_t)arg;; i++)
		hold_one(i);
	return NULL;
}

static void cancelled_threads_free_what_they_have(void)
{
	struct surefree_stats before;
	struct surefree_stats after;

	sem_init(&ended, 0, 0);
	calls_stats(&before);
	for (uintptr_t i = 0; i < NR_THREADS / 4; i++) {
		pthread_t thread;

		if (!CHECK_EQ(pthread_create(&thread, NULL,
					     allocate_until_cancelled,
					     (void *)i),
			      0))
			return;
		for (uintptr_t j = 0; j < i % 50; j++)
			sem_wait(&ended);
		pthread_cancel(thread);
		pthread_join(thread, NULL);
	}
	calls_trim();
	if (calls_stats(&after))
		CHECK_LE(after.used_len, before.used_len + (1 << 20));
}

/* Every path of malloc() must do with the smallest stack there is. */
static void *use_every_size(void *arg)
{
	void *blocks[40];

	for (size_t len = 1; len < 5000000; len = len * 2 + 3) {
		for (int i = 0; i < 40; i++) {
			blocks[i] = len < 100000 || i < 3 ? malloc(len) : NULL;
			blocks[i] = realloc(blocks[i], len + len / 2);
			if (blocks[i] == NULL)
				return arg;
			memset(blocks[i], 1, 1);
		}
		for (int i = 0; i < 40; i++)
			free(blocks[i]);
	}
	calls_trim();
	return NULL;
}

static void a_small_stack_is_enough(void)
{
	pthread_attr_t attr;
	void *result;

	if (calls_sanitized())
		SKIP("a sanitizer needs more");
	pthread_attr_init(&attr);
	CHECK_EQ(pthread_attr_setstacksize(
			 &attr, (size_t)sysconf(_SC_THREAD_STACK_MIN)),
		 0);
	for (int i = 0; i < 10; i++) {
		pthread_t thread;

		if (!CHECK_EQ(pthread_create(&thread, &attr, use_every_size,
					     &keys),
			      0))
			return;
		pthread_join(thread, &result);
		CHECK(result == NULL);
	}
}

/* main() ends by pthread_exit(); the last thread ends the process. */
static void *outlive_main(void *arg)
{
	pthread_join(*(pthread_t *)arg, NULL);
	for (uintptr_t i = 0; i < 1000; i++)
		leave_blocks((void *)i);
	free_what_is_left();
	exit(test_failed() ? TEST_CHILD_FAILED : 7);
}

static int end_main_first(void *arg)
{
	static pthread_t self;
	pthread_t thread;

	self = pthread_self();
	leave_blocks(arg);
	if (pthread_create(&thread, NULL, outlive_main, &self) != 0)
		return 1;
	pthread_exit(NULL);
}

static void the_main_thread_may_end_first(void)
{
	CHECK_EQ(test_in_child(end_main_first, NULL), 7);
}

static const struct test tests[] = {
	{ "blocks outlive their threads", blocks_outlive_their_threads },
	{ "ended threads cost nothing", ended_threads_cost_nothing },
	{ "detached threads come and go", detached_threads_come_and_go },
	{ "key destructors allocate and free",
	  key_destructors_allocate_and_free },
	{ "thread_local destructors allocate and free",
	  thread_local_destructors_allocate_and_free },
	{ "cancelled threads free what they have",
	  cancelled_threads_free_what_they_have },
	{ "a small stack is enough", a_small_stack_is_enough },
	{ "the main thread may end first", the_main_thread_may_end_first },
};

int main(int argc, char **argv)
{
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
