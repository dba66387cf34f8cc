// SPDX-License-Identifier: MIT
/*
 * Signal handlers fork, whatever they interrupt: also malloc() with locks held.
 * The child of a single thread returns from the handler and goes on with what
 * was interrupted; that of one among several does what POSIX allows there.
 */
#include "test.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "calls.h"
#include "operations.h"

#define NR_THREADS   3
#define NR_FORKS     400
#define NR_FORKS_ALL 400
#define NR_OPS_CHILD 60
#define PATIENCE     100 /* seconds; for a machine that is busy */

static timer_t timer;
static volatile sig_atomic_t is_child;
static atomic_long nr_forks;
static atomic_bool is_over;

/* The program does a little until the next signal, not always the same. */
static void start_timer(void)
{
	long number = atomic_load(&nr_forks);
	struct itimerspec once = {
		.it_value = { 0, 20000 + number % 97 * 3000 },
	};

	if (!is_over)
		CHECK_OK(timer_settime(timer, 0, &once, NULL));
}

static void check_child(pid_t pid)
{
	int status = -1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		FAIL("a child was ended by signal %d", WTERMSIG(status));
	else
		CHECK_EQ(WEXITSTATUS(status), 0);
}

static void fork_and_go_on(int number)
{
	int err = errno;
	pid_t pid = fork();

	(void)number;
	if (pid == 0) {
		/* Ends one that stands still. */
		alarm(PATIENCE);
		is_child = 1;
	} else {
		check_child(pid);
		atomic_fetch_add(&nr_forks, 1);
		start_timer();
	}
	errno = err;
}

static void fork_and_exit(int number)
{
	int err = errno;
	pid_t pid = fork();

	(void)number;
	if (pid == 0)
		_exit(0);
	check_child(pid);
	atomic_fetch_add(&nr_forks, 1);
	start_timer();
	errno = err;
}

static void handle_signals(void (*handler)(int number))
{
	struct sigaction action = { .sa_handler = handler,
				    .sa_flags = SA_RESTART };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGUSR1 };

	CHECK_OK(sigaction(SIGUSR1, &action, NULL));
	if (CHECK_OK(timer_create(CLOCK_MONOTONIC, &event, &timer)))
		start_timer();
}

static void prepare(struct player *player, uint64_t seed)
{
	player_init(player, NULL, 0, seed);
	player->len_max = (size_t)256 << 10;
	player->used_len_max = (size_t)2 << 20;
}

/* Ended here, for the checks of the parent are not the child's. */
static void end_as_child(struct player *player)
{
	for (int i = 0; i < NR_OPS_CHILD && player_step(player); i++)
		continue;
	player_check(player);
	player_finish(player);
	player_empty_slots();
	calls_trim();
	_exit(test_failed());
}

static void the_child_goes_on(void)
{
	static struct player player;

	prepare(&player, test_seed());
	handle_signals(fork_and_go_on);
	while (nr_forks < NR_FORKS && player_step(&player))
		if (is_child)
			end_as_child(&player);
	is_over = true;
	player_check(&player);
	player_finish(&player);
	player_empty_slots();
	CHECK_GE(nr_forks, NR_FORKS);
}

static void *play(void *arg)
{
	struct player *player = arg;

	while (!is_over && player_step(player))
		continue;
	is_over = true;
	player_check(player);
	player_finish(player);
	return NULL;
}

/*
 * Forks meanwhile as programs do. Not interrupted: the C library stands still
 * when a handler forks in the midst of fork().
 */
static void *fork_and_allocate(void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	while (!is_over && !test_failed()) {
		pid_t pid = fork();

		if (pid == 0) {
			free(malloc(100000));
			free(malloc(100));
			calls_trim();
			_exit(0);
		}
		check_child(pid);
	}
	return arg;
}

static void threads_do_not_wait_for_it(void)
{
	static struct player players[NR_THREADS];
	pthread_t threads[NR_THREADS + 1];
	uint64_t seed = test_seed();
	int nr = NR_THREADS;

	for (int i = 0; i < NR_THREADS; i++) {
		prepare(&players[i], seed + (uint64_t)i);
		pthread_create(&threads[i], NULL, play, &players[i]);
	}
	/* Before, the C library holds a lock while handlers of fork() run. */
	if (strtod(gnu_get_libc_version(), NULL) >= 2.36)
		nr = NR_THREADS + 1;
	if (nr > NR_THREADS)
		pthread_create(&threads[NR_THREADS], NULL, fork_and_allocate,
			       NULL);
	/*
	 * The timer's signals reach any of them, and this one; but not while
	 * they are made and end. There the C library allocates, and stands
	 * still when its own malloc() is interrupted so.
	 */
	handle_signals(fork_and_exit);
	while (nr_forks < NR_FORKS_ALL && !is_over)
		free(malloc((size_t)(nr_forks % 200000)));
	signal(SIGUSR1, SIG_IGN);
	is_over = true;
	for (int i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	player_empty_slots();
	CHECK_GE(nr_forks, NR_FORKS_ALL);
}

/*
 * Another's handler around fork(), which is registered before ours where the
 * library is linked: it runs with all our locks held, and forks.
 */
static bool is_forking;
static bool may_fork;

static void fork_before_fork(void)
{
	pid_t pid;

	if (!may_fork || is_forking)
		return;
	is_forking = true;
	pid = fork();
	if (pid == 0)
		_exit(0);
	check_child(pid);
	is_forking = false;
}

__attribute__((constructor(101))) static void register_early(void)
{
	pthread_atfork(fork_before_fork, NULL, NULL);
}

static void *allocate(void *arg)
{
	for (size_t len = 16; len < (size_t)1 << 20; len *= 2)
		free(malloc(len));
	return arg;
}

static void handlers_of_fork_fork(void)
{
	sigset_t before = { 0 };
	sigset_t after = { 0 };
	pthread_t thread;
	pid_t pid;

	alarm(PATIENCE);
	sigprocmask(SIG_BLOCK, NULL, &before);
	may_fork = true;
	pid = fork();
	may_fork = false;
	allocate(NULL);
	if (!CHECK_EQ(pthread_create(&thread, NULL, allocate, NULL), 0))
		return;
	pthread_join(thread, NULL);
	if (pid == 0)
		_exit(test_failed());
	check_child(pid);
	sigprocmask(SIG_BLOCK, NULL, &after);
	CHECK_EQ(memcmp(&before, &after, sizeof(before)), 0);
}

static const struct test tests[] = {
	{ "the child goes on where it was interrupted", the_child_goes_on },
	{ "threads do not wait for it", threads_do_not_wait_for_it },
	{ "handlers of fork() fork", handlers_of_fork_fork },
};

int main(int argc, char **argv)
{
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
