// SPDX-License-Identifier: MIT
/*
 * In both modes: what a program does on SIGSEGV and SIGBUS happens as it does
 * without a mode, and the fault is explained before.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aborts.h"
#include "said.h"

#define LEN	     ((size_t)102400) /* with a guard behind it, in both modes */
#define GUARD_REMOVE 103

/* sigset() and siginterrupt() are there to be called. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* Declared where others are not. */
void (*bsd_signal(int signal_number, void (*handler)(int)))(int);

static char *volatile block;
static sigjmp_buf back;
static volatile int nr_calls;
static volatile siginfo_t seen;
static char stack[64 << 10];

/* Run fn() in a child: how it ends, and how often a fault is explained. */
static void check(void (*fn)(void), int end, int nr_reports)
{
	static char text[65536];
	int nr = 0;

	if (!CHECK_EQ(aborts_capture(fn, text, sizeof(text)), end))
		FAIL("it said %s", text);
	for (const char *at = text; (at = strstr(at, ": offset ")) != NULL;
	     at++)
		nr++;
	if (nr != nr_reports)
		FAIL("%d reports instead of %d: %s", nr, nr_reports, text);
}

static bool can_fault(void)
{
	return said_has_guard();
}

static void touch_guard(size_t offset)
{
	*(volatile char *)&block[malloc_usable_size(block) + offset] = 1;
}

static void set_action(void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction action = { .sa_sigaction = handler,
				    .sa_flags = SA_SIGINFO | flags };

	sigaddset(&action.sa_mask, SIGUSR1);
	CHECK_OK(sigaction(SIGSEGV, &action, NULL));
	block = said_block(LEN);
}

/*
 * Handlers
 */

static void end_plain(int signal_number)
{
	_exit(signal_number);
}

static void end_if_true(int signal_number, siginfo_t *info, void *context)
{
	bool right = signal_number == SIGSEGV && context != NULL &&
		     (char *)info->si_addr == block + LEN && info->si_code > 0;

	_exit(right ? signal_number : 1);
}

static void jump(int signal_number, siginfo_t *info, void *context)
{
	(void)signal_number;
	(void)info;
	(void)context;
	nr_calls++;
	siglongjmp(back, 1);
}

static void note(int signal_number, siginfo_t *info, void *context)
{
	(void)signal_number;
	(void)context;
	nr_calls++;
	seen = *info;
}

static void repair(int signal_number, siginfo_t *info, void *context)
{
	uintptr_t page = (uintptr_t)info->si_addr & -test_page();

	(void)signal_number;
	(void)context;
	nr_calls++;
	syscall(SYS_madvise, page, test_page(), GUARD_REMOVE);
}

static void reset_and_return(int signal_number, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	signal(signal_number, SIG_DFL);
}

/* Its frame, mask and what a fault inside it does. */
static volatile bool on_stack;
static volatile bool masked[2];

static void look_around(int signal_number, siginfo_t *info, void *context)
{
	char here;
	sigset_t mask;

	(void)info;
	(void)context;
	on_stack = (uintptr_t)&here - (uintptr_t)stack < sizeof(stack);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	masked[0] = sigismember(&mask, signal_number);
	masked[1] = sigismember(&mask, SIGUSR1);
	siglongjmp(back, 1);
}

/*
 * Faults
 */

static void fault_with_signal(void)
{
	signal(SIGSEGV, end_plain);
	block = said_block(LEN);
	touch_guard(0);
}

static void fault_with_other_names(void)
{
	bsd_signal(SIGSEGV, end_plain);
	ssignal(SIGSEGV, end_plain);
	sigset(SIGSEGV, end_plain);
	CHECK(sysv_signal(SIGSEGV, end_plain) == end_plain);
	block = said_block(LEN);
	touch_guard(0);
}

static void fault_with_action(void)
{
	set_action(end_if_true, 0);
	touch_guard(0);
}

static void fault_with_default(void)
{
	signal(SIGSEGV, end_plain);
	CHECK(signal(SIGSEGV, SIG_DFL) == end_plain);
	block = said_block(LEN);
	touch_guard(0);
}

static void fault_with_reset(void)
{
	set_action(reset_and_return, 0);
	touch_guard(0);
}

static void handlers_follow_the_report(void)
{
	if (!can_fault())
		SKIP("the kernel has no guard markers");
	check(fault_with_signal, SIGSEGV, 1);
	check(fault_with_other_names, SIGSEGV, 1);
	check(fault_with_action, SIGSEGV, 1);
	check(fault_with_default, -SIGSEGV, 1);
	/* The same access happens twice. */
	check(fault_with_reset, -SIGSEGV, 1);
}

static void leave_by_jumps(void)
{
	set_action(jump, 0);
	for (volatile size_t i = 0; i < 3; i++)
		if (sigsetjmp(back, 1) == 0)
			touch_guard(i);
	CHECK_EQ(nr_calls, 3);
}

static void repair_and_return(void)
{
	set_action(repair, 0);
	touch_guard(0);
	CHECK_EQ(nr_calls, 1);
	CHECK_EQ(block[LEN], 1);
}

static void handlers_may_jump_out_or_return(void)
{
	if (!can_fault())
		SKIP("the kernel has no guard markers");
	check(leave_by_jumps, 0, 3);
	check(repair_and_return, 0, 1);
}

static void send_signals(void)
{
	set_action(note, 0);
	raise(SIGSEGV);
	CHECK_EQ(nr_calls, 1);
	CHECK_EQ(seen.si_code, SI_TKILL);
	kill(getpid(), SIGSEGV);
	CHECK_EQ(nr_calls, 2);
	CHECK_EQ(seen.si_code, SI_USER);
	signal(SIGSEGV, SIG_IGN);
	kill(getpid(), SIGSEGV);
	CHECK_EQ(nr_calls, 2);
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
}

static void touch_own_protection(void)
{
	set_action(jump, 0);
	block = memalign(test_page(), LEN);
	mprotect(block, test_page(), PROT_NONE);
	if (sigsetjmp(back, 1) == 0)
		block[5] = 1;
	CHECK_EQ(nr_calls, 1);
}

static void touch_end_of_file(void)
{
	int fd = memfd_create("empty", 0);
	char *map = mmap(NULL, test_page(), PROT_READ, MAP_SHARED, fd, 0);

	signal(SIGBUS, end_plain);
	_exit(*(volatile char *)map);
}

static void other_signals_are_not_explained(void)
{
	check(send_signals, -SIGSEGV, 0);
	check(touch_own_protection, 0, 0);
	check(touch_end_of_file, SIGBUS, 0);
}

/*
 * Flags
 */

static void try_flags(int flags)
{
	on_stack = masked[0] = masked[1] = false;
	set_action(look_around, flags);
	if (sigsetjmp(back, 1) == 0)
		touch_guard(0);
}

static void obey_mask_and_stack(void)
{
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };

	sigaltstack(&alternate, NULL);
	try_flags(0);
	CHECK(!on_stack && masked[0] && masked[1]);
	try_flags(SA_NODEFER);
	CHECK(!on_stack && !masked[0] && masked[1]);
	try_flags(SA_ONSTACK);
	CHECK(on_stack && masked[0] && masked[1]);
}

static void obey_reset(void)
{
	struct sigaction now;

	set_action(repair, (int)SA_RESETHAND);
	touch_guard(0);
	CHECK_OK(sigaction(SIGSEGV, NULL, &now));
	CHECK(now.sa_handler == SIG_DFL);
	CHECK_EQ((unsigned)now.sa_flags & (SA_SIGINFO | SA_RESETHAND),
		 SA_SIGINFO | SA_RESETHAND);
	block = said_block(LEN);
	touch_guard(0);
}

static void flags_do_what_they_say(void)
{
	if (!can_fault())
		SKIP("the kernel has no guard markers");
	check(obey_mask_and_stack, 0, 3);
	check(obey_reset, -SIGSEGV, 2);
}

/* An action is told as it is of a signal that no mode has to do with. */
static void compare(void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	struct sigaction ours;
	struct sigaction other;

	sigaddset(&action.sa_mask, SIGUSR2);
	CHECK_OK(sigaction(SIGSEGV, &action, NULL));
	CHECK_OK(sigaction(SIGUSR1, &action, NULL));
	CHECK_OK(sigaction(SIGSEGV, NULL, &ours));
	CHECK_OK(sigaction(SIGUSR1, NULL, &other));
	CHECK(ours.sa_handler == handler);
	CHECK_EQ(ours.sa_flags, other.sa_flags);
	CHECK(ours.sa_restorer == other.sa_restorer);
	CHECK_EQ(sigismember(&ours.sa_mask, SIGUSR2), 1);
	CHECK_EQ(sigismember(&ours.sa_mask, SIGUSR1), 0);
}

/* So are those that these set. */
static void compare_calls(void (*(*set)(int, void (*)(int)))(int))
{
	struct sigaction ours;
	struct sigaction other;

	set(SIGSEGV, end_plain);
	set(SIGUSR1, end_plain);
	CHECK_OK(sigaction(SIGSEGV, NULL, &ours));
	CHECK_OK(sigaction(SIGUSR1, NULL, &other));
	CHECK(ours.sa_handler == end_plain);
	CHECK_EQ(ours.sa_flags, other.sa_flags);
	CHECK(ours.sa_restorer == other.sa_restorer);
	CHECK_EQ(sigismember(&ours.sa_mask, SIGSEGV),
		 sigismember(&other.sa_mask, SIGUSR1));
	CHECK(set(SIGSEGV, SIG_ERR) == SIG_ERR && errno == EINVAL);
	CHECK(set(SIGSEGV, SIG_DFL) == end_plain);
}

static void ask_for_actions(void)
{
	struct sigaction old;

	CHECK_OK(sigaction(SIGSEGV, NULL, &old));
	CHECK(old.sa_handler == SIG_DFL);
	CHECK_EQ(old.sa_flags & (SA_SIGINFO | SA_ONSTACK), 0);
	compare(end_plain, 0);
	compare(end_plain, SA_RESTART | SA_NODEFER);
	compare(end_plain, SA_ONSTACK | SA_SIGINFO | (int)SA_RESETHAND);
	compare(SIG_DFL, SA_RESTART);
	compare(SIG_IGN, SA_NODEFER);
	compare_calls(signal);
	compare_calls(sysv_signal);
	signal(SIGSEGV, SIG_IGN);
	siginterrupt(SIGSEGV, 1);
	CHECK(signal(SIGSEGV, end_plain) == SIG_IGN);
	CHECK(sigset(SIGSEGV, SIG_HOLD) == end_plain);
	CHECK(sigset(SIGSEGV, SIG_DFL) == SIG_HOLD);
	CHECK(signal(SIGSEGV, end_plain) == SIG_DFL);
	CHECK_EQ(sigaction(SIGKILL, NULL, &old), 0);
	CHECK_EQ(sigaction(SIGSEGV + 1000, NULL, &old), -1);
}

static void what_is_set_is_what_is_told(void)
{
	check(ask_for_actions, 0, 0);
}

/*
 * Processes and threads
 */

static void ask_inherited(void)
{
	struct sigaction now;

	CHECK_OK(sigaction(SIGSEGV, NULL, &now));
	CHECK(now.sa_handler == SIG_IGN);
	CHECK_OK(sigaction(SIGBUS, NULL, &now));
	CHECK(now.sa_handler == SIG_DFL);
}

static void start_again(void)
{
	char *args[] = { (char *)"actions", (char *)"[inherited]", NULL };

	signal(SIGSEGV, SIG_IGN);
	signal(SIGBUS, end_plain);
	execv("/proc/self/exe", args);
	_exit(TEST_CHILD_FAILED);
}

static void fault_ignored(void)
{
	signal(SIGSEGV, SIG_IGN);
	block = NULL;
	*block = 1;
}

static void what_is_ignored_stays_so(void)
{
	if (test_emulated())
		SKIP("programs are not started as they are");
	check(start_again, 0, 0);
	check(fault_ignored, -SIGSEGV, 0);
}

static void fault_in_child(void)
{
	int status;
	pid_t pid;

	set_action(end_if_true, 0);
	pid = fork();
	if (pid == 0)
		touch_guard(0);
	waitpid(pid, &status, 0);
	CHECK_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, SIGSEGV);
	pid = vfork();
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	touch_guard(0);
}

static void children_have_their_own(void)
{
	if (!can_fault())
		SKIP("the kernel has no guard markers");
	check(fault_in_child, SIGSEGV, 2);
}

static _Atomic bool done;
static _Thread_local sigjmp_buf back_here;
static _Thread_local volatile int nr_good;

static void jump_here(int signal_number)
{
	nr_good += signal_number == SIGSEGV;
	siglongjmp(back_here, 1);
}

static void jump_here_if_true(int signal_number, siginfo_t *info, void *context)
{
	nr_good += signal_number == SIGSEGV && context != NULL &&
		   info->si_code > 0;
	siglongjmp(back_here, 1);
}

static void *set_in_turn(void *arg)
{
	struct sigaction plain = { .sa_handler = jump_here };
	struct sigaction full = { .sa_sigaction = jump_here_if_true,
				  .sa_flags = SA_SIGINFO };

	(void)arg;
	while (!atomic_load(&done)) {
		sigaction(SIGSEGV, &plain, NULL);
		sigaction(SIGSEGV, &full, NULL);
	}
	return NULL;
}

static void fault_meanwhile(void)
{
	pthread_t threads[2];

	signal(SIGSEGV, jump_here);
	block = said_block(LEN);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, set_in_turn, NULL);
	for (volatile int i = 0; i < 10000; i++)
		if (sigsetjmp(back_here, 1) == 0)
			touch_guard(0);
	atomic_store(&done, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(nr_good, 10000);
}

static void another_thread_may_set_them_at_any_time(void)
{
	if (!can_fault())
		SKIP("the kernel has no guard markers");
	check(fault_meanwhile, 0, 1);
}

static const struct test tests[] = {
	{ "handlers follow the report", handlers_follow_the_report },
	{ "handlers may jump out or return", handlers_may_jump_out_or_return },
	{ "other signals are not explained", other_signals_are_not_explained },
	{ "flags do what they say", flags_do_what_they_say },
	{ "what is set is what is told", what_is_set_is_what_is_told },
	{ "what is ignored stays so", what_is_ignored_stays_so },
	{ "children have their own", children_have_their_own },
	{ "another thread may set them at any time",
	  another_thread_may_set_them_at_any_time },
};

static const struct test parts[] = {
	{ "[inherited]", ask_inherited },
};

int main(int argc, char **argv)
{
	if (argc == 2 && argv[1][0] == '[')
		return test_main(argc, argv, parts, TEST_COUNT(parts));
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
