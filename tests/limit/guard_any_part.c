// SPDX-License-Identifier: MIT
/*
 * At the limit any part of a map can be made inaccessible and accessible
 * again; without guard markers the call says ENOTSUP and changes nothing.
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
		extra_set(work->addr, work->len, 'g');
}

static void act(struct extra_work *work)
{
	size_t page = test_page();
	char *part = work->addr + 10 * page;
	size_t len = 5 * page;

	if (!test_has_guard()) {
		CHECK_ERRNO(surefree_guard(part, len), ENOTSUP);
		extra_is(work->addr, work->len, 'g');
		extra_unmap(work->addr, work->len);
		return;
	}
	CHECK_OK(surefree_guard(part, len));
	CHECK_EQ(test_resident(part, len), 0);
	for (char *p = part; p < part + len; p += page)
		CHECK_EQ(test_touches(p), 1);
	extra_is(work->addr, 10 * page, 'g');
	extra_is(part + len, work->len - 15 * page, 'g');
	/* Discarding leaves guards in place. */
	extra_discard(work->addr, work->len);
	CHECK_EQ(test_touches(part), 1);
	CHECK_EQ(test_touches(part + len - 1), 1);
	CHECK_OK(surefree_unguard(part, 2 * page));
	extra_is(part, 2 * page, 0);
	extra_set(part, 2 * page, 'h');
	CHECK_EQ(test_touches(part + 2 * page), 1);
	extra_unmap(work->addr, work->len);
	if (!work->shared)
		extra_check_released(work->addr, work->len);
}

static void a_part_can_be_guarded_and_unguarded(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act });
}

static void above_the_limit_a_part_can_be_guarded(void)
{
	extra_above_limit(&(struct extra_case){ prepare, act });
}

static void released_guards_do_not_come_back(void)
{
	size_t page = test_page();
	char *p = surefree_map(4 * page, 0);
	char *q;

	if (!test_has_guard())
		SKIP("this kernel has no guard markers");
	if (!CHECK(p != NULL) || !CHECK_OK(surefree_guard(p, 4 * page)))
		return;
	extra_unmap(p, 4 * page);
	for (int i = 0; i < 16; i++) {
		q = surefree_map(4 * page, 0);
		if (CHECK(q != NULL))
			extra_is(q, 4 * page, 0);
	}
}

static void without_traps_guards_are_refused(void)
{
	size_t page = test_page();
	char *p;

	CHECK_OK(surefree_set("trap", "off"));
	p = surefree_map(page, 0);
	if (!CHECK(p != NULL))
		return;
	CHECK_ERRNO(surefree_guard(p, page), ENOTSUP);
	CHECK(surefree_map(page, SUREFREE_GUARDED) == NULL && errno == ENOTSUP);
	CHECK_EQ(extra_stats().trap, test_has_guard() ?
					     SUREFREE_TRAP_OFF_OPTION :
					     SUREFREE_TRAP_OFF_KERNEL);
	extra_unmap(p, page);
	CHECK_EQ(test_resident(p, page), 0);
}

static const struct test tests[] = {
	{ "a part can be guarded and unguarded",
	  a_part_can_be_guarded_and_unguarded },
	{ "one above the limit a part can be guarded",
	  above_the_limit_a_part_can_be_guarded },
	{ "released guards do not come back",
	  released_guards_do_not_come_back },
	{ "without traps guards are refused",
	  without_traps_guards_are_refused },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
