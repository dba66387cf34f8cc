// SPDX-License-Identifier: MIT
/* When the C library makes the stack after all: by the option, and by need. */
#include "test.h"

#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "threads.h"

#define STACK_LEN  ((size_t)8 << 20)
#define LOCKED_LEN ((size_t)1 << 20)

static void *return_arg(void *arg)
{
	return arg;
}

static sem_t may_end;

static void *wait_for_end(void *arg)
{
	while (sem_wait(&may_end) != 0)
		;
	return arg;
}

static pthread_attr_t attr;

static size_t stack_used(void)
{
	size_t before = threads_stats().used_len;
	pthread_t thread;
	size_t after;

	if (!threads_start(&thread, &attr, return_arg, NULL))
		return 0;
	after = threads_stats().used_len;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	return after - before;
}

static void it_does_nothing_when_switched_off(void)
{
	const char *options = getenv("SUREFREE_OPTIONS");

	if (options == NULL || strstr(options, "threads=off") == NULL) {
		setenv("SUREFREE_OPTIONS", "threads=off", 1);
		execl("/proc/self/exe", "self", "switched off", NULL);
		FAIL("cannot execute");
	}
	pthread_attr_init(&attr);
	for (int i = 0; i < 10; i++)
		CHECK_LT(stack_used(), STACK_LEN);
}

static void it_is_on_by_default(void)
{
	pthread_attr_init(&attr);
	if (!threads_have_guard())
		pthread_attr_setguardsize(&attr, 0);
	CHECK_GE(stack_used(), STACK_LEN);
}

static void huge_stacks_are_not_ours(void)
{
	pthread_attr_init(&attr);
	CHECK_EQ(pthread_attr_setstacksize(&attr, (size_t)2 << 30), 0);
	CHECK_LT(stack_used(), STACK_LEN);
}

/* Where no region holds more, the C library's memory may. */
static void it_makes_do_with_little_address_space(void)
{
	struct rlimit limit = { (rlim_t)1 << 40, (rlim_t)1 << 40 };
	pthread_t threads[8];

	if (!CHECK_OK(setrlimit(RLIMIT_AS, &limit)))
		return;
	pthread_attr_init(&attr);
	for (int i = 0; i < 8; i++)
		threads_start(&threads[i], &attr, return_arg, NULL);
	for (int i = 0; i < 8; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

/* Whoever makes the stack, which is what such programs want. */
static void stacks_are_resident_where_memory_is_locked_ahead(void)
{
	struct stack stack;
	pthread_t thread;

	/* Within what an ordinary user may lock. */
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, LOCKED_LEN);
	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		SKIP("cannot lock memory");
	if (!threads_start(&thread, &attr, wait_for_end, NULL))
		return;
	stack = threads_stack(thread);
	CHECK_EQ(test_resident(stack.addr, stack.len), stack.len);
	sem_post(&may_end);
	pthread_join(thread, NULL);
}

static const struct test tests[] = {
	{ "it does nothing when switched off",
	  it_does_nothing_when_switched_off },
	{ "it is on by default", it_is_on_by_default },
	{ "huge stacks are not ours", huge_stacks_are_not_ours },
	{ "stacks are resident where memory is locked ahead",
	  stacks_are_resident_where_memory_is_locked_ahead },
	{ "it makes do with little address space",
	  it_makes_do_with_little_address_space },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
