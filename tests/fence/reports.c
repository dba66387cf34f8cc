// SPDX-License-Identifier: MIT
/*
 * In both modes: a report of a fault neither keeps a program from going on nor
 * changes what its handler finds, whatever happens to the report.
 */
#include "test.h"

#include <alloca.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aborts.h"
#include "said.h"

#define LEN	   ((size_t)102400) /* with a guard behind it, in both modes */
#define NR_FORKS   50
#define NR_FAULTS  2000
#define STACK_LEN  ((size_t)64 << 10)
#define REPORT_LEN 5120 /* what surefree-malloc(7) says of its stack */

static char *volatile block;
static _Thread_local sigjmp_buf back;
static _Atomic bool done;

static void jump(int signal_number, siginfo_t *info, void *context)
{
	(void)signal_number;
	(void)context;
	/* What was sent is no fault. */
	if (info->si_code > 0)
		siglongjmp(back, 1);
}

static void begin(int flags)
{
	struct sigaction action = { .sa_sigaction = jump,
				    .sa_flags = SA_SIGINFO | flags };

	CHECK_OK(sigaction(SIGSEGV, &action, NULL));
	block = said_block(LEN);
}

/* Returns when the handler has jumped out. */
static void fault(size_t offset)
{
	if (sigsetjmp(back, 1) == 0) {
		block[LEN + offset % 4096] = 1;
		FAIL("no fault");
	}
}

static void say_nothing(void)
{
	CHECK_OK(dup2(open("/dev/null", O_WRONLY), STDERR_FILENO));
}

static void run_captured(void (*fn)(void), char *text, size_t len)
{
	if (!said_has_guard())
		SKIP("the kernel has no guard markers");
	if (!CHECK_EQ(aborts_capture(fn, text, len), 0))
		FAIL("it said %s", text);
}

static int count(const char *text, const char *words)
{
	int nr = 0;

	for (const char *at = text; (at = strstr(at, words)) != NULL; at++)
		nr++;
	return nr;
}

/*
 * fork()
 */

static void *fault_for_ever(void *arg)
{
	(void)arg;
	for (size_t i = 0; !atomic_load(&done); i++)
		fault(i);
	return NULL;
}

/* In a child: the first fault is reported. */
static void fault_in_child(void)
{
	int fd = memfd_create("report", 0);

	dup2(fd, STDERR_FILENO);
	fault(5);
	_exit(lseek(fd, 0, SEEK_END) > 0 ? 0 : 1);
}

static void fork_meanwhile(void)
{
	pthread_t thread;
	int status = 0;
	pid_t pid;

	begin(0);
	say_nothing();
	pthread_create(&thread, NULL, fault_for_ever, NULL);
	for (int i = 0; i < NR_FORKS && status == 0; i++) {
		pid = fork();
		if (pid == 0)
			fault_in_child();
		waitpid(pid, &status, 0);
	}
	atomic_store(&done, true);
	pthread_join(thread, NULL);
	_exit(status != 0);
}

static void a_child_reports_whatever_its_parent_was_at(void)
{
	char text[1024];

	run_captured(fork_meanwhile, text, sizeof(text));
}

/*
 * Damaged stacks
 */

/* The caller's frame pointer is found here; there is no returning. */
static __attribute__((noinline)) void fault_without_frame(uintptr_t pointer)
{
	*(volatile uintptr_t *)__builtin_frame_address(0) = pointer;
	block[LEN] = 1;
	_exit(2);
}

static __attribute__((noinline)) void fault_on_damaged(uintptr_t pointer)
{
	/* It finds its own frame by that pointer. */
	volatile char *room = alloca(16 + pointer % 2);

	room[0] = 1;
	fault_without_frame(pointer);
	room[1] = 1;
}

static void fault_twice(int flags, uintptr_t pointer)
{
	begin(flags);
	if (sigsetjmp(back, 1) == 0)
		fault_on_damaged(pointer);
	fault(1);
}

static void damage(void)
{
	fault_twice(0, 0x10);
}

static void damage_unmasked(void)
{
	fault_twice(SA_NODEFER, 0x10);
}

static void damage_reset(void)
{
	fault_twice((int)SA_RESETHAND, 0x10);
	_exit(1);
}

/* The kernel tells no address of a fault at one that can't be. */
static void damage_far(void)
{
	fault_twice(0, 0x4141414141414140);
}

static void check_damaged(void (*fn)(void))
{
	static char text[16384];
	bool has_stacks;

	run_captured(fn, text, sizeof(text));
	has_stacks = count(text, "touched by") > 0;
	CHECK_EQ(count(text, ": offset "), 2);
	CHECK_EQ(count(text, "touched by"), has_stacks ? 2 : 0);
	CHECK_EQ(count(text, "the stack can't be read"), has_stacks ? 1 : 0);
}

static void a_damaged_stack_ends_the_report_alone(void)
{
	static char text[16384];

	check_damaged(damage);
	check_damaged(damage_unmasked);
	check_damaged(damage_far);
	CHECK_EQ(aborts_capture(damage_reset, text, sizeof(text)), -SIGSEGV);
	CHECK_EQ(count(text, ": offset "), 2);
}

/*
 * Others' signals
 */

static void *send_for_ever(void *arg)
{
	pthread_t *to = arg;

	while (!atomic_load(&done))
		pthread_kill(*to, SIGSEGV);
	return NULL;
}

static void fault_under_fire(void)
{
	pthread_t self = pthread_self();
	pthread_t thread;

	begin(0); /* unmasked, one would come in the handler of another */
	say_nothing();
	pthread_create(&thread, NULL, send_for_ever, &self);
	for (size_t i = 0; i < NR_FAULTS; i++)
		fault(i);
	atomic_store(&done, true);
	pthread_join(thread, NULL);
	_exit(0);
}

static void what_others_send_waits_for_its_end(void)
{
	char text[1024];

	run_captured(fault_under_fire, text, sizeof(text));
}

/*
 * Alternate stacks
 */

static void fault_on_small_stack(void)
{
	size_t least = getauxval(AT_MINSIGSTKSZ);
	size_t len = (least > 0 ? least : (size_t)MINSIGSTKSZ) + REPORT_LEN;
	char *map = mmap(NULL, STACK_LEN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t small = { .ss_sp = map + STACK_LEN - len, .ss_size = len };
	size_t i = 0;

	memset(map, 1, STACK_LEN);
	CHECK_OK(sigaltstack(&small, NULL));
	begin(SA_ONSTACK);
	fault(0);
	while (map[i] == 1)
		i++;
	_exit(i < STACK_LEN - len);
}

static void a_small_stack_has_room_for_it(void)
{
	static char text[16384];

	run_captured(fault_on_small_stack, text, sizeof(text));
	CHECK_EQ(count(text, ": offset "), 1);
}

/*
 * vfork()
 */

static volatile pid_t child;
static int fds[2];
static int nr_full;

static void *kill_in_report(void *arg)
{
	int nr;

	(void)arg;
	do
		ioctl(fds[0], FIONREAD, &nr);
	while (nr == nr_full);
	kill(child, SIGKILL);
	return NULL;
}

static void *fault_once(void *arg)
{
	(void)arg;
	fault(3);
	return NULL;
}

static void fault_after_kill(void)
{
	static char bytes[1 << 20];
	pthread_t thread;
	int status;
	pid_t pid;

	begin(0);
	CHECK_OK(pipe(fds));
	/* Room for the first line of several. */
	nr_full = fcntl(fds[1], F_SETPIPE_SZ, 4096) - 256;
	CHECK_EQ(write(fds[1], bytes, (size_t)nr_full), nr_full);
	pthread_create(&thread, NULL, kill_in_report, NULL);
	pid = vfork();
	if (pid == 0) {
		child = getpid();
		dup2(fds[1], STDERR_FILENO);
		block[LEN] = 1;
		_exit(1);
	}
	waitpid(pid, &status, 0);
	CHECK(WIFSIGNALED(status));
	pthread_join(thread, NULL);
	/* The thread whose child it was knows; the other waits, not for ever. */
	pthread_create(&thread, NULL, fault_once, NULL);
	pthread_join(thread, NULL);
	fault(1);
	fault(2);
}

static void one_that_never_ends_is_not_waited_for(void)
{
	static char text[16384];

	if (strcmp(getenv("SUREFREE_OPTIONS"), "hardened") == 0)
		SKIP("a report is one line");
	run_captured(fault_after_kill, text, sizeof(text));
	CHECK_EQ(count(text, ": offset "), 2);
}

static const struct test tests[] = {
	{ "a child reports whatever its parent was at",
	  a_child_reports_whatever_its_parent_was_at },
	{ "a damaged stack ends the report alone",
	  a_damaged_stack_ends_the_report_alone },
	{ "what others send waits for its end",
	  what_others_send_waits_for_its_end },
	{ "a small stack has room for it", a_small_stack_has_room_for_it },
	{ "one that never ends is not waited for",
	  one_that_never_ends_is_not_waited_for },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
