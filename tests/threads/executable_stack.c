// SPDX-License-Identifier: MIT
/*
 * A program that wants stacks to be executable, as those with trampolines do:
 * so are its threads'.
 */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "threads.h"

/* "ret": what it does is return. */
#if defined(__x86_64__)
static const unsigned char code[] = { 0xc3 };
#else
static const unsigned char code[] = { 0xc0, 0x03, 0x5f, 0xd6 };
#endif

static void *run_on_stack(void *arg)
{
	unsigned char copy[16];
	char *start = (char *)copy;
	void (*fn)(void) = NULL;

	memcpy(copy, code, sizeof(code));
	__builtin___clear_cache(start, start + sizeof(copy));
	memcpy(&fn, &start, sizeof(fn));
	fn();
	return arg;
}

static int run_thread(void *arg)
{
	pthread_t thread;

	(void)arg;
	if (!threads_start(&thread, NULL, run_on_stack, NULL))
		return 1;
	CHECK_EQ(pthread_join(thread, NULL), 0);
	return 0;
}

static void threads_stacks_are_executable(void)
{
	for (int i = 0; i < 3; i++)
		CHECK_EQ(test_in_child(run_thread, NULL), 0);
	CHECK_EQ(run_thread(NULL), 0);
}

static const struct test tests[] = {
	{ "threads' stacks are executable", threads_stacks_are_executable },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
