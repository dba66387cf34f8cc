// SPDX-License-Identifier: MIT
/*
 * At the limit stacks can be had, trimmed and released, with a guard below
 * each where there are guard markers.
 */
#include "test.h"

#include <errno.h>

#include "extra.h"
#include "surefree.h"

#define STACK_LEN  ((size_t)64 << 10)
#define ERRNO_KEPT 4242

static void prepare(struct extra_work *work)
{
	struct surefree_stack *stack = &work->stack;
	char *addr;

	if (!CHECK_OK(surefree_stack_map(STACK_LEN, stack)))
		return;
	addr = stack->addr;
	CHECK_EQ(stack->len, STACK_LEN);
	if (test_has_guard()) {
		CHECK_GE(stack->guard_len, test_page());
		CHECK_EQ(test_touches(addr - 1), 1);
		CHECK_EQ(test_touches(addr - stack->guard_len), 1);
	} else {
		CHECK_EQ(stack->guard_len, 0);
	}
	extra_set(addr, stack->len, 's');
}

static void unmap_stack(struct extra_work *work)
{
	errno = ERRNO_KEPT;
	surefree_stack_unmap(&work->stack);
	CHECK_EQ(errno, ERRNO_KEPT);
	if (!work->shared)
		CHECK_EQ(test_resident(work->stack.addr, STACK_LEN), 0);
}

static void act_unmap(struct extra_work *work)
{
	extra_is(work->stack.addr, STACK_LEN, 's');
	unmap_stack(work);
}

static void act_trim(struct extra_work *work)
{
	size_t page = test_page();
	char *addr = work->stack.addr;
	char *sp = addr + STACK_LEN / 2 + 128;
	size_t len = surefree_stack_trim(&work->stack, sp);

	CHECK_EQ(len, STACK_LEN / 2);
	CHECK_EQ(test_resident(addr, STACK_LEN / 2), 0);
	extra_is(addr, STACK_LEN / 2, 0);
	extra_is(addr + STACK_LEN / 2, STACK_LEN / 2, 's');
	if (test_has_guard())
		CHECK_EQ(test_touches(addr - 1), 1);
	/* One byte lower, sp - 128 is in the page below: that one stays. */
	extra_set(addr, STACK_LEN, 't');
	len = surefree_stack_trim(&work->stack, sp - 1);
	CHECK_EQ(len, STACK_LEN / 2 - page);
	CHECK_EQ(surefree_stack_trim(&work->stack, addr + 10), 0);
	CHECK_EQ(surefree_stack_trim(&work->stack, NULL), STACK_LEN);
	CHECK_EQ(test_resident(addr, STACK_LEN), 0);
	unmap_stack(work);
}

/* The same addresses come back, guarded, and hold what one may write. */
static void act_again(struct extra_work *work)
{
	for (int i = 0; i < 8; i++) {
		unmap_stack(work);
		prepare(work);
	}
	unmap_stack(work);
}

static void stacks_can_be_mapped_and_unmapped(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act_unmap });
}

static void stacks_can_be_trimmed(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act_trim });
}

static void stacks_can_be_taken_up_again(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act_again });
}

static void above_the_limit_stacks_can_be_taken_up_again(void)
{
	extra_above_limit(&(struct extra_case){ prepare, act_again });
}

static void stacks_do_not_overlap(void)
{
	static struct surefree_stack stacks[1000];

	for (int i = 0; i < 1000; i++) {
		size_t len = (size_t)(1 + i % 5) * 4 * test_page();

		if (!CHECK_OK(surefree_stack_map(len, &stacks[i])))
			return;
		CHECK_EQ(stacks[i].len, len);
		extra_set(stacks[i].addr, len, i % 127 + 1);
	}
	for (int i = 0; i < 1000; i++) {
		extra_is(stacks[i].addr, stacks[i].len, i % 127 + 1);
		surefree_stack_unmap(&stacks[i]);
	}
	CHECK_EQ(extra_stats().used_len, 0);
}

static void a_stack_missing_its_guard_is_counted(void)
{
	struct surefree_stack stack;

	CHECK_OK(surefree_set("trap", "off"));
	if (!CHECK_OK(surefree_stack_map(STACK_LEN, &stack)))
		return;
	CHECK_EQ(stack.guard_len, 0);
	CHECK_EQ(extra_stats().nr_guards_missing, 1);
	surefree_stack_unmap(&stack);
}

static const struct test tests[] = {
	{ "stacks can be mapped and unmapped",
	  stacks_can_be_mapped_and_unmapped },
	{ "stacks can be trimmed", stacks_can_be_trimmed },
	{ "stacks can be taken up again", stacks_can_be_taken_up_again },
	{ "one above the limit stacks can be taken up again",
	  above_the_limit_stacks_can_be_taken_up_again },
	{ "stacks do not overlap", stacks_do_not_overlap },
	{ "a stack missing its guard is counted",
	  a_stack_missing_its_guard_is_counted },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
