// SPDX-License-Identifier: MIT
/*
 * However a thread ends and whoever waits for it, it is as programs expect:
 * results, cancellation, cleanup handlers, destructors, and detaching before,
 * while and after it ends.
 */
#include "test.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "threads.h"

#define NR_ROUNDS 300

static sem_t begun;
static sem_t may_end;

static struct timespec soon(clockid_t clock, long ns)
{
	struct timespec time;

	clock_gettime(clock, &time);
	time.tv_nsec += ns;
	time.tv_sec += time.tv_nsec / 1000000000;
	time.tv_nsec %= 1000000000;
	return time;
}

static void *return_arg(void *arg)
{
	return arg;
}

static void *exit_with_arg(void *arg)
{
	pthread_exit(arg);
}

static void *wait_for_end(void *arg)
{
	sem_post(&begun);
	while (sem_wait(&may_end) != 0)
		;
	return arg;
}

static void set_up(void)
{
	sem_init(&begun, 0, 0);
	sem_init(&may_end, 0, 0);
}

/*
 * Joining
 */

static void results_are_had(void)
{
	void *(*const fns[])(void *) = { return_arg, exit_with_arg };
	pthread_t thread;
	void *result;

	for (size_t i = 0; i < NR_ROUNDS; i++) {
		if (!threads_start(&thread, NULL, fns[i % 2], (void *)i))
			return;
		CHECK_EQ(pthread_join(thread, &result), 0);
		CHECK_EQ((size_t)result, i);
	}
}

static void waiting_can_be_tried(void)
{
	pthread_t thread;
	void *result;
	int err;

	set_up();
	for (size_t i = 0; i < NR_ROUNDS; i++) {
		if (!threads_start(&thread, NULL, wait_for_end, (void *)i))
			return;
		CHECK_EQ(pthread_tryjoin_np(thread, &result), EBUSY);
		sem_post(&may_end);
		do {
			err = pthread_tryjoin_np(thread, &result);
			sched_yield();
		} while (err == EBUSY);
		CHECK_EQ(err, 0);
		CHECK_EQ((size_t)result, i);
	}
}

static int join_until(pthread_t thread, void **result, int kind, long ns)
{
	static const clockid_t clocks[] = { CLOCK_REALTIME, CLOCK_REALTIME,
					    CLOCK_MONOTONIC };
	struct timespec until = soon(clocks[kind], ns);

	return kind == 0 ? pthread_timedjoin_np(thread, result, &until) :
			   pthread_clockjoin_np(thread, result, clocks[kind],
						&until);
}

static void waiting_ends_in_time(void)
{
	pthread_t thread;
	void *result;

	set_up();
	for (size_t i = 0; i < 60; i++) {
		int kind = (int)(i % 3);

		if (!threads_start(&thread, NULL, wait_for_end, (void *)i))
			return;
		CHECK_EQ(join_until(thread, &result, kind, 1000000), ETIMEDOUT);
		sem_post(&may_end);
		CHECK_EQ(join_until(thread, &result, kind, 999999999), 0);
		CHECK_EQ((size_t)result, i);
	}
}

static void *join_and_return(void *arg)
{
	void *result;

	CHECK_EQ(pthread_join(*(pthread_t *)arg, &result), 0);
	return result;
}

/* Whoever knows a thread may join it, before its creator goes on, too. */
static void any_thread_may_join(void)
{
	pthread_t first;
	pthread_t second;
	void *result;

	for (size_t i = 0; i < NR_ROUNDS; i++) {
		if (!threads_start(&first, NULL, return_arg, (void *)i) ||
		    !threads_start(&second, NULL, join_and_return, &first))
			return;
		CHECK_EQ(pthread_join(second, &result), 0);
		CHECK_EQ((size_t)result, i);
	}
}

static void wrong_joins_are_refused(void)
{
	pthread_t thread;

	set_up();
	CHECK_EQ(pthread_join(pthread_self(), NULL), EDEADLK);
	if (!threads_start(&thread, NULL, wait_for_end, NULL))
		return;
	CHECK_EQ(pthread_detach(thread), 0);
	CHECK_EQ(pthread_join(thread, NULL), EINVAL);
	CHECK_EQ(pthread_tryjoin_np(thread, NULL) == 0, 0);
	CHECK_EQ(pthread_detach(thread), EINVAL);
	sem_post(&may_end);
}

/*
 * Detaching
 */

static _Atomic int nr_done;
static _Atomic int last_tid;

static void *count_and_end(void *arg)
{
	last_tid = gettid();
	nr_done++;
	return arg;
}

static void *detach_and_end(void *arg)
{
	CHECK_EQ(pthread_detach(pthread_self()), 0);
	return count_and_end(arg);
}

static void await_end(int nr)
{
	while (nr_done < nr)
		sched_yield();
	threads_wait_gone(last_tid);
}

static void threads_can_be_detached_at_any_time(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < NR_ROUNDS; i++) {
		int nr = nr_done + 1;
		bool ok = true;

		switch (i % 4) {
		case 0: /* from birth */
			ok = threads_start(&thread, &attr, count_and_end, NULL);
			break;
		case 1: /* by itself */
			ok = threads_start(&thread, NULL, detach_and_end, NULL);
			break;
		case 2: /* while it may be ending */
			ok = threads_start(&thread, NULL, count_and_end, NULL);
			CHECK_EQ(pthread_detach(thread), 0);
			break;
		case 3: /* when it is gone */
			ok = threads_start(&thread, NULL, count_and_end, NULL);
			await_end(nr);
			CHECK_EQ(pthread_detach(thread), 0);
			break;
		}
		if (!ok)
			return;
		await_end(nr);
	}
}

/*
 * Ending
 */

static _Atomic int nr_cleaned;

static void clean_up(void *arg)
{
	(void)arg;
	nr_cleaned++;
}

static void *wait_for_cancel(void *arg)
{
	pthread_cleanup_push(clean_up, NULL);
	if (arg != NULL)
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	sem_post(&begun);
	for (;;)
		if (arg == NULL)
			pause();
	pthread_cleanup_pop(0);
}

static void threads_can_be_cancelled(void)
{
	pthread_t thread;
	void *result;

	set_up();
	for (size_t i = 0; i < NR_ROUNDS; i++) {
		int before = nr_cleaned;

		if (!threads_start(&thread, NULL, wait_for_cancel,
				   (void *)(i % 2)))
			return;
		/* Some before they have begun. */
		if (i % 3 != 0 || i % 2 != 0)
			sem_wait(&begun);
		CHECK_EQ(pthread_cancel(thread), 0);
		CHECK_EQ(pthread_join(thread, &result), 0);
		CHECK_EQ(result, PTHREAD_CANCELED);
		CHECK_EQ(nr_cleaned, before + 1);
		while (sem_trywait(&begun) == 0)
			;
	}
}

static void *join_for_ever(void *arg)
{
	sem_post(&begun);
	pthread_join(*(pthread_t *)arg, NULL);
	return NULL;
}

/* The thread waited for can be waited for again. */
static void waiting_can_be_cancelled(void)
{
	pthread_t thread;
	pthread_t waiter;
	void *result;

	for (int i = 0; i < 30; i++) {
		set_up();
		if (!threads_start(&thread, NULL, wait_for_end, &nr_done) ||
		    !threads_start(&waiter, NULL, join_for_ever, &thread))
			return;
		sem_wait(&begun);
		sem_wait(&begun);
		CHECK_EQ(pthread_cancel(waiter), 0);
		CHECK_EQ(pthread_join(waiter, &result), 0);
		CHECK_EQ(result, PTHREAD_CANCELED);
		sem_post(&may_end);
		CHECK_EQ(pthread_join(thread, &result), 0);
		CHECK_EQ(result, (void *)&nr_done);
	}
}

/* Destructors of keys and of thread_local objects, with deep stacks. */
static pthread_key_t key;
static _Atomic int nr_destroyed;

static void destroy_key(void *arg)
{
	size_t left = (size_t)arg;

	CHECK_EQ(threads_use_stack(100000), 1);
	nr_destroyed++;
	if (left > 1)
		pthread_setspecific(key, (void *)(left - 1));
}

/* Of glibc, for the destructors of C++'s thread_local objects. */
int __cxa_thread_atexit_impl(void (*fn)(void *arg), void *arg, void *dso);
extern void *__dso_handle;

static void destroy_object(void *arg)
{
	CHECK_EQ(threads_use_stack(200000), 1);
	CHECK_EQ(pthread_getspecific(key), arg);
	nr_destroyed++;
}

static void *set_destructors(void *arg)
{
	pthread_setspecific(key, arg);
	__cxa_thread_atexit_impl(destroy_object, arg, &__dso_handle);
	if ((size_t)arg % 2 == 0)
		pthread_exit(NULL);
	return NULL;
}

static void destructors_are_called(void)
{
	pthread_t thread;

	CHECK_EQ(pthread_key_create(&key, destroy_key), 0);
	for (size_t i = 0; i < NR_ROUNDS; i++) {
		size_t nr = i % 4 + 1;

		nr_destroyed = 0;
		if (!threads_start(&thread, NULL, set_destructors, (void *)nr))
			return;
		CHECK_EQ(pthread_join(thread, NULL), 0);
		CHECK_EQ(nr_destroyed, nr + 1);
	}
}

/* Objects of a module that is large and not all zeros are as they should. */
static _Thread_local char pattern[5000] = "initial";
static _Thread_local char zeros[5000];

static void *use_locals(void *arg)
{
	CHECK_STR(pattern, "initial");
	for (size_t i = 0; i < sizeof(zeros); i++)
		if (zeros[i] != 0 || (i > 7 && pattern[i] != 0))
			FAIL("thread-local memory is not as it should be");
	for (size_t i = 0; i < sizeof(zeros); i++)
		zeros[i] = pattern[i] = 'x';
	return arg;
}

static void thread_local_objects_are_fresh(void)
{
	pthread_t many[20];

	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 20; i++)
			if (!threads_start(&many[i], NULL, use_locals, NULL))
				return;
		for (int i = 0; i < 20; i++)
			pthread_join(many[i], NULL);
	}
}

/* main() ends by pthread_exit(), and others by the end of the process. */
static void *outlive_main(void *arg)
{
	pthread_t thread;

	CHECK_EQ(pthread_join(*(pthread_t *)arg, NULL), 0);
	for (int i = 0; i < 20; i++)
		if (threads_start(&thread, NULL, return_arg, NULL))
			pthread_join(thread, NULL);
	exit(test_failed() ? TEST_CHILD_FAILED : 7);
}

static int end_main_first(void *arg)
{
	static pthread_t self;
	pthread_t thread;

	self = pthread_self();
	if (pthread_create(&thread, NULL, outlive_main, &self) != 0)
		return 1;
	pthread_exit(arg);
}

static int end_the_process(void *arg)
{
	pthread_t thread;

	set_up();
	for (int i = 0; i < 10; i++)
		if (pthread_create(&thread, NULL, wait_for_end, arg) != 0)
			return 1;
	exit(8);
}

static void *end_last(void *arg)
{
	pthread_detach(pthread_self());
	return arg;
}

static int end_all(void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, end_last, arg) != 0)
		return 1;
	pthread_exit(NULL);
}

static void the_process_ends_as_it_should(void)
{
	CHECK_EQ(test_in_child(end_main_first, NULL), 7);
	CHECK_EQ(test_in_child(end_the_process, NULL), 8);
	CHECK_EQ(test_in_child(end_all, NULL), 0);
}

static const struct test tests[] = {
	{ "results are had", results_are_had },
	{ "waiting can be tried", waiting_can_be_tried },
	{ "waiting ends in time", waiting_ends_in_time },
	{ "any thread may join", any_thread_may_join },
	{ "wrong joins are refused", wrong_joins_are_refused },
	{ "threads can be detached at any time",
	  threads_can_be_detached_at_any_time },
	{ "threads can be cancelled", threads_can_be_cancelled },
	{ "waiting can be cancelled", waiting_can_be_cancelled },
	{ "destructors are called", destructors_are_called },
	{ "thread-local objects are fresh", thread_local_objects_are_fresh },
	{ "the process ends as it should", the_process_ends_as_it_should },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
