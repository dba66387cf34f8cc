/* SPDX-License-Identifier: MIT */
/* Helpers for tests of threads; both forms. */
#ifndef TEST_THREADS_H
#define TEST_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <surefree.h>

/* Whether the drop-in is preloaded. */
bool threads_tested(void);

/* Whether it has guard markers, else the C library makes most stacks. */
bool threads_have_guard(void);

/* Its statistics. */
struct surefree_stats threads_stats(void);

/* The stack that pthread_getattr_np() tells of a thread. */
struct stack {
	char *addr;
	size_t len;
	size_t guard_len;
};
struct stack threads_stack(pthread_t thread);

/* Start a thread; false, and a failed check, when it is refused. */
bool threads_start(pthread_t *thread, const pthread_attr_t *attr,
		   void *(*fn)(void *), void *arg);

/* Wait until a detached thread is known to no kernel. */
void threads_wait_gone(int tid);

/* Take len bytes of stack and touch them all, from the top down. */
char threads_use_stack(size_t len);

#endif
