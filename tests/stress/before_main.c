// SPDX-License-Identifier: MIT
/*
 * The library can be used before main(), from the first constructor on, and
 * after exit handlers have run, to the last destructor.
 */
#include "test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "extra.h"
#include "surefree.h"

#define LEN ((size_t)256 << 10)

static char *early; /* mapped by the first constructor */
static struct surefree_stack early_stack;
static int child_status = -1; /* of a child forked by it */

/* Map, touch, release in two pieces; whether all went well. */
static bool use(void)
{
	struct surefree_stack stack;
	char *p = surefree_map(LEN, 0);
	bool right;

	if (p == NULL || surefree_stack_map(LEN, &stack) != 0)
		return false;
	right = p[0] == 0 && p[LEN - 1] == 0;
	memset(p, 1, LEN);
	memset(stack.addr, 2, stack.len);
	surefree_unmap(p, LEN / 2);
	right = right && p[LEN / 2] == 1;
	surefree_unmap(p + LEN / 2, LEN / 2);
	surefree_stack_unmap(&stack);
	return right;
}

__attribute__((constructor(101))) static void first_constructor(void)
{
	pid_t pid;

	early = surefree_map(LEN, 0);
	if (early == NULL || surefree_stack_map(LEN, &early_stack) != 0)
		abort();
	memset(early, 'e', LEN);
	memset(early_stack.addr, 's', LEN);
	pid = fork();
	if (pid == 0)
		_exit(use() && early[0] == 'e' ? 0 : 1);
	if (pid < 0 || waitpid(pid, &child_status, 0) != pid)
		abort();
}

__attribute__((destructor(101))) static void last_destructor(void)
{
	if (!use())
		_exit(99);
}

static void at_exit(void)
{
	if (!use())
		_exit(98);
}

static void what_a_constructor_mapped_is_there(void)
{
	CHECK(extra_is(early, LEN, 'e'));
	CHECK(extra_is(early_stack.addr, LEN, 's'));
	surefree_unmap(early, LEN);
	surefree_stack_unmap(&early_stack);
	CHECK_EQ(extra_stats().used_len, 0);
	CHECK_EQ(extra_stats().nr_regions, 1);
}

static void a_child_of_a_constructor_can_use_it(void)
{
	CHECK_EQ(child_status, 0);
}

static int leave(void *arg)
{
	(void)arg;
	atexit(at_exit);
	exit(0); /* runs handlers and destructors */
}

static void exit_handlers_and_destructors_can_use_it(void)
{
	CHECK_EQ(test_in_child(leave, NULL), 0);
}

static pthread_key_t key;

static void at_thread_exit(void *arg)
{
	CHECK(use());
	surefree_unmap(arg, LEN);
}

static void *thread_main(void *arg)
{
	char *p = surefree_map(LEN, 0);

	(void)arg;
	if (CHECK(p != NULL))
		pthread_setspecific(key, p);
	return NULL;
}

static void a_thread_that_ends_can_use_it(void)
{
	pthread_t thread;
	size_t used = extra_stats().used_len;

	CHECK_EQ(pthread_key_create(&key, at_thread_exit), 0);
	CHECK_EQ(pthread_create(&thread, NULL, thread_main, NULL), 0);
	pthread_join(thread, NULL);
	CHECK_EQ(extra_stats().used_len, used);
}

static const struct test tests[] = {
	{ "what a constructor mapped is there",
	  what_a_constructor_mapped_is_there },
	{ "a child of a constructor can use it",
	  a_child_of_a_constructor_can_use_it },
	{ "exit handlers and destructors can use it",
	  exit_handlers_and_destructors_can_use_it },
	{ "a thread that ends can use it", a_thread_that_ends_can_use_it },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
