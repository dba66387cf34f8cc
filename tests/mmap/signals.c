// SPDX-License-Identifier: MIT
/*
 * The calls made by a signal handler, that interrupts the same calls at any
 * place. A child does it, which SIGALRM ends when it stands still.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"
#include "pages.h"
#include "test.h"

#define RW	   (PROT_READ | PROT_WRITE)
#define NR_SIGNALS 3000
#define PATIENCE   100 /* seconds; for a machine that is busy */
#define NR_THREADS 2

static atomic_long nr_signals;
static atomic_int nr_wrong;
static void (*calls)(size_t i); /* what is done inside and outside */

static void wrong(void)
{
	atomic_fetch_add(&nr_wrong, 1);
}

static char *map(size_t len)
{
	char *p = mmap(NULL, len, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		wrong();
	else if (p[0] != 0 || p[len - 1] != 0)
		wrong();
	return p;
}

static void map_and_unmap(size_t i)
{
	size_t page = test_page();
	size_t nr = 2 + i % 7;
	char *p = map(nr * page);

	memset(p, 'a', nr * page);
	if (munmap(p + page, page) != 0 || *p != 'a' ||
	    munmap(p, nr * page) != 0)
		wrong();
}

static void use_all_calls(size_t i)
{
	size_t page = test_page();
	char *p = map(8 * page);
	char *q;

	if (mprotect(p, page, PROT_NONE) != 0)
		wrong();
	memset(p + page, 'a', 7 * page);
	if (mprotect(p + 2 * page, page, PROT_READ) != 0 ||
	    madvise(p + 3 * page, page, MADV_DONTNEED) != 0 ||
	    p[3 * page] != 0 || p[2 * page] != 'a')
		wrong();
	if (i % 4 == 0 && madvise(p + 4 * page, page, MADV_DONTFORK) != 0)
		wrong();
	if (i % 4 == 1 && mlock(p + 4 * page, page) != 0)
		wrong();
	if (mprotect(p, 8 * page, RW) != 0)
		wrong();
	if (i % 4 == 2 &&
	    mmap(p + page, page, PROT_READ,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != p + page)
		wrong();
	q = mremap(p + 5 * page, 3 * page, 6 * page, MREMAP_MAYMOVE);
	if (q == MAP_FAILED || q[0] != 'a' || q[5 * page] != 0 ||
	    munmap(q, 6 * page) != 0 || munmap(p, 5 * page) != 0)
		wrong();
}

static void on_signal(int sig)
{
	int err = errno;
	long nr = atomic_fetch_add(&nr_signals, 1);

	(void)sig;
	calls((size_t)nr);
	errno = err;
}

/* Signals to this process, every so often. */
static bool start_timer(long nanoseconds)
{
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_RESTART };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGUSR1 };
	struct itimerspec every = { .it_interval = { 0, nanoseconds },
				    .it_value = { 0, nanoseconds } };
	timer_t timer;

	return sigaction(SIGUSR1, &action, NULL) == 0 &&
	       timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 &&
	       timer_settime(timer, 0, &every, NULL) == 0;
}

static void *run_calls(void *arg)
{
	for (size_t i = 0; atomic_load(&nr_signals) < NR_SIGNALS; i++)
		calls(i);
	return arg;
}

static int interrupt(void *arg)
{
	pthread_t threads[NR_THREADS];
	int nr_threads = *(int *)arg;

	alarm(PATIENCE);
	for (int i = 0; i < nr_threads; i++)
		if (pthread_create(&threads[i], NULL, run_calls, NULL) != 0)
			return 1;
	if (!start_timer(200000))
		return 2;
	run_calls(NULL);
	for (int i = 0; i < nr_threads; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(atomic_load(&nr_wrong), 0);
	return 0;
}

static void check_interrupted(void (*fn)(size_t i), int nr_threads)
{
	calls = fn;
	CHECK_EQ(test_in_child(interrupt, &nr_threads), 0);
}

static void a_handler_maps(void)
{
	check_interrupted(map_and_unmap, 0);
}

static void a_handler_uses_all_calls(void)
{
	check_interrupted(use_all_calls, 0);
}

static void handlers_of_threads_use_all_calls(void)
{
	check_interrupted(use_all_calls, NR_THREADS);
}

/* What interrupts is fork() and malloc(), too. */
static void fork_and_allocate(size_t i)
{
	static atomic_flag busy = ATOMIC_FLAG_INIT;
	bool mine = !atomic_flag_test_and_set(&busy);

	if (mine) { /* outside of the handler, or the first that is here */
		void *p = malloc(100000 + i % 64 * 5000);
		pid_t pid = i % 16 == 0 ? fork() : -1;

		if (pid == 0) {
			map_and_unmap(i);
			_exit(0);
		}
		free(p);
		atomic_flag_clear(&busy);
	}
	map_and_unmap(i);
}

static int interrupt_fork(void *arg)
{
	signal(SIGCHLD, SIG_IGN); /* children are not waited for */
	return interrupt(arg);
}

static void a_handler_maps_while_the_program_forks(void)
{
	int nr_threads = 0;

	calls = fork_and_allocate;
	CHECK_EQ(test_in_child(interrupt_fork, &nr_threads), 0);
}

static void calls_leave_the_mask_alone(void)
{
	sigset_t before;
	sigset_t after;

	sigemptyset(&before);
	sigaddset(&before, SIGUSR2);
	CHECK_OK(sigprocmask(SIG_SETMASK, &before, NULL));
	for (size_t i = 0; i < 8; i++) {
		map_and_unmap(i);
		use_all_calls(i);
		CHECK_ERRNO(munmap((char *)1, 1), EINVAL);
		CHECK_OK(sigprocmask(SIG_BLOCK, NULL, &after));
		for (int sig = 1; sig < 32; sig++)
			CHECK_EQ(sigismember(&after, sig), sig == SIGUSR2);
	}
	CHECK_EQ(atomic_load(&nr_wrong), 0);
}

static const struct test tests[] = {
	{ "a signal handler maps and unmaps", a_handler_maps },
	{ "a signal handler uses all calls", a_handler_uses_all_calls },
	{ "signal handlers of several threads use all calls",
	  handlers_of_threads_use_all_calls },
	{ "a signal handler maps while the program forks and allocates",
	  a_handler_maps_while_the_program_forks },
	{ "calls leave the mask of signals alone", calls_leave_the_mask_alone },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
