// SPDX-License-Identifier: MIT
/*
 * Allocating before main(), from the earliest function that the loader calls,
 * and to the very end: exit handlers, destructors, threads that do not stop.
 */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "blocks.h"
#include "calls.h"

#define NR_EARLY 600
#define NR_BUSY	 8

static struct block from_preinit[NR_EARLY];
static struct block from_constructor[NR_EARLY];
static struct block from_thread[NR_EARLY];

static void allocate_all(struct block *blocks)
{
	for (size_t i = 0; i < NR_EARLY; i++) {
		size_t len = 1 + i * i / 4;

		blocks[i] = block_fill(malloc(len), len, CALLS_ALIGN);
	}
}

static void free_all(struct block *blocks)
{
	for (size_t i = 0; i < NR_EARLY; i++)
		if (block_check(&blocks[i]))
			free(blocks[i].p);
}

/* Every function once; whether all went well. */
static bool use(void)
{
	char *p = malloc(100);
	char *q = calloc(10, 1000);
	char *r = aligned_alloc(4096, 200000);

	if (p == NULL || q == NULL || r == NULL)
		return false;
	memset(p, 'p', 100);
	memset(r, 'r', 200000);
	p = realloc(p, 300000);
	if (p == NULL || p[99] != 'p' || q[9999] != 0)
		return false;
	free(q);
	free(r);
	free(p);
	return malloc_usable_size(NULL) == 0;
}

/* Before any constructor, of the C library's too. */
static void preinit(int argc, char **argv, char **environment)
{
	(void)argc;
	(void)argv;
	(void)environment;
	allocate_all(from_preinit);
}

__attribute__((section(".preinit_array"),
	       used)) static void (*preinit_entry)(int, char **,
						   char **) = preinit;

static void *allocate_in_thread(void *arg)
{
	allocate_all(from_thread);
	free_all(arg);
	return NULL;
}

/* Frees what preinit() allocated in another thread. */
__attribute__((constructor(101))) static void first_constructor(void)
{
	pthread_t thread;

	allocate_all(from_constructor);
	if (pthread_create(&thread, NULL, allocate_in_thread, from_preinit) !=
	    0)
		abort();
	pthread_join(thread, NULL);
	if (!use())
		abort();
}

static void *from_the_start;

__attribute__((destructor(101))) static void last_destructor(void)
{
	if (!use())
		_exit(99);
	free(from_the_start);
}

static void at_exit_of_exit(void)
{
	if (!use())
		_exit(97);
}

/* Registers one more, for which libc allocates. */
static void at_exit(void)
{
	if (!use() || atexit(at_exit_of_exit) != 0)
		_exit(98);
}

static void constructors_allocate(void)
{
	free_all(from_constructor);
	free_all(from_thread);
	CHECK(use());
}

static int leave_by_exit(void *arg)
{
	from_the_start = malloc(3000);
	for (int i = 0; i < 100; i++)
		if (atexit(at_exit) != 0)
			return 1;
	(void)arg;
	exit(0);
}

static void exit_handlers_and_destructors_allocate(void)
{
	CHECK_EQ(test_in_child(leave_by_exit, NULL), 0);
}

static int leave_by_quick_exit(void *arg)
{
	if (at_quick_exit(at_exit) != 0)
		return 1;
	(void)arg;
	quick_exit(0);
}

static void quick_exit_handlers_allocate(void)
{
	CHECK_EQ(test_in_child(leave_by_quick_exit, NULL), 0);
}

/*
 * Threads that go on while the process exits
 */

static _Atomic(void *) shared[64];
static atomic_int nr_started;

static void *never_stop(void *arg)
{
	struct test_rng rng = test_rng((uintptr_t)arg);

	atomic_fetch_add(&nr_started, 1);
	for (;;) {
		size_t slot = test_rand_below(&rng, 64);
		size_t len = 1 + test_rand_below(&rng, 9000);
		char *p = malloc(len);

		p[0] = 1;
		p[len - 1] = 1;
		free(atomic_exchange(&shared[slot], p));
	}
	return NULL;
}

/* A thread of its own that exits, and is not waited for. */
static void *exit_in_thread(void *arg)
{
	exit(arg != NULL);
}

static int exit_beside_threads(void *arg)
{
	pthread_t thread;

	alarm(60);
	for (uintptr_t i = 0; i < NR_BUSY; i++)
		if (pthread_create(&thread, NULL, never_stop, (void *)i) != 0)
			return 1;
	while (atomic_load(&nr_started) < NR_BUSY)
		free(malloc(1000));
	if (atexit(at_exit) != 0)
		return 1;
	if (arg == NULL)
		exit(0);
	if (pthread_create(&thread, NULL, exit_in_thread, NULL) != 0)
		return 1;
	for (;;)
		free(malloc(300));
}

static void threads_go_on_while_the_process_exits(void)
{
	static int yes;

	for (int i = 0; i < 40; i++) {
		CHECK_EQ(test_in_child(exit_beside_threads, NULL), 0);
		CHECK_EQ(test_in_child(exit_beside_threads, &yes), 0);
	}
}

static const struct test tests[] = {
	{ "constructors allocate", constructors_allocate },
	{ "exit handlers and destructors allocate",
	  exit_handlers_and_destructors_allocate },
	{ "quick_exit handlers allocate", quick_exit_handlers_allocate },
	{ "threads go on while the process exits",
	  threads_go_on_while_the_process_exits },
};

int main(int argc, char **argv)
{
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
