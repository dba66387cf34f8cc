// SPDX-License-Identifier: MIT
/*
 * When a heap profile begins and ends, and is written: by surefree_set(), by a
 * signal, at exit, and in forked children.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heap.h"
#include "observe.h"
#include "test.h"

#define NR_THREADS 4

/*
 * Cases: each in a process of its own
 */

/* Set while on: what is there so far is written, and sampling goes on. */
static void check_set_again(void)
{
	heap_begin("first.%n");
	heap_blocks[0] = heap_take(HEAP_BLOCK_LEN);
	heap_begin("second.%n");
	CHECK_EQ(heap_of_take("first.1").nr_used, 1);
	CHECK(!heap_exists("second.2"));
	heap_blocks[1] = heap_take(HEAP_BLOCK_LEN);
	heap_end();
	CHECK_EQ(heap_of_take("second.2").nr_used, 2);
	heap_end();
	CHECK(!heap_exists("second.3"));
	/* A profile that begins anew is empty. */
	heap_begin("third");
	heap_end();
	CHECK_EQ(heap_of_take("third").nr_all, 0);
}

static void check_set_is_refused(void)
{
	CHECK_ERRNO(observe_set("profile", ""), EINVAL);
	heap_begin("no/such/folder");
	CHECK_ERRNO(observe_set("profile", "off"), ENOENT);
	heap_end();
}

/* The next call begins it, and ends it. */
static void check_signal(void)
{
	void *volatile p = heap_take(HEAP_BLOCK_LEN);

	free(p);
	raise(SIGUSR2);
	p = heap_take(HEAP_BLOCK_LEN);
	heap_blocks[0] = heap_take(HEAP_BLOCK_LEN);
	CHECK(!heap_exists("signal"));
	raise(SIGUSR2);
	free(p);
	CHECK(heap_exists("signal"));
	CHECK_EQ(heap_of_take("signal").nr_used, 2);
	raise(SIGUSR2);
	heap_blocks[1] = heap_take(HEAP_BLOCK_LEN);
	raise(SIGUSR2);
	free(heap_blocks[1]);
	CHECK_EQ(heap_of_take("signal").nr_all, 1);
}

static void *allocate_until_told(void *arg)
{
	while (!__atomic_load_n((bool *)arg, __ATOMIC_RELAXED))
		free(heap_take(HEAP_BLOCK_LEN));
	return NULL;
}

/* One thread gets the signals, others allocate. */
static void check_signal_elsewhere(void)
{
	pthread_t threads[NR_THREADS];
	bool stop = false;

	for (size_t i = 0; i < NR_THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, allocate_until_told,
					&stop),
			 0);
	for (size_t i = 0; i < 20; i++) {
		raise(SIGUSR2);
		raise(SIGUSR2);
	}
	raise(SIGUSR2);
	while (!heap_exists("signal")) {
		raise(SIGUSR2);
		sched_yield();
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void fork_and_allocate(void)
{
	int status = -1;
	pid_t child;

	heap_blocks[0] = heap_take(HEAP_BLOCK_LEN);
	child = fork();
	if (child == 0) {
		heap_blocks[1] = heap_take(HEAP_BLOCK_LEN);
		exit(0);
	}
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(status, 0);
}

/* As the core utilities do when they end. */
static void close_stderr(void)
{
	fclose(stderr);
}

/* What could be written at start can't be at exit. */
static void remove_folder(void)
{
	CHECK_OK(rmdir(heap_file_name("folder")));
	close_stderr();
}

/* It does what it did. */
static void look_at_sigsegv(void)
{
	struct sigaction action;

	CHECK_OK(sigaction(SIGSEGV, NULL, &action));
	CHECK(action.sa_handler == SIG_DFL);
}

static const struct observe_case cases[] = {
	{ "set_again", check_set_again },
	{ "set_is_refused", check_set_is_refused },
	{ "signal", check_signal },
	{ "signal_elsewhere", check_signal_elsewhere },
	{ "fork", fork_and_allocate },
	{ "fill", heap_fill },
	{ "close_stderr", close_stderr },
	{ "remove_folder", remove_folder },
	{ "look_at_sigsegv", look_at_sigsegv },
};

/*
 * Tests
 */

static void a_profile_is_set_again(void)
{
	heap_make_dir();
	heap_run(NULL, "sample=1", "set_again");
	CHECK_STR(heap_words, "");
	heap_remove_dir();
}

static void failures_are_told(void)
{
	heap_make_dir();
	heap_run(NULL, "sample=1", "set_is_refused");
	CHECK(strstr(heap_words,
		     "surefree_set: profile=: expected the name of a "
		     "file, or off\n") != NULL);
	CHECK(strstr(heap_words, "surefree: profile: cannot write ") != NULL);
	heap_remove_dir();
}

/* Checks that this is all that a case with this file as its profile wrote. */
static void check_told(const char *file, const char *name, const char *reason)
{
	char line[512];

	heap_run(file, "sample=1", name);
	snprintf(line, sizeof(line), "surefree: profile: cannot write %s: %s\n",
		 heap_file_name(file), reason);
	CHECK_STR(heap_words, line);
}

static void failures_are_told_when_stderr_is_closed(void)
{
	heap_make_dir();
	CHECK_OK(mkdir(heap_file_name("folder"), 0777));
	check_told("folder/profile", "remove_folder",
		   "No such file or directory");
	heap_remove_dir();
}

static void failures_are_told_at_start(void)
{
	heap_make_dir();
	check_told("none/profile", "close_stderr", "No such file or directory");
	check_told("none/profile", "fill", "No such file or directory");
	if (geteuid() != 0) {
		CHECK_OK(mkdir(heap_file_name("folder"), 0555));
		check_told("folder/profile", "fill", "Permission denied");
	}
	heap_remove_dir();
}

static void it_is_written_at_exit(void)
{
	struct heap_profile profile;

	heap_make_dir();
	heap_run("at_exit", "sample=1", "fill");
	CHECK_STR(heap_words, "");
	if (heap_read("at_exit", &profile)) {
		CHECK_GE(profile.all.nr_all, HEAP_NR_BLOCKS);
		CHECK_GE(profile.all.used_len,
			 HEAP_NR_BLOCKS / 4 * 3 * HEAP_BLOCK_LEN);
	}
	heap_remove_dir();
}

static void a_signal_switches(void)
{
	heap_make_dir();
	heap_run("signal", "sample=1,profile_signal=12", "signal");
	CHECK_STR(heap_words, "");
	heap_remove_dir();
}

static void a_signal_of_an_error_is_refused(void)
{
	heap_make_dir();
	heap_run(NULL, "profile_signal=11", "look_at_sigsegv");
	CHECK_STR(heap_words,
		  "surefree: SUREFREE_OPTIONS: profile_signal=11: expected "
		  "a signal like 12 that can be caught, of no error\n");
	heap_remove_dir();
}

static void a_signal_may_come_on_any_thread(void)
{
	heap_make_dir();
	heap_run("signal", "sample=1,profile_signal=12", "signal_elsewhere");
	CHECK_STR(heap_words, "");
	heap_remove_dir();
}

static void a_child_leaves_its_parents_file_alone(void)
{
	struct heap_profile profile;

	heap_make_dir();
	heap_run("one.%n", "sample=1", "fork");
	CHECK_STR(heap_words, "");
	if (heap_read("one.1", &profile))
		CHECK_GE(profile.all.nr_used, 1);
	heap_remove_dir();
}

static void a_child_has_a_file_of_its_own(void)
{
	char command[512];

	heap_make_dir();
	heap_run("%p.%%", "sample=1", "fork");
	CHECK_STR(heap_words, "");
	snprintf(command, sizeof(command), "test $(ls %s | grep -c '%%$') = 2",
		 heap_file_name(""));
	CHECK_EQ(system(command), 0);
	heap_remove_dir();
}

static const struct test tests[] = {
	{ "a profile is set again", a_profile_is_set_again },
	{ "failures are told", failures_are_told },
	{ "failures are told when stderr is closed",
	  failures_are_told_when_stderr_is_closed },
	{ "failures are told at start, and once", failures_are_told_at_start },
	{ "it is written at exit", it_is_written_at_exit },
	{ "a signal switches", a_signal_switches },
	{ "a signal of an error is refused", a_signal_of_an_error_is_refused },
	{ "a signal may come on any thread", a_signal_may_come_on_any_thread },
	{ "a child leaves its parent's file alone",
	  a_child_leaves_its_parents_file_alone },
	{ "a child has a file of its own", a_child_has_a_file_of_its_own },
};

int main(int argc, char **argv)
{
	observe_cases(argc, argv, cases, TEST_COUNT(cases));
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
