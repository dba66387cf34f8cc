// SPDX-License-Identifier: MIT
/*
 * At the limit any part of a map can be released, which is what munmap()
 * refuses: the part is gone, the rest has its contents.
 */
#include "test.h"

#include <string.h>

#include "extra.h"
#include "surefree.h"

#define NR_PAGES 64

static void prepare(struct extra_work *work)
{
	work->len = NR_PAGES * test_page();
	work->addr = surefree_map(work->len, 0);
	if (CHECK(work->addr != NULL)) {
		extra_is(work->addr, work->len, 0);
		extra_set(work->addr, work->len, 'a');
	}
}

/* Release [first, first + nr) of the pages, then what is left of them. */
static void unmap_part(struct extra_work *work, size_t first, size_t nr)
{
	size_t page = test_page();
	char *part = work->addr + first * page;
	char *rest = part + nr * page;
	size_t rest_len = (size_t)(work->addr + work->len - rest);

	extra_unmap(part, nr * page);
	if (!work->shared)
		extra_check_released(part, nr * page);
	extra_is(work->addr, first * page, 'a');
	extra_is(rest, rest_len, 'a');
	if (first > 0)
		extra_unmap(work->addr, first * page);
	if (rest_len > 0)
		extra_unmap(rest, rest_len);
	if (!work->shared)
		extra_check_released(work->addr, work->len);
}

static void act_head(struct extra_work *work)
{
	unmap_part(work, 0, 16);
}

static void act_middle(struct extra_work *work)
{
	unmap_part(work, 24, 16);
}

static void act_tail(struct extra_work *work)
{
	unmap_part(work, 48, 16);
}

static void act_whole(struct extra_work *work)
{
	unmap_part(work, 0, NR_PAGES);
}

static void act_every_second_page(struct extra_work *work)
{
	size_t page = test_page();

	for (size_t i = 0; i < NR_PAGES; i += 2)
		extra_unmap(work->addr + i * page, page);
	for (size_t i = 0; i < NR_PAGES; i += 2)
		if (!work->shared)
			extra_check_released(work->addr + i * page, page);
	for (size_t i = 1; i < NR_PAGES; i += 2) {
		extra_is(work->addr + i * page, page, 'a');
		extra_unmap(work->addr + i * page, page);
	}
}

static void the_head_can_be_unmapped(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act_head });
}

static void the_middle_can_be_unmapped(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act_middle });
}

static void the_tail_can_be_unmapped(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act_tail });
}

static void the_whole_can_be_unmapped(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act_whole });
}

static void every_second_page_can_be_unmapped(void)
{
	extra_at_limit(&(struct extra_case){ prepare, act_every_second_page });
}

/* Map ranges of four pages until three lie side by side. */
static void prepare_neighbours(struct extra_work *work)
{
	size_t len = 4 * test_page();
	char *maps[64];
	int nr = 0;
	int found = -1;

	while (nr < 64 && found < 0) {
		maps[nr] = surefree_map(len, 0);
		if (!CHECK(maps[nr] != NULL))
			return;
		extra_set(maps[nr], len, 'n');
		nr++;
		if (nr >= 3 && maps[nr - 2] == maps[nr - 3] + len &&
		    maps[nr - 1] == maps[nr - 2] + len)
			found = nr - 3;
	}
	for (int i = 0; i < nr; i++)
		if (i < found || found < 0)
			extra_unmap(maps[i], len);
	work->len = found < 0 ? 0 : 3 * len;
	work->addr = found < 0 ? NULL : maps[found];
	CHECK(found >= 0 || work->shared);
}

static void act_across(struct extra_work *work)
{
	size_t page = test_page();

	if (work->len == 0)
		return; /* other threads took the places between */
	extra_unmap(work->addr + page, work->len - 2 * page);
	if (!work->shared)
		extra_check_released(work->addr + page, work->len - 2 * page);
	extra_is(work->addr, page, 'n');
	extra_is(work->addr + work->len - page, page, 'n');
	extra_unmap(work->addr, page);
	extra_unmap(work->addr + work->len - page, page);
}

static void several_neighbours_can_be_unmapped_by_one_call(void)
{
	extra_at_limit(&(struct extra_case){ prepare_neighbours, act_across });
}

static void prepare_large(struct extra_work *work)
{
	work->len = (size_t)6 << 20;
	work->addr = surefree_map(work->len, 0);
	if (CHECK(work->addr != NULL))
		extra_set(work->addr, work->len, 'l');
}

static void act_large(struct extra_work *work)
{
	size_t page = test_page();

	extra_unmap(work->addr + page, work->len - 2 * page);
	if (!work->shared)
		extra_check_released(work->addr + page, work->len - 2 * page);
	extra_is(work->addr, page, 'l');
	extra_is(work->addr + work->len - page, page, 'l');
	extra_unmap(work->addr, page);
	extra_unmap(work->addr + work->len - page, page);
}

static void the_middle_of_six_mib_can_be_unmapped(void)
{
	extra_at_limit(&(struct extra_case){ prepare_large, act_large });
}

static void above_the_limit_the_middle_can_be_unmapped(void)
{
	extra_above_limit(&(struct extra_case){ prepare, act_middle });
}

static const struct test tests[] = {
	{ "the head can be unmapped", the_head_can_be_unmapped },
	{ "the middle can be unmapped", the_middle_can_be_unmapped },
	{ "the tail can be unmapped", the_tail_can_be_unmapped },
	{ "the whole can be unmapped", the_whole_can_be_unmapped },
	{ "every second page can be unmapped",
	  every_second_page_can_be_unmapped },
	{ "several neighbours can be unmapped by one call",
	  several_neighbours_can_be_unmapped_by_one_call },
	{ "the middle of 6 MiB can be unmapped",
	  the_middle_of_six_mib_can_be_unmapped },
	{ "one above the limit the middle can be unmapped",
	  above_the_limit_the_middle_can_be_unmapped },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
