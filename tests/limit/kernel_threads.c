// SPDX-License-Identifier: MIT
/*
 * Threads, stacks and new programs at the limit, with the C library that runs
 * the test. A new stack is a mapping of its own, with another for its guard;
 * a stack that is released is an munmap() that may be refused, and glibc then
 * aborts.
 */
#include "kernel.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

static void *return_at_once(void *arg)
{
	return arg;
}

static int create_thread(void *arg)
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, return_at_once, NULL);

	(void)arg;
	if (err == 0)
		pthread_join(thread, NULL);
	return err;
}

/* Before 6.7 a stack may merge with its neighbours and cost nothing. */
static void creating(void)
{
	int err;

	if (!test_fill(2))
		return;
	CHECK_EQ(test_in_child(create_thread, NULL), 0);
	if (!test_fill(0))
		return;
	err = test_in_child(create_thread, NULL);
	if (test_kernel_since(6, 7))
		CHECK_EQ(err, EAGAIN);
	else
		CHECK(err == 0 || err == EAGAIN);
}

#define NR_THREADS 48
#define STACK_LEN  ((size_t)8 << 20)

static sem_t may_end[NR_THREADS];

static void *wait_for_end(void *arg)
{
	while (sem_wait(arg) != 0)
		;
	return NULL;
}

static pthread_t threads[NR_THREADS];

/*
 * Threads without guard pages: their stacks lie side by side and merge into
 * one mapping. Ended in an order that leaves holes; glibc keeps 40 MiB of
 * stacks and unmaps the rest.
 */
static int end_threads(void *arg)
{
	pthread_attr_t attr;

	(void)arg;
	pthread_attr_init(&attr);
	CHECK_EQ(pthread_attr_setguardsize(&attr, 0), 0);
	CHECK_EQ(pthread_attr_setstacksize(&attr, STACK_LEN), 0);
	for (size_t i = 0; i < NR_THREADS; i++) {
		CHECK_EQ(sem_init(&may_end[i], 0, 0), 0);
		CHECK_EQ(pthread_create(&threads[i], &attr, wait_for_end,
					&may_end[i]),
			 0);
	}
	if (!test_fill(0))
		return TEST_CHILD_FAILED;
	for (size_t first = 1; first < 3; first++)
		for (size_t i = first; i < NR_THREADS; i += 2) {
			sem_post(&may_end[i]);
			pthread_join(threads[i], NULL);
		}
	return 0;
}

static void ending(void)
{
	if (confstr(_CS_GNU_LIBC_VERSION, NULL, 0) == 0)
		SKIP("this C library is not glibc");
	if (test_emulated())
		SKIP("an emulator's mappings cannot be counted");
	CHECK_EQ(test_in_child(end_threads, NULL), -SIGABRT);
}

static posix_spawn_file_actions_t quietly; /* made ahead: they allocate */

/* 0 or an errno. */
static int spawn(void)
{
	char *args[] = { (char *)"self", (char *)"-l", NULL };
	int status;
	pid_t pid;
	int err;

	err = posix_spawn(&pid, "/proc/self/exe", &quietly, NULL, args,
			  environ);
	if (err == 0)
		CHECK_EQ(waitpid(pid, &status, 0), pid);
	return err;
}

static void spawning(void)
{
	posix_spawn_file_actions_init(&quietly);
	posix_spawn_file_actions_addopen(&quietly, STDOUT_FILENO, "/dev/null",
					 O_WRONLY, 0);
	if (!test_fill(0))
		return;
	CHECK_EQ(spawn(), test_can_exceed() ? 0 : ENOMEM);
	if (!test_can_exceed() || !test_fill(-1))
		return;
	CHECK_EQ(spawn(), ENOMEM);
}

static int vfork_and_exec(char *g __attribute__((unused)))
{
	int status;
	pid_t pid;

	/* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork) */
	pid = vfork();
	if (pid == 0) {
		execl("/proc/self/exe", "self", "--only", "999", NULL);
		_exit(99);
	}
	if (pid < 0)
		return -1;
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 1);
	return 0;
}

static void forking_and_executing(void)
{
	try_at_limit(make_touched, vfork_and_exec, OK(0), OK(0), OK(0));
}

/* Takes len bytes of stack and touches the last. */
static char __attribute__((noinline)) use_stack(size_t len)
{
	volatile char *bytes = __builtin_alloca(len);

	bytes[0] = 1;
	return bytes[0];
}

static int grow_stack(char *g __attribute__((unused)))
{
	return use_stack(1 << 20) == 1 ? 0 : -1;
}

static void growing_stack(void)
{
	try_at_limit(make_touched, grow_stack, OK(0), OK(0), OK(0));
}

static const struct test tests[] = {
	{ "a new thread needs two spare mappings", creating },
	{ "glibc aborts when the stack of an ended thread cannot be unmapped",
	  ending },
	{ "posix_spawn is refused above the limit only", spawning },
	{ "vfork and exec are never refused for mappings",
	  forking_and_executing },
	{ "the main stack grows without a spare mapping", growing_stack },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
