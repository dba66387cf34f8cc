// SPDX-License-Identifier: MIT
/* Helpers for tests of threads, see threads.h. */
#include "threads.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"

bool threads_tested(void)
{
	return getenv("THREADS_TESTED") != NULL;
}

bool threads_have_guard(void)
{
	const char *options = getenv("SUREFREE_OPTIONS");

	return test_has_guard() &&
	       (options == NULL || strstr(options, "trap=off") == NULL);
}

struct surefree_stats threads_stats(void)
{
	struct surefree_stats stats = { .size = sizeof(stats) };
	int (*fn)(struct surefree_stats *) = NULL;
	void *symbol = dlsym(RTLD_DEFAULT, "surefree_stats");

	memcpy(&fn, &symbol, sizeof(fn));
	if (CHECK(fn != NULL))
		CHECK_EQ(fn(&stats), 0);
	return stats;
}

struct stack threads_stack(pthread_t thread)
{
	struct stack stack = { 0 };
	pthread_attr_t attr;
	void *addr = NULL;

	if (!CHECK_EQ(pthread_getattr_np(thread, &attr), 0))
		return stack;
	CHECK_EQ(pthread_attr_getstack(&attr, &addr, &stack.len), 0);
	CHECK_EQ(pthread_attr_getguardsize(&attr, &stack.guard_len), 0);
	pthread_attr_destroy(&attr);
	stack.addr = addr;
	return stack;
}

bool threads_start(pthread_t *thread, const pthread_attr_t *attr,
		   void *(*fn)(void *), void *arg)
{
	return CHECK_EQ(pthread_create(thread, attr, fn, arg), 0);
}

void threads_wait_gone(int tid)
{
	while (syscall(SYS_tgkill, getpid(), tid, 0) == 0)
		sched_yield();
	CHECK_EQ(errno, ESRCH);
}

char __attribute__((noinline)) threads_use_stack(size_t len)
{
	volatile char *bytes = __builtin_alloca(len);

	for (size_t i = len; i > 0; i -= i < 1024 ? i : 1024)
		bytes[i - 1] = 1;
	return bytes[len - 1];
}
