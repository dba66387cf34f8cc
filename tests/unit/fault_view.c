// SPDX-License-Identifier: MIT
/*
 * vm/view: views are refused while mappings are left for others, go as they
 * came, and leave their place reserved whatever is refused.
 */
#include "vm/view.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "aborts.h"
#include "base/option.h"
#include "refuse.h"
#include "test.h"
#include "vm/account.h"
#include "vm/state.h"

#define NR_PAGES 3

/* si_code of what happens at an address. */
#define UNMAPPED  1
#define PROTECTED 2

static int file;
static struct sf_extent view;

static bool open_file(void)
{
	sf_state_init();
	file = memfd_create("view", MFD_CLOEXEC);
	return CHECK_GE(file, 0) &&
	       CHECK_OK(ftruncate(file, 64 * (off_t)sf_page_size)) &&
	       CHECK_EQ(pwrite(file, "view", 4, 0), 4);
}

static int map(struct sf_extent *out)
{
	return sf_view_map(file, 0, NR_PAGES, PROT_READ | PROT_WRITE,
			   MAP_SHARED, out);
}

static char *addr_of(const struct sf_extent *extent)
{
	return (char *)sf_extent_addr(extent);
}

static bool map_first(void)
{
	return open_file() && CHECK_EQ(map(&view), 0) &&
	       CHECK_EQ(memcmp(addr_of(&view), "view", 4), 0);
}

static void check_sound(void)
{
	CHECK_EQ(view.region->nr_busy, 0);
	sf_region_check(view.region);
}

static void a_view_stands_between_reserved_pages(void)
{
	struct sf_extent second;

	if (!map_first() || !CHECK_EQ(map(&second), 0))
		return;
	CHECK_EQ(test_reads(addr_of(&view) - 1), PROTECTED);
	CHECK_EQ(test_reads(addr_of(&view) + sf_extent_len(&view)), PROTECTED);
	CHECK_EQ(second.region, view.region);
	CHECK_GT(second.first, view.first + view.nr);
	CHECK_EQ(view.region->kind, SF_REGION_VIEW);
	CHECK_EQ(view.region->nr_used, 2 * NR_PAGES);
	check_sound();
}

static void releasing_gives_mappings_and_addresses_back(void)
{
	struct sf_extent again;
	long before;

	if (!map_first())
		return;
	before = test_mappings();
	for (int i = 0; i < 3; i++) {
		sf_view_unmap("view", &view);
		CHECK_EQ(test_reads(addr_of(&view)), PROTECTED);
		CHECK_LT(test_mappings(), before);
		CHECK(!sf_tree_any(&view.region->tree, 0, view.region->nr_pages,
				   SF_TAKEN));
		if (!CHECK_EQ(map(&again), 0))
			return;
		CHECK_EQ(again.first, view.first);
		CHECK_EQ(test_mappings(), before);
	}
	check_sound();
}

static void views_leave_mappings_for_others(void)
{
	size_t spare;
	int nr = 0;

	if (!map_first())
		return;
	spare = (size_t)(test_limit() - test_mappings());
	/* Fewer left than are to be left: none more. */
	atomic_store(&sf_options[SF_OPTION_VIEW_RESERVE], spare + 1);
	while (map(&view) == 0 && nr < 2000)
		nr++;
	CHECK_LE(nr, 1024);
	CHECK_EQ(map(&view), -ENOSPC);
	CHECK_EQ(map(&view), -ENOSPC);
	CHECK_EQ(sf_counters[SF_COUNT_VIEWS_REFUSED], 3);
	atomic_store(&sf_options[SF_OPTION_VIEW_RESERVE], 64);
	CHECK_EQ(map(&view), 0);
	check_sound();
}

static void the_first_view_beyond_the_reserve_is_refused(void)
{
	size_t spare;

	if (!open_file())
		return;
	/* The region of views takes mappings too; have it. */
	CHECK_EQ(sf_state_add_region(SF_REGION_VIEW, 1, 1), 0);
	view.region = sf_state_region(1);
	CHECK_EQ(sf_region_grow(view.region, 1000), 0);
	spare = (size_t)(test_limit() - test_mappings());
	atomic_store(&sf_options[SF_OPTION_VIEW_RESERVE], spare - 1);
	CHECK_EQ(map(&view), -ENOSPC);
	atomic_store(&sf_options[SF_OPTION_VIEW_RESERVE], spare - 2);
	CHECK_EQ(map(&view), 0);
	CHECK_EQ(map(&view), -ENOSPC);
}

/* Counting takes long where there are many mappings. */
static void mappings_are_not_counted_for_each_view(void)
{
	int nr = 500;

	if (!map_first())
		return;
	refuse(__NR_openat, ENOENT, REFUSE_ALWAYS, 0);
	for (int i = 0; i < nr; i++)
		CHECK_EQ(map(&view), 0);
	/* Two files a count, one count a second besides. */
	CHECK_LT(refuse_seen(), nr / 4);
}

static void without_proc_the_kernel_decides(void)
{
	if (!open_file())
		return;
	refuse(__NR_openat, EACCES, 0, REFUSE_ALWAYS);
	CHECK_EQ(map(&view), 0);
	CHECK_EQ(map(&view), 0);
	atomic_store(&sf_options[SF_OPTION_VIEW_RESERVE], 1000000);
	CHECK_EQ(map(&view), 0);
	check_sound();
}

static void what_the_kernel_refuses_leaves_nothing_behind(void)
{
	struct sf_extent refused;
	long before;

	if (!map_first())
		return;
	before = test_mappings();
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(sf_view_map(-1, 0, NR_PAGES, PROT_READ, MAP_SHARED,
				     &refused),
			 -EBADF);
		CHECK_EQ(test_mappings(), before);
		CHECK_EQ(view.region->nr_used, NR_PAGES);
	}
	/* Odd offsets are refused before the place is cleared. */
	CHECK_EQ(sf_view_map(file, 1, NR_PAGES, PROT_READ, MAP_SHARED,
			     &refused),
		 -EINVAL);
	CHECK_EQ(test_reads(addr_of(&view) + sf_extent_len(&view)), PROTECTED);
	check_sound();
}

/* As one above the limit: mmap() is refused, munmap() of a whole is not. */
static void a_view_goes_where_mmap_is_refused(void)
{
	char *addr;
	long before;

	if (!map_first())
		return;
	addr = addr_of(&view);
	before = test_mappings();
	refuse(__NR_mmap, ENOMEM, 0, 1);
	sf_view_unmap("view", &view);
	refuse_nothing();
	CHECK_EQ(test_reads(addr), PROTECTED);
	CHECK_EQ(test_mappings(), before - 2);
	CHECK_EQ(sf_counters[SF_COUNT_VIEW_GAPS], 0);
	CHECK(!sf_tree_any(&view.region->tree, 0, view.region->nr_pages,
			   SF_TAKEN));
	CHECK_EQ(map(&view), 0);
	CHECK_EQ(addr_of(&view), addr);
}

static void addresses_lost_to_others_are_never_used(void)
{
	char *addr;

	if (!map_first())
		return;
	addr = addr_of(&view);
	refuse(__NR_mmap, ENOMEM, 0, 2);
	sf_view_unmap("view", &view);
	refuse_nothing();
	CHECK_EQ(test_reads(addr), UNMAPPED);
	CHECK_EQ(sf_counters[SF_COUNT_VIEW_GAPS], 1);
	CHECK_EQ(view.region->nr_used, 0);
	CHECK_EQ(map(&view), 0);
	CHECK_GT(addr_of(&view), addr + NR_PAGES * sf_page_size);
	check_sound();
}

static void release_its_head(void)
{
	struct sf_extent part = view;

	part.nr--;
	aborts_say("surefree: view(%p, %zu): only a part of a file view",
		   (void *)addr_of(&part), sf_extent_len(&part));
	sf_view_unmap("view", &part);
}

static void release_its_tail(void)
{
	struct sf_extent part = view;

	part.first++;
	part.nr--;
	aborts_say("surefree: view(%p, %zu): only a part of a file view",
		   (void *)addr_of(&part), sf_extent_len(&part));
	sf_view_unmap("view", &part);
}

static void release_two(void)
{
	struct sf_extent both = view;

	map(&both);
	both.first = view.first;
	both.nr = 2 * NR_PAGES + 1;
	aborts_say("surefree: view(%p, %zu): page %p is not mapped, or already "
		   "released",
		   (void *)addr_of(&both), sf_extent_len(&both),
		   (void *)(addr_of(&view) + sf_extent_len(&view)));
	sf_view_unmap("view", &both);
}

static void release_twice(void)
{
	aborts_say("surefree: view(%p, %zu): page %p is not mapped, or already "
		   "released",
		   (void *)addr_of(&view), sf_extent_len(&view),
		   (void *)addr_of(&view));
	sf_view_unmap("view", &view);
	sf_view_unmap("view", &view);
}

static void only_a_whole_view_is_released(void)
{
	if (test_emulated())
		SKIP("an emulator adds words of its own");
	if (!map_first())
		return;
	aborts(release_its_head);
	aborts(release_its_tail);
	aborts(release_two);
	aborts(release_twice);
}

static void a_view_goes_at_the_limit(void)
{
	struct sf_extent second;

	if (!map_first() || !CHECK_EQ(map(&second), 0) || !test_fill(0))
		return;
	sf_view_unmap("view", &second);
	CHECK_EQ(test_reads(addr_of(&second)), PROTECTED);
	CHECK_EQ(test_mappings(), test_limit() - 2);
	if (test_can_exceed() && test_fill(-1)) {
		sf_view_unmap("view", &view);
		CHECK_EQ(test_reads(addr_of(&view)), PROTECTED);
		CHECK_EQ(test_mappings(), test_limit() - 1);
		CHECK_EQ(sf_counters[SF_COUNT_VIEW_GAPS], 0);
	}
	test_unfill();
	check_sound();
}

static const struct test tests[] = {
	{ "a view stands between reserved pages",
	  a_view_stands_between_reserved_pages },
	{ "releasing gives mappings and addresses back",
	  releasing_gives_mappings_and_addresses_back },
	{ "views leave mappings for others", views_leave_mappings_for_others },
	{ "the first view beyond the reserve is refused",
	  the_first_view_beyond_the_reserve_is_refused },
	{ "mappings are not counted for each view",
	  mappings_are_not_counted_for_each_view },
	{ "without /proc the kernel decides", without_proc_the_kernel_decides },
	{ "what the kernel refuses leaves nothing behind",
	  what_the_kernel_refuses_leaves_nothing_behind },
	{ "a view goes where mmap is refused",
	  a_view_goes_where_mmap_is_refused },
	{ "addresses lost to others are never used",
	  addresses_lost_to_others_are_never_used },
	{ "only a whole view is released", only_a_whole_view_is_released },
	{ "a view goes at the limit", a_view_goes_at_the_limit },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
