// SPDX-License-Identifier: MIT
/*
 * A block freed twice, or resized after it was freed, is reported: of any
 * size, at once or later, in any thread, in any function that takes a block.
 *
 * Nothing is allocated between the two calls: a block that was handed out
 * again is a block.
 */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "reported.h"

#define NR_OTHERS 500

static const size_t sizes[] = {
	0,    1,	16,    24,    100,    1000,    4096,	8192,
	8193, 32 << 10, 40000, 65536, 131072, 1 << 20, 1 << 21, 64 << 20,
};

static size_t len;	       /* of the block, the rest of the case too */
static void (*again)(void *p); /* what is done to a freed block */
static void *given;	       /* to a thread */
static pthread_barrier_t barrier;
static void *others[NR_OTHERS];

static void *allocate(void)
{
	char *p = malloc(len);

	if (p == NULL)
		_exit(TEST_CHILD_FAILED);
	memset(p, 1, len);
	return p;
}

static void free_again(void *p)
{
	reported_say("free", p);
	free(calls_hide(p));
}

static void realloc_again(void *p)
{
	reported_say("realloc", p);
	calls_hide(realloc(calls_hide(p), len + 1));
}

static void realloc_larger(void *p)
{
	reported_say("realloc", p);
	calls_hide(realloc(calls_hide(p), 2 * len + 100000));
}

static void realloc_to_nothing(void *p)
{
	reported_say("realloc", p);
	calls_hide(realloc(calls_hide(p), calls_size(0)));
}

static void reallocarray_again(void *p)
{
	reported_say("realloc", p);
	calls_hide(reallocarray(calls_hide(p), len + 1, 2));
}

static void free_sized_again(void *p)
{
	reported_say("free_sized", p);
	calls_free_sized(calls_hide(p), len);
}

static void free_aligned_sized_again(void *p)
{
	reported_say("free_sized", p);
	calls_free_aligned_sized(calls_hide(p), 16, len);
}

static void at_once(void)
{
	void *p = allocate();

	free(p);
	again(calls_hide(p));
}

/* More are freed in between, of its size and of others. */
static void after_others(void)
{
	void *p = NULL;

	for (size_t i = 0; i < NR_OTHERS; i++) {
		others[i] = malloc(i % 2 ? len % (1 << 20) : i);
		if (i == NR_OTHERS / 2)
			p = allocate();
	}
	free(p);
	for (size_t i = 0; i < NR_OTHERS; i++)
		free(others[i]);
	again(calls_hide(p));
}

/* Freed and allocated in turn, so that it is kept to be taken first. */
static void in_turn(void)
{
	void *p = NULL;

	for (int i = 0; i < 4; i++) {
		p = allocate();
		free(p);
	}
	again(calls_hide(p));
}

/* The slab that it was in may be gone. */
static void after_a_trim(void)
{
	void *p = allocate();

	free(p);
	malloc_trim(0);
	again(calls_hide(p));
}

static void of_an_aligned_block(void)
{
	void *p = aligned_alloc(256, len);

	free(p);
	again(calls_hide(p));
}

static void *take_and_misuse(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	again(calls_hide(given));
	return NULL;
}

/* The owner frees, then another thread. */
static void in_another_thread(void)
{
	pthread_t thread;
	void *p = allocate();

	pthread_barrier_init(&barrier, NULL, 2);
	if (pthread_create(&thread, NULL, take_and_misuse, NULL) != 0)
		_exit(TEST_CHILD_FAILED);
	given = calls_hide(p);
	free(p);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

static void *take_and_free(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	free(given);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

/* Another thread frees, then the owner, who has not seen it yet. */
static void after_another_thread(void)
{
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 2);
	if (pthread_create(&thread, NULL, take_and_free, NULL) != 0)
		_exit(TEST_CHILD_FAILED);
	given = allocate();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	again(calls_hide(given));
}

static void *allocate_in_thread(void *arg)
{
	(void)arg;
	given = allocate();
	return NULL;
}

/* The owner is gone. */
static void of_a_thread_that_ended(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, allocate_in_thread, NULL) != 0)
		_exit(TEST_CHILD_FAILED);
	pthread_join(thread, NULL);
	free(given);
	again(calls_hide(given));
}

/* Freed by the parent, and again by the child of its fork. */
static void in_a_forked_child(void)
{
	void *p = allocate();
	int status;
	pid_t pid;

	free(p);
	pid = fork();
	if (pid != 0) {
		waitpid(pid, &status, 0);
		if (WIFSIGNALED(status))
			abort();
		_exit(1);
	}
	again(calls_hide(p));
}

static void every_size(void (*misuse)(void), void (*then)(void *p))
{
	if (test_skipped())
		return;
	if (!calls_surefree())
		SKIP("the C library says it otherwise, or not at all");
	again = then;
	for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
		len = sizes[i];
		reported(misuse);
		if (test_failed()) {
			FAIL("the block had %zu bytes", len);
			return;
		}
	}
}

static void a_free_at_once_is_reported(void)
{
	every_size(at_once, free_again);
}

static void a_free_after_others_is_reported(void)
{
	every_size(after_others, free_again);
}

static void a_free_of_a_kept_block_is_reported(void)
{
	every_size(in_turn, free_again);
}

static void a_free_after_a_trim_is_reported(void)
{
	every_size(after_a_trim, free_again);
}

static void a_free_of_an_aligned_block_is_reported(void)
{
	every_size(of_an_aligned_block, free_again);
}

static void a_free_in_another_thread_is_reported(void)
{
	every_size(in_another_thread, free_again);
}

static void a_free_after_another_thread_is_reported(void)
{
	every_size(after_another_thread, free_again);
}

static void a_free_of_an_ended_threads_block_is_reported(void)
{
	every_size(of_a_thread_that_ended, free_again);
}

static void a_free_in_a_forked_child_is_reported(void)
{
	every_size(in_a_forked_child, free_again);
}

static void a_realloc_is_reported(void)
{
	every_size(at_once, realloc_again);
	every_size(at_once, realloc_larger);
	every_size(after_others, realloc_again);
	every_size(in_turn, realloc_again);
	every_size(after_a_trim, realloc_larger);
	every_size(in_another_thread, realloc_again);
	every_size(after_another_thread, realloc_again);
	every_size(of_a_thread_that_ended, realloc_larger);
}

static void a_realloc_to_nothing_is_reported(void)
{
	every_size(at_once, realloc_to_nothing);
	every_size(after_another_thread, realloc_to_nothing);
}

static void a_reallocarray_is_reported(void)
{
	every_size(at_once, reallocarray_again);
}

static void a_sized_free_is_reported(void)
{
	every_size(at_once, free_sized_again);
	every_size(in_another_thread, free_sized_again);
	every_size(at_once, free_aligned_sized_again);
}

static const struct test tests[] = {
	{ "a free at once is reported", a_free_at_once_is_reported },
	{ "a free after others is reported", a_free_after_others_is_reported },
	{ "a free of a kept block is reported",
	  a_free_of_a_kept_block_is_reported },
	{ "a free after a trim is reported", a_free_after_a_trim_is_reported },
	{ "a free of an aligned block is reported",
	  a_free_of_an_aligned_block_is_reported },
	{ "a free in another thread is reported",
	  a_free_in_another_thread_is_reported },
	{ "a free after another thread is reported",
	  a_free_after_another_thread_is_reported },
	{ "a free of an ended thread's block is reported",
	  a_free_of_an_ended_threads_block_is_reported },
	{ "a free in a forked child is reported",
	  a_free_in_a_forked_child_is_reported },
	{ "a realloc is reported", a_realloc_is_reported },
	{ "a realloc to nothing is reported",
	  a_realloc_to_nothing_is_reported },
	{ "a reallocarray is reported", a_reallocarray_is_reported },
	{ "a sized free is reported", a_sized_free_is_reported },
};

int main(int argc, char **argv)
{
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
