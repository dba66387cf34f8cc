// SPDX-License-Identifier: MIT
/*
 * At the limit a map can be made shorter and longer, in place and by moving:
 * the kept part has its contents, new bytes are zero.
 */
#include "test.h"

#include <errno.h>

#include "extra.h"
#include "surefree.h"

#define NR_PAGES 32

static void prepare(struct extra_work *work)
{
	work->len = NR_PAGES * test_page();
	work->addr = surefree_map(work->len, 0);
	if (CHECK(work->addr != NULL))
		extra_set(work->addr, work->len, 'r');
}

static void act_shrink(struct extra_work *work)
{
	size_t len = 10 * test_page();
	char *p = surefree_remap(work->addr, work->len, len, 0);

	CHECK_EQ(p, work->addr);
	extra_is(work->addr, len, 'r');
	if (!work->shared)
		extra_check_released(work->addr + len, work->len - len);
	extra_unmap(work->addr, len);
}

static void act_shrink_inside(struct extra_work *work)
{
	size_t page = test_page();
	char *part = work->addr + 8 * page;
	char *p = surefree_remap(part, 8 * page, 3 * page, 0);

	CHECK_EQ(p, part);
	extra_is(work->addr, 11 * page, 'r');
	if (!work->shared)
		extra_check_released(part + 3 * page, 5 * page);
	extra_is(work->addr + 16 * page, work->len - 16 * page, 'r');
	extra_unmap(work->addr, 11 * page);
	extra_unmap(work->addr + 16 * page, work->len - 16 * page);
}

static void act_grow_in_place(struct extra_work *work)
{
	size_t page = test_page();
	size_t len = work->len - 4 * page;
	char *p;

	extra_unmap(work->addr + len, 4 * page);
	p = surefree_remap(work->addr, len, work->len, SUREFREE_NOMOVE);
	if (p == NULL) {
		CHECK_EQ(errno, ENOMEM);
		CHECK(work->shared); /* another thread took the place */
		extra_unmap(work->addr, len);
		return;
	}
	CHECK_EQ(p, work->addr);
	extra_is(p, len, 'r');
	extra_is(p + len, 4 * page, 0);
	extra_unmap(p, work->len);
}

static void act_move(struct extra_work *work)
{
	size_t page = test_page();
	size_t len = 8 * page;
	char *p;

	/* The neighbouring pages are taken: it has to move. */
	p = surefree_remap(work->addr, len, len, SUREFREE_NOMOVE);
	CHECK_EQ(p, work->addr);
	p = surefree_remap(work->addr, len, 2 * len, SUREFREE_NOMOVE);
	CHECK(p == NULL && errno == ENOMEM);
	p = surefree_remap(work->addr, len, 2 * len, 0);
	if (!CHECK(p != NULL))
		return;
	CHECK_NE(p, work->addr);
	if (!work->shared)
		extra_check_released(work->addr, len);
	extra_is(p, len, 'r');
	extra_is(p + len, len, 0);
	extra_is(work->addr + len, work->len - len, 'r');
	extra_unmap(p, 2 * len);
	extra_unmap(work->addr + len, work->len - len);
}

static void a_map_can_shrink(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act_shrink });
}

static void a_part_in_the_middle_can_shrink(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act_shrink_inside });
}

static void a_map_can_grow_in_place(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act_grow_in_place });
}

static void a_map_can_grow_by_moving(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act_move });
}

static void above_the_limit_a_map_can_shrink(void)
{
	extra_above_limit(&(struct extra_case){ prepare, act_shrink });
}

static void a_move_leaves_untouched_pages_untouched(void)
{
	size_t page = test_page();
	size_t len = 1024 * page;
	char *p = surefree_map(len + page, 0);
	char *q;

	if (!CHECK(p != NULL))
		return;
	p[0] = 'a';
	p[len - 1] = 'z';
	q = surefree_remap(p, len, 2 * len, 0);
	if (CHECK(q != NULL)) {
		CHECK_EQ(test_resident(q, 2 * len), 2 * page);
		CHECK_EQ(q[0], 'a');
		CHECK_EQ(q[len - 1], 'z');
	}
}

/* One that moved has room for as much again, which others do not take. */
static void those_that_grow_in_turn_seldom_move(void)
{
	enum { NR = 8 };
	struct surefree_stats stats = { .size = sizeof(stats) };
	size_t page = test_page();
	size_t len = 16 * page;
	char *maps[NR];
	uint64_t before;

	if (test_is_limited())
		SKIP("memory is limited: maps lie close together");
	CHECK_OK(surefree_stats(&stats));
	before = stats.nr_moved;
	for (size_t i = 0; i < NR; i++) {
		maps[i] = surefree_map(len, 0);
		if (!CHECK(maps[i] != NULL))
			return;
	}
	while (len < 1024 * page) {
		size_t more = len / 8 / page * page;

		for (size_t i = 0; i < NR; i++) {
			maps[i] = surefree_remap(maps[i], len, len + more, 0);
			if (!CHECK(maps[i] != NULL))
				return;
		}
		len += more;
	}
	CHECK_OK(surefree_stats(&stats));
	/* The first time, and when the length has doubled, six times. */
	CHECK_LE(stats.nr_moved - before, NR * (1 + 6));
	for (size_t i = 0; i < NR; i++)
		surefree_unmap(maps[i], len);
}

static const struct test tests[] = {
	{ "a map can shrink", a_map_can_shrink },
	{ "a part in the middle can shrink", a_part_in_the_middle_can_shrink },
	{ "a map can grow in place", a_map_can_grow_in_place },
	{ "a map can grow by moving", a_map_can_grow_by_moving },
	{ "one above the limit a map can shrink",
	  above_the_limit_a_map_can_shrink },
	{ "those that grow in turn seldom move",
	  those_that_grow_in_turn_seldom_move },
	{ "a move leaves untouched pages untouched",
	  a_move_leaves_untouched_pages_untouched },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
