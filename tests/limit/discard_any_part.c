// SPDX-License-Identifier: MIT
/*
 * At the limit any part of a map can be discarded: it is no longer resident
 * and reads as zeros, the rest has its contents.
 */
#include "test.h"

#include "extra.h"
#include "surefree.h"

#define NR_PAGES 64

static void prepare(struct extra_work *work)
{
	work->len = NR_PAGES * test_page();
	work->addr = surefree_map(work->len, 0);
	if (CHECK(work->addr != NULL))
		extra_set(work->addr, work->len, 'd');
}

static void discard_part(struct extra_work *work, size_t first, size_t nr)
{
	size_t page = test_page();
	char *part = work->addr + first * page;
	char *rest = part + nr * page;
	size_t rest_len = (size_t)(work->addr + work->len - rest);

	extra_discard(part, nr * page);
	CHECK_EQ(test_resident(part, nr * page), 0);
	extra_is(work->addr, first * page, 'd');
	extra_is(part, nr * page, 0);
	extra_is(rest, rest_len, 'd');
	extra_set(part, nr * page, 'e');
	extra_is(part, nr * page, 'e');
	extra_unmap(work->addr, work->len);
	if (!work->shared)
		extra_check_released(work->addr, work->len);
}

static void act_head(struct extra_work *work)
{
	discard_part(work, 0, 16);
}

static void act_middle(struct extra_work *work)
{
	discard_part(work, 24, 16);
}

static void act_tail(struct extra_work *work)
{
	discard_part(work, 48, 16);
}

static void act_whole(struct extra_work *work)
{
	discard_part(work, 0, NR_PAGES);
}

static void the_head_can_be_discarded(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act_head });
}

static void the_middle_can_be_discarded(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act_middle });
}

static void the_tail_can_be_discarded(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act_tail });
}

static void the_whole_can_be_discarded(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act_whole });
}

static void above_the_limit_the_middle_can_be_discarded(void)
{
	extra_above_limit(&(struct extra_case){ prepare, act_middle });
}

static void discarding_nothing_does_nothing(void)
{
	size_t page = test_page();
	char *p = surefree_map(page, 0);

	if (!CHECK(p != NULL))
		return;
	*p = 'x';
	extra_discard(p, 0);
	CHECK_EQ(*p, 'x');
	extra_unmap(p, page);
}

static const struct test tests[] = {
	{ "the head can be discarded", the_head_can_be_discarded },
	{ "the middle can be discarded", the_middle_can_be_discarded },
	{ "the tail can be discarded", the_tail_can_be_discarded },
	{ "the whole can be discarded", the_whole_can_be_discarded },
	{ "one above the limit the middle can be discarded",
	  above_the_limit_the_middle_can_be_discarded },
	{ "discarding nothing does nothing", discarding_nothing_does_nothing },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
