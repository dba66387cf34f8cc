// SPDX-License-Identifier: MIT
/*
 * A thread has the stack and the guard that its attributes ask for, and
 * pthread_getattr_np() tells the same as without the drop-in.
 */
#include "test.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "threads.h"

#define DEEP_LEN ((size_t)256 << 10)

static void *tell_stack(void *arg)
{
	struct stack *stack = arg;
	char here;

	*stack = threads_stack(pthread_self());
	CHECK(&here > stack->addr && &here < stack->addr + stack->len);
	/* A thread knows no other's lowest address before it is told. */
	CHECK_EQ(test_touches(stack->addr), 0);
	return NULL;
}

static struct stack stack_of(const pthread_attr_t *attr)
{
	struct stack stack = { 0 };
	pthread_t thread;

	if (threads_start(&thread, attr, tell_stack, &stack))
		CHECK_EQ(pthread_join(thread, NULL), 0);
	return stack;
}

static void check_len(size_t len)
{
	pthread_attr_t attr;
	struct stack stack;

	pthread_attr_init(&attr);
	CHECK_EQ(pthread_attr_setstacksize(&attr, len), 0);
	stack = stack_of(&attr);
	CHECK_EQ(stack.len, len & ~(size_t)63);
	CHECK_EQ(stack.guard_len, test_page());
	CHECK_EQ((size_t)stack.addr % test_page(), 0);
}

static void any_length_is_had(void)
{
	size_t min = (size_t)sysconf(_SC_THREAD_STACK_MIN);

	check_len(min);
	check_len(min + 100);
	check_len(min + 4096);
	check_len((size_t)1 << 20);
	check_len(((size_t)1 << 20) + 12345);
	check_len((size_t)64 << 20);
	check_len((size_t)3 << 30);
}

static void the_default_follows_the_resource_limit(void)
{
	struct rlimit limit;
	pthread_attr_t attr;
	struct stack stack = stack_of(NULL);

	CHECK_EQ(getrlimit(RLIMIT_STACK, &limit), 0);
	if (limit.rlim_cur != RLIM_INFINITY)
		CHECK_EQ(stack.len, limit.rlim_cur);
	CHECK_EQ(stack.guard_len, test_page());

	pthread_attr_init(&attr);
	CHECK_EQ(stack_of(&attr).len, stack.len);
	pthread_attr_setstacksize(&attr, (size_t)3 << 20);
	CHECK_EQ(pthread_setattr_default_np(&attr), 0);
	/* The C library may give a larger one that it has kept. */
	CHECK_GE(stack_of(NULL).len, (size_t)3 << 20);
}

static void guards_are_told_as_asked_for(void)
{
	size_t page = test_page();
	size_t asked[] = { 0, 1, page, page + 1, 16 * page, 1000 * page };
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	for (size_t i = 0; i < 6; i++) {
		CHECK_EQ(pthread_attr_setguardsize(&attr, asked[i]), 0);
		CHECK_EQ(stack_of(&attr).guard_len,
			 (asked[i] + page - 1) / page * page);
	}
}

/* What is told of a thread that has not begun yet. */
static void *wait_for(void *arg)
{
	pthread_barrier_wait(arg);
	return NULL;
}

static void others_are_told_the_same(void)
{
	pthread_barrier_t barrier;
	pthread_attr_t attr;
	pthread_t thread;
	struct stack stack;

	pthread_barrier_init(&barrier, NULL, 2);
	pthread_attr_init(&attr);
	pthread_attr_setguardsize(&attr, 3 * test_page());
	pthread_attr_setstacksize(&attr, (size_t)1 << 20);
	for (int i = 0; i < 100; i++) {
		if (!threads_start(&thread, &attr, wait_for, &barrier))
			return;
		stack = threads_stack(thread);
		CHECK_EQ(stack.len, (size_t)1 << 20);
		CHECK_EQ(stack.guard_len, 3 * test_page());
		pthread_barrier_wait(&barrier);
		pthread_join(thread, NULL);
	}
	CHECK_GT(threads_stack(pthread_self()).len, 0);
}

/*
 * Guards
 */

static void *touch_guard(void *arg)
{
	struct stack stack = threads_stack(pthread_self());
	size_t page = test_page();

	(void)arg;
	CHECK_EQ(test_touches(stack.addr), 0);
	for (size_t at = 1; at <= stack.guard_len; at += page / 2)
		CHECK_NE(test_touches(stack.addr - at), 0);
	return NULL;
}

static void touching_a_guard_faults(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (!threads_have_guard() && threads_tested())
		SKIP("no guard markers, and the C library's way is not ours");
	pthread_attr_init(&attr);
	for (size_t nr = 1; nr < 40; nr = nr * 3 + 1) {
		pthread_attr_setguardsize(&attr, nr * test_page());
		for (int i = 0; i < 3; i++)
			if (threads_start(&thread, &attr, touch_guard, NULL))
				pthread_join(thread, NULL);
	}
}

static int __attribute__((noinline)) recurse(int depth)
{
	volatile char bytes[1024];

	bytes[0] = (char)depth;
	return depth < 0 ? bytes[0] : recurse(depth + 1) + bytes[0];
}

static void *recurse_for_ever(void *arg)
{
	return arg + recurse(0);
}

static int overflow(void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, arg, recurse_for_ever, NULL) != 0)
		return 1;
	pthread_join(thread, NULL);
	return 0;
}

static void a_stack_that_overflows_ends_the_process(void)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	CHECK_EQ(test_in_child(overflow, &attr), -SIGSEGV);
	pthread_attr_setguardsize(&attr, 64 * test_page());
	CHECK_EQ(test_in_child(overflow, &attr), -SIGSEGV);
}

static void *use_all(void *arg)
{
	struct stack *stack = arg;
	char here;

	*stack = threads_stack(pthread_self());
	CHECK_EQ(threads_use_stack((size_t)(&here - stack->addr) - 4096), 1);
	return NULL;
}

static void all_of_it_can_be_used(void)
{
	size_t lens[] = { DEEP_LEN, DEEP_LEN + 12345, (size_t)8 << 20 };
	pthread_attr_t attr;
	pthread_t thread;
	struct stack stack;

	pthread_attr_init(&attr);
	for (size_t i = 0; i < 9; i++) {
		pthread_attr_setstacksize(&attr, lens[i % 3]);
		pthread_attr_setguardsize(&attr, i / 3 * test_page());
		if (threads_start(&thread, &attr, use_all, &stack))
			pthread_join(thread, NULL);
		CHECK_GE(stack.len, lens[i % 3] & ~(size_t)63);
	}
}

/*
 * All else in the attributes
 */

static void *tell_policy(void *arg)
{
	cpu_set_t cpus;

	CHECK_EQ(pthread_getaffinity_np(pthread_self(), sizeof(cpus), &cpus),
		 0);
	CHECK_EQ(CPU_COUNT(&cpus), 1);
	*(bool *)arg = true;
	return NULL;
}

static void other_attributes_have_their_effect(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	cpu_set_t cpus;
	bool was_there = false;
	size_t cpu;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	for (cpu = 0; !CPU_ISSET(cpu, &cpus); cpu++)
		;
	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	pthread_attr_init(&attr);
	CHECK_EQ(pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus), 0);
	for (int i = 0; i < 10; i++) {
		if (!threads_start(&thread, &attr, tell_policy, &was_there))
			return;
		pthread_join(thread, NULL);
		CHECK(was_there);
	}
	/* They are the caller's still. */
	CHECK_EQ(pthread_attr_getaffinity_np(&attr, sizeof(cpus), &cpus), 0);
	CHECK_EQ(CPU_COUNT(&cpus), 1);
	CHECK_EQ(pthread_attr_destroy(&attr), 0);
}

/* No CPU has this number: made, then refused; glibc lets it end. */
static void a_refused_thread_leaves_nothing(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(CPU_SETSIZE - 1, &cpus);
	pthread_attr_init(&attr);
	CHECK_EQ(pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus), 0);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(pthread_create(&thread, &attr, tell_policy, NULL),
			 EINVAL);
	any_length_is_had();
	if (threads_tested())
		CHECK_LT(threads_stats().used_len, 1 << 20);
}

static void *tell_own(void *arg)
{
	struct stack stack = threads_stack(pthread_self());

	CHECK_EQ(stack.addr, arg);
	CHECK_EQ(stack.len, DEEP_LEN);
	CHECK_EQ(stack.guard_len, 0);
	threads_use_stack(DEEP_LEN / 2);
	return NULL;
}

static void a_stack_of_the_programs_own_is_used(void)
{
	char *stack = mmap(NULL, DEEP_LEN, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_attr_t attr;
	pthread_t thread;

	CHECK(stack != MAP_FAILED);
	pthread_attr_init(&attr);
	CHECK_EQ(pthread_attr_setstack(&attr, stack, DEEP_LEN), 0);
	for (int i = 0; i < 5; i++)
		if (threads_start(&thread, &attr, tell_own, stack))
			pthread_join(thread, NULL);
	/* It is the program's still. */
	CHECK_GE(test_resident(stack, DEEP_LEN), DEEP_LEN / 2);
	munmap(stack, DEEP_LEN);
}

static void bad_attributes_are_refused(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	CHECK_EQ(pthread_attr_setguardsize(&attr, SIZE_MAX - 100), 0);
	CHECK_EQ(pthread_create(&thread, &attr, tell_own, NULL), EINVAL);
	CHECK_EQ(pthread_attr_setstacksize(&attr, 100), EINVAL);
}

static const struct test tests[] = {
	{ "any length is had", any_length_is_had },
	{ "the default follows the resource limit, and can be set",
	  the_default_follows_the_resource_limit },
	{ "guards are told as asked for", guards_are_told_as_asked_for },
	{ "others are told the same", others_are_told_the_same },
	{ "touching a guard faults", touching_a_guard_faults },
	{ "a stack that overflows ends the process",
	  a_stack_that_overflows_ends_the_process },
	{ "all of it can be used", all_of_it_can_be_used },
	{ "other attributes have their effect",
	  other_attributes_have_their_effect },
	{ "a refused thread leaves nothing", a_refused_thread_leaves_nothing },
	{ "a stack of the program's own is used",
	  a_stack_of_the_programs_own_is_used },
	{ "bad attributes are refused", bad_attributes_are_refused },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
