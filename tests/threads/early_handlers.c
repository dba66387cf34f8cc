// SPDX-License-Identifier: MIT
/*
 * Handlers around fork() that a library of the program registered before the
 * drop-in was initialised may end threads and make them, as later ones may.
 */
#include "test.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "early.h"
#include "threads.h"

#define NR_FORKS 20

/* A handler that waits for what can't come waits for ever. */
static void begin(void)
{
	alarm(60);
}

static int fork_again(void *arg)
{
	size_t generations = (size_t)arg;

	if (generations > 0)
		CHECK_EQ(test_in_child(fork_again, (void *)(generations - 1)),
			 0);
	early_stop();
	return 0;
}

static void they_may_end_and_make_threads(void)
{
	begin();
	CHECK(early_start());
	for (int i = 0; i < NR_FORKS; i++)
		CHECK_EQ(test_in_child(fork_again, (void *)2), 0);
	CHECK_EQ(early_stop(), NR_FORKS + 1);
}

static _Atomic bool is_over;

static void *allocate_until_over(void *arg)
{
	while (!is_over)
		free(malloc(1000));
	return arg;
}

static void they_may_while_others_work(void)
{
	pthread_t others[3];

	begin();
	for (int i = 0; i < 3; i++)
		if (!threads_start(&others[i], NULL, allocate_until_over, NULL))
			return;
	they_may_end_and_make_threads();
	is_over = true;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(others[i], NULL), 0);
}

static const struct test tests[] = {
	{ "they may end and make threads", they_may_end_and_make_threads },
	{ "they may while others work", they_may_while_others_work },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
