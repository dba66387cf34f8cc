// SPDX-License-Identifier: MIT
/* After mlockall(MCL_FUTURE) stacks are resident, with all of their guard. */
#include "test.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include "threads.h"

#define STACK_LEN ((size_t)1 << 20)
#define NR_GUARDS 4

static void *look(void *arg)
{
	struct stack stack = threads_stack(pthread_self());
	size_t page = test_page();

	CHECK_EQ(stack.guard_len, NR_GUARDS * page);
	/* The page beside the guard may be left out. */
	CHECK_GE(test_resident(stack.addr, stack.len), stack.len - page);
	for (size_t i = 1; i <= NR_GUARDS; i++)
		CHECK_NE(test_touches(stack.addr - i * page), 0);
	if (threads_tested())
		/* The library made it. */
		CHECK_GE(threads_stats().used_len, *(size_t *)arg + STACK_LEN);
	return NULL;
}

static void stacks_are_locked_behind_their_guard(void)
{
	struct rlimit limit;
	pthread_attr_t attr;
	pthread_t thread;
	size_t used_len = 0;

	CHECK_OK(getrlimit(RLIMIT_MEMLOCK, &limit));
	if (limit.rlim_cur < 4 * STACK_LEN)
		SKIP("RLIMIT_MEMLOCK is %zu KiB", (size_t)limit.rlim_cur >> 10);
	if (threads_tested() && !threads_have_guard())
		SKIP("the C library makes these stacks");
	CHECK_EQ(pthread_attr_init(&attr), 0);
	CHECK_EQ(pthread_attr_setstacksize(&attr, STACK_LEN), 0);
	CHECK_EQ(pthread_attr_setguardsize(&attr, NR_GUARDS * test_page()), 0);
	if (!CHECK_OK(mlockall(MCL_FUTURE)))
		return;
	if (threads_tested())
		used_len = threads_stats().used_len;
	if (threads_start(&thread, &attr, look, &used_len))
		CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_OK(munlockall());
	pthread_attr_destroy(&attr);
}

static const struct test tests[] = {
	{ "stacks are locked behind their guard",
	  stacks_are_locked_behind_their_guard },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
