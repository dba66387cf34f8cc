// SPDX-License-Identifier: MIT
/*
 * A forked child makes threads, joins them and forks again, whichever thread
 * of the parent forked; and it still finds what was on the others' stacks.
 */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "threads.h"

#define NR_OTHERS  12
#define NR_ROUNDS  40
#define NR_HANDLED 2000
#define PATIENCE   100 /* seconds; for a machine that is busy */

static pthread_t others[NR_OTHERS];
static sem_t may_end;

static void *return_arg(void *arg)
{
	threads_use_stack(30000);
	return arg;
}

static void *wait_for_end(void *arg)
{
	while (sem_wait(&may_end) != 0)
		;
	return arg;
}

static void start_others(void)
{
	sem_init(&may_end, 0, 0);
	for (int i = 0; i < NR_OTHERS; i++)
		threads_start(&others[i], NULL, wait_for_end, NULL);
}

static void end_others(void)
{
	for (int i = 0; i < NR_OTHERS; i++)
		sem_post(&may_end);
	for (int i = 0; i < NR_OTHERS; i++)
		CHECK_EQ(pthread_join(others[i], NULL), 0);
}

static void make_threads(int nr)
{
	pthread_t threads[NR_ROUNDS];

	for (int i = 0; i < nr; i++)
		if (!threads_start(&threads[i], NULL, return_arg, NULL))
			return;
	for (int i = 0; i < nr; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

static int fork_generations(void *arg)
{
	size_t generations = (size_t)arg;

	make_threads(NR_ROUNDS);
	if (generations > 0)
		CHECK_EQ(test_in_child(fork_generations,
				       (void *)(generations - 1)),
			 0);
	make_threads(NR_ROUNDS);
	return 0;
}

static void *fork_in_thread(void *arg)
{
	CHECK_EQ(test_in_child(fork_generations, arg), 0);
	make_threads(NR_ROUNDS);
	return NULL;
}

static void children_make_threads(void)
{
	pthread_t thread;

	start_others();
	CHECK_EQ(test_in_child(fork_generations, (void *)3), 0);
	if (threads_start(&thread, NULL, fork_in_thread, (void *)3))
		CHECK_EQ(pthread_join(thread, NULL), 0);
	end_others();
}

/* A thread that is ending may fork as well, when its own end was noted. */
static pthread_key_t key;

static void fork_at_end(void *arg)
{
	size_t rounds_left = (size_t)arg;

	if (rounds_left > 1) {
		pthread_setspecific(key, (void *)(rounds_left - 1));
		return;
	}
	CHECK_EQ(test_in_child(fork_generations, (void *)1), 0);
	sem_post(&may_end);
}

static void *set_key(void *arg)
{
	pthread_setspecific(key, arg);
	return NULL;
}

static void a_thread_may_fork_at_its_end(void)
{
	pthread_t thread;

	sem_init(&may_end, 0, 0);
	CHECK_EQ(pthread_key_create(&key, fork_at_end), 0);
	for (size_t rounds = 1; rounds <= 4; rounds++) {
		if (!threads_start(&thread, NULL, set_key, (void *)rounds))
			return;
		CHECK_EQ(pthread_detach(thread), 0);
		while (sem_wait(&may_end) != 0)
			;
	}
	make_threads(NR_ROUNDS);
}

/* In the child the one thread is as it was: joinable, with its stack. */
static pthread_t forker;

static void *join_forker(void *arg)
{
	void *result;

	(void)arg;
	CHECK_EQ(pthread_join(forker, &result), 0);
	CHECK_EQ(result, (void *)&forker);
	make_threads(4);
	_exit(test_failed() ? TEST_CHILD_FAILED : 9);
}

static void *fork_and_end(void *arg)
{
	struct stack before = threads_stack(pthread_self());
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct stack after = threads_stack(pthread_self());
		pthread_t thread;

		CHECK_EQ(memcmp(&before, &after, sizeof(before)), 0);
		if (!threads_start(&thread, NULL, join_forker, NULL))
			_exit(1);
		return &forker;
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 9);
	return arg;
}

static void the_thread_that_forked_can_be_joined(void)
{
	start_others();
	for (int i = 0; i < 5; i++)
		if (threads_start(&forker, NULL, fork_and_end, NULL))
			CHECK_EQ(pthread_join(forker, NULL), 0);
	end_others();
}

/* A thread lends what is on its stack to one that forks. */
struct job {
	char text[3000];
	char *lent;
};

static int read_lent(void *arg)
{
	struct job *job = arg;

	for (size_t i = 0; i < sizeof(job->text); i++)
		CHECK_EQ(job->text[i], 'j');
	CHECK_STR(job->lent, "lent");
	return 0;
}

static void *fork_for(void *arg)
{
	CHECK_EQ(test_in_child(read_lent, arg), 0);
	return NULL;
}

static void *lend(void *arg)
{
	char lent[] = "lent";
	struct job job = { .lent = lent };
	pthread_t thread;

	memset(job.text, 'j', sizeof(job.text));
	if (threads_start(&thread, NULL, fork_for, &job))
		CHECK_EQ(pthread_join(thread, NULL), 0);
	return arg;
}

static void a_child_finds_what_was_on_others_stacks(void)
{
	pthread_t thread;

	start_others();
	if (threads_start(&thread, NULL, lend, NULL))
		CHECK_EQ(pthread_join(thread, NULL), 0);
	end_others();
}

/* Handlers that end and make threads, registered after the drop-in's. */
static pthread_t worker;
static bool has_worker;

static void stop_worker(void)
{
	sem_post(&may_end);
	CHECK_EQ(pthread_join(worker, NULL), 0);
}

static void start_worker(void)
{
	has_worker = threads_start(&worker, NULL, wait_for_end, NULL);
}

static int has_worker_too(void *arg)
{
	(void)arg;
	CHECK(has_worker);
	stop_worker();
	start_worker();
	return 0;
}

static void handlers_may_end_and_make_threads(void)
{
	sem_init(&may_end, 0, 0);
	start_worker();
	pthread_atfork(stop_worker, start_worker, start_worker);
	for (int i = 0; i < 20; i++)
		CHECK_EQ(test_in_child(has_worker_too, NULL), 0);
}

/* Threads come and go while others fork. */
static _Atomic bool is_over;

static void *make_until_over(void *arg)
{
	while (!is_over)
		make_threads(3);
	return arg;
}

static int make_some(void *arg)
{
	(void)arg;
	make_threads(10);
	return 0;
}

static void *fork_many(void *arg)
{
	for (int i = 0; i < NR_ROUNDS; i++)
		CHECK_EQ(test_in_child(make_some, NULL), 0);
	return arg;
}

static void forks_and_threads_do_not_mind_each_other(void)
{
	pthread_t makers[3];
	pthread_t forkers[2];

	for (int i = 0; i < 3; i++)
		threads_start(&makers[i], NULL, make_until_over, NULL);
	for (int i = 0; i < 2; i++)
		threads_start(&forkers[i], NULL, fork_many, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(forkers[i], NULL);
	is_over = true;
	for (int i = 0; i < 3; i++)
		pthread_join(makers[i], NULL);
}

/* As POSIX has it, fork() may be called in a signal handler. */
static atomic_long nr_handled;
static timer_t timer;

/* The program does a little until the next signal, not always the same. */
static bool start_timer(void)
{
	struct itimerspec once = { .it_value = { 0, 20000 + nr_handled % 64 *
								    4000 } };

	return CHECK_OK(timer_settime(timer, 0, &once, NULL));
}

static void fork_in_handler(int sig)
{
	int err = errno;
	int status = -1;
	pid_t pid = fork();

	(void)sig;
	if (pid == 0)
		_exit(9);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	CHECK_EQ(WEXITSTATUS(status), 9);
	atomic_fetch_add(&nr_handled, 1);
	start_timer();
	errno = err;
}

static bool handle_signals(void)
{
	struct sigaction action = { .sa_handler = fork_in_handler,
				    .sa_flags = SA_RESTART };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGUSR1 };

	return CHECK_OK(sigaction(SIGUSR1, &action, NULL)) &&
	       CHECK_OK(timer_create(CLOCK_MONOTONIC, &event, &timer)) &&
	       start_timer();
}

static int make_while_handlers_fork(void *arg)
{
	(void)arg;
	/* Ends a child that stands still. */
	alarm(PATIENCE);
	if (!handle_signals())
		return 1;
	while (atomic_load(&nr_handled) < NR_HANDLED && !test_failed())
		make_threads(1);
	return 0;
}

static void a_handler_forks_while_threads_are_made(void)
{
	if (!threads_tested() || !threads_have_guard())
		SKIP("the C library stands still where it makes stacks");
	CHECK_EQ(test_in_child(make_while_handlers_fork, NULL), 0);
}

static const struct test tests[] = {
	{ "children make threads", children_make_threads },
	{ "a thread may fork at its end", a_thread_may_fork_at_its_end },
	{ "the thread that forked can be joined",
	  the_thread_that_forked_can_be_joined },
	{ "a child finds what was on others' stacks",
	  a_child_finds_what_was_on_others_stacks },
	{ "handlers may end and make threads",
	  handlers_may_end_and_make_threads },
	{ "a signal handler forks while threads are made",
	  a_handler_forks_while_threads_are_made },
	{ "forks and threads do not mind each other",
	  forks_and_threads_do_not_mind_each_other },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
