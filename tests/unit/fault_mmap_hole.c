// SPDX-License-Identifier: MIT
/*
 * What is not free of ours though no program has it, and how it becomes free.
 * One above the limit what a program mapped over ours becomes a hole when it is
 * unmapped. A stranger who maps in it keeps his pages; the others are filled.
 */
#include "test.h"

#include <errno.h>
#include <sys/mman.h>

#include "mmap/alter.h"
#include "mmap/mmap.h"
#include "mmap/space.h"
#include "refuse.h"
#include "vm/state.h"

#define RW	 (PROT_READ | PROT_WRITE)
#define FRESH	 (MAP_PRIVATE | MAP_ANONYMOUS)
#define NR_PAGES 16
#define AT	 5 /* where the stranger is, and how many pages he has */
#define NR	 3

static size_t page;

static char *map(uintptr_t addr, size_t nr, int prot, int flags)
{
	long result = sf_mmap_map(addr, nr * page, prot, FRESH | flags, -1, 0);

	return CHECK(result > 0) ? (char *)result : NULL;
}

/* NR_PAGES of ours that are not mapped at all. */
static char *make_hole(void)
{
	char *p = map(0, NR_PAGES, RW, 0);

	map((uintptr_t)p, NR_PAGES, PROT_READ, MAP_FIXED);
	refuse(__NR_mmap, ENOMEM, 0, REFUSE_ALWAYS);
	CHECK_EQ(sf_mmap_unmap((uintptr_t)p, NR_PAGES * page), 0);
	refuse_nothing();
	CHECK_EQ(sf_alter_aside_len(), NR_PAGES * page);
	return p;
}

static void check_filled(char *p, size_t first, size_t nr)
{
	CHECK(map((uintptr_t)p + first * page, nr, RW, MAP_FIXED_NOREPLACE) ==
	      p + first * page);
	for (size_t i = first; i < first + nr; i++)
		p[i * page] = 'x';
	CHECK_EQ(sf_mmap_unmap((uintptr_t)p + first * page, nr * page), 0);
}

static void a_stranger_keeps_his_pages_and_no_more(void)
{
	char *stranger;
	char *p;

	page = test_page();
	sf_mmap_start();
	p = make_hole();
	stranger = mmap(p + AT * page, NR * page, RW, FRESH | MAP_FIXED, -1, 0);
	CHECK(stranger == p + AT * page);
	for (int i = 0; i < NR; i++)
		stranger[(size_t)i * page] = 's';
	sf_space_lock();
	sf_alter_retry();
	sf_space_unlock();
	CHECK_EQ(sf_alter_aside_len(), 0);
	check_filled(p, 0, AT);
	check_filled(p, AT + NR, NR_PAGES - AT - NR);
	for (int i = 0; i < NR; i++)
		CHECK_EQ(stranger[(size_t)i * page], 's');
	for (size_t i = 0; i < sf_state_nr_regions(); i++)
		sf_region_check(sf_state_region(i));
}

/* Nobody will ever free them, so nobody is waited for. */
static void stuck_pages_are_not_waited_for(void)
{
	struct sf_releasing releasing;
	struct sf_extent stuck;
	char *p;

	page = test_page();
	sf_mmap_start();
	p = map(0, NR_PAGES, RW, 0);
	stuck.region = sf_space_find((uintptr_t)p, NR_PAGES * page);
	stuck.first = sf_region_page(stuck.region, (uintptr_t)p) + AT;
	stuck.nr = NR;
	CHECK_EQ(sf_extent_release_begin(&stuck, false, &releasing),
		 SF_RUN_BEGUN);
	sf_extent_release_keep(&releasing);
	refuse(__NR_nanosleep, EINTR, 0, REFUSE_ALWAYS);
	CHECK_EQ(sf_mmap_map((uintptr_t)p, NR_PAGES * page, PROT_READ,
			     FRESH | MAP_FIXED, -1, 0),
		 -ENOMEM);
	/* A short while: trimming is not seen as busy. */
	CHECK_LE(refuse_seen(), 100);
	refuse_nothing();
	sf_region_check(stuck.region);
}

/* What is mapped beside them stays; and none of it is asked about by page. */
static void holes_wait_when_no_mapping_is_allowed(void)
{
	size_t nr = 64 * NR_PAGES;
	struct sf_extent all;
	char *p;

	page = test_page();
	sf_mmap_start();
	p = map(0, nr, RW, 0);
	map((uintptr_t)p, nr, PROT_READ, MAP_FIXED);
	all.region = sf_space_find((uintptr_t)p, nr * page);
	all.first = sf_region_page(all.region, (uintptr_t)p);
	all.nr = nr;
	/* Not by our munmap(), as when fork() leaves it out. */
	CHECK_OK(munmap(p, AT * page));
	CHECK_OK(munmap(p + (AT + NR) * page, (nr - AT - 2 * NR) * page));
	refuse(__NR_mmap, ENOMEM, 0, REFUSE_ALWAYS);
	sf_space_lock();
	sf_alter_drop_holes(&all);
	sf_space_unlock();
	CHECK_LT(refuse_seen(), 10);
	refuse_nothing();
	CHECK_EQ(sf_alter_aside_len(), (nr - 2 * NR) * page);
	CHECK_EQ(test_reads(p + AT * page), 0);
	CHECK_EQ(test_reads(p + (nr - 1) * page), 0);
	for (int i = 0; i < 4 && sf_alter_any_aside(); i++) {
		sf_space_lock();
		sf_alter_retry();
		sf_space_unlock();
	}
	CHECK_EQ(sf_alter_aside_len(), 0);
	check_filled(p, 0, AT);
	check_filled(p, AT + NR, nr - AT - 2 * NR);
	CHECK_EQ(sf_mmap_unmap((uintptr_t)p, nr * page), 0);
	sf_region_check(all.region);
}

static const struct test tests[] = {
	{ "a stranger keeps his pages, and no more",
	  a_stranger_keeps_his_pages_and_no_more },
	{ "stuck pages are not waited for", stuck_pages_are_not_waited_for },
	{ "holes wait when no mapping is allowed",
	  holes_wait_when_no_mapping_is_allowed },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
