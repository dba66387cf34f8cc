// SPDX-License-Identifier: MIT
/*
 * Random calls of the mmap family on maps that lie side by side, and a model of
 * each page: whether it is mapped, how it is protected, and what it contains.
 * At the limit a call may be refused; then what it was to change is unknown
 * until it is mapped again.
 */
#include "test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mmap/alter.h"
#include "mmap/mmap.h"
#include "os/sys.h"
#include "vm/state.h"

#define NR_PAGES 4096 /* of the region, from its base on */
#define MAX_LEN	 24   /* pages of a map */
#define NR_OPS	 30000
#define UNKNOWN	 8    /* as a protection */
#define NO_FILL	 1000 /* as a number of spare mappings */

struct page {
	uint64_t value;
	unsigned char live;
	unsigned char prot;
	unsigned char unsure; /* the value is not known */
	unsigned char is_file;
};

static struct page pages[NR_PAGES];
static uintptr_t base;
static uint64_t next_value = 1;
static struct test_rng rng;
static int file;

static size_t below(size_t bound)
{
	return test_rand_below(&rng, bound);
}

static uintptr_t addr_of(size_t page)
{
	return base + page * test_page();
}

static size_t index_of(uintptr_t addr)
{
	return (addr - base) / test_page();
}

/* A range of pages that starts at a live one, if one is found soon. */
static size_t pick(size_t *nr)
{
	size_t page = 0;

	for (int i = 0; i < 50; i++) {
		page = below(NR_PAGES / 4);
		if (pages[page].live)
			break;
	}
	*nr = 1 + below(MAX_LEN);
	return page;
}

static bool all_live(size_t page, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (!pages[page + i].live)
			return false;
	return true;
}

static void set(size_t page, size_t nr, unsigned prot)
{
	for (size_t i = 0; i < nr; i++)
		pages[page + i] = (struct page){ 0, 1, (unsigned char)prot, 0,
						 0 };
}

static void set_prot(size_t page, size_t nr, unsigned prot)
{
	for (size_t i = 0; i < nr; i++)
		if (pages[page + i].live)
			pages[page + i].prot = (unsigned char)prot;
}

static void check_page(size_t page)
{
	uint64_t *at = (uint64_t *)addr_of(page);
	uint64_t *last = at + test_page() / sizeof(*at) - 1;

	if (!pages[page].live || pages[page].prot == UNKNOWN)
		return;
	if (pages[page].prot == PROT_NONE) {
		CHECK_NE(test_reads(at), 0);
		return;
	}
	if (!CHECK_EQ(test_reads(at), 0))
		return;
	if (!pages[page].unsure) {
		CHECK_EQ(*at, pages[page].value);
		CHECK_EQ(*last, pages[page].value);
	}
	if ((pages[page].prot & PROT_WRITE) == 0)
		return;
	*at = next_value;
	*last = next_value;
	pages[page].value = next_value++;
	pages[page].unsure = 0;
}

static void check(size_t page, size_t nr)
{
	for (size_t i = 0; i < nr && !test_failed(); i++)
		if (below(3) != 0)
			check_page(page + i);
}

/*
 * The calls
 */

static void do_map(void)
{
	size_t nr = 1 + below(MAX_LEN);
	long result = sf_mmap_map(0, nr * test_page(), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t page;

	if (!CHECK(result > 0))
		return;
	page = index_of((uintptr_t)result);
	if (page + nr > NR_PAGES / 4) {
		sf_mmap_unmap((uintptr_t)result, nr * test_page());
		return;
	}
	for (size_t i = 0; i < nr; i++)
		if (!CHECK_EQ(pages[page + i].live, 0))
			return;
	set(page, nr, PROT_READ | PROT_WRITE);
	check(page, nr);
}

static void do_unmap(void)
{
	size_t nr;
	size_t page = pick(&nr);

	CHECK_EQ(sf_mmap_unmap(addr_of(page), nr * test_page()), 0);
	memset(&pages[page], 0, nr * sizeof(pages[0]));
}

static void do_protect(void)
{
	static const int prots[] = { PROT_NONE, PROT_NONE, PROT_READ,
				     PROT_READ | PROT_WRITE };
	size_t nr;
	size_t page = pick(&nr);
	int prot = prots[below(4)];
	int err = sf_mmap_protect(addr_of(page), nr * test_page(), prot, -1);

	if (all_live(page, nr) && err == 0) {
		set_prot(page, nr, (unsigned)prot);
	} else {
		CHECK_EQ(err, -ENOMEM);
		set_prot(page, nr, UNKNOWN);
	}
	check(page, nr);
}

static void do_discard(void)
{
	size_t nr;
	size_t page = pick(&nr);
	int err = sf_mmap_advise(addr_of(page), nr * test_page(),
				 MADV_DONTNEED);

	/* -EINVAL: some of it is locked. */
	if (err != -EINVAL)
		CHECK_EQ(err, all_live(page, nr) ? 0 : -ENOMEM);
	for (size_t i = 0; i < nr; i++) {
		pages[page + i].value = pages[page + i].is_file ? UINT64_MAX :
								  0;
		pages[page + i].unsure |= err == -EINVAL;
	}
	check(page, nr);
}

/* Flags that change nothing that can be seen. */
static void do_advise(void)
{
	static const int advices[] = { MADV_DONTDUMP,	MADV_DODUMP,
				       MADV_NOHUGEPAGE, MADV_HUGEPAGE,
				       MADV_DONTFORK,	MADV_DOFORK,
				       MADV_NORMAL };
	size_t nr;
	size_t page = pick(&nr);
	int err = sf_mmap_advise(addr_of(page), nr * test_page(),
				 advices[below(7)]);

	CHECK(err == 0 || err == -ENOMEM || err == -EAGAIN || err == -EINVAL);
	check(page, nr);
}

static void do_fixed(void)
{
	size_t nr;
	size_t page = pick(&nr);
	int prot = below(2) == 0 ? PROT_NONE : PROT_READ | PROT_WRITE;
	uintptr_t addr = addr_of(page);
	long result = sf_mmap_map(addr, nr * test_page(), prot,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
				  0);

	if (result == (long)addr) {
		set(page, nr, (unsigned)prot);
	} else {
		CHECK_EQ(result, -ENOMEM);
		set_prot(page, nr, UNKNOWN);
	}
	check(page, nr);
}

static void do_noreplace(void)
{
	size_t nr;
	size_t page = pick(&nr);
	uintptr_t addr = addr_of(page);
	bool any = false;
	long result;

	for (size_t i = 0; i < nr; i++)
		any |= pages[page + i].live;
	result = sf_mmap_map(addr, nr * test_page(), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			     -1, 0);
	if (any)
		CHECK_EQ(result, -EEXIST);
	else if (result == (long)addr)
		set(page, nr, PROT_READ | PROT_WRITE);
	else
		CHECK_EQ(result, -ENOMEM);
	check(page, nr);
}

/* A file over it: its pages must never be handed out as fresh ones. */
static void do_file(void)
{
	size_t nr;
	size_t page = pick(&nr);
	uintptr_t addr = addr_of(page);
	long result = sf_mmap_map(addr, nr * test_page(), PROT_READ,
				  MAP_PRIVATE | MAP_FIXED, file, 0);

	if (result == (long)addr) {
		set(page, nr, PROT_READ);
		for (size_t i = 0; i < nr; i++)
			pages[page + i] = (struct page){ UINT64_MAX, 1,
							 PROT_READ, 0, 1 };
	} else {
		CHECK_EQ(result, -ENOMEM);
		set_prot(page, nr, UNKNOWN);
	}
	check(page, nr);
}

static void do_remap(void)
{
	size_t old_nr;
	size_t page = pick(&old_nr);
	size_t nr = 1 + below(2 * MAX_LEN);
	struct page old[MAX_LEN];
	bool plain = all_live(page, old_nr);
	size_t to;
	long result;

	for (size_t i = 0; i < old_nr; i++)
		plain &= !pages[page + i].is_file;
	if (!plain)
		return;
	memcpy(old, &pages[page], old_nr * sizeof(old[0]));
	result = sf_mmap_remap(addr_of(page), old_nr * test_page(),
			       nr * test_page(),
			       below(2) == 0 ? MREMAP_MAYMOVE : 0, 0);
	if (result < 0) {
		CHECK(result == -ENOMEM || result == -EFAULT);
		return;
	}
	to = index_of((uintptr_t)result);
	memset(&pages[page], 0, old_nr * sizeof(old[0]));
	if (to + nr > NR_PAGES / 4) {
		sf_mmap_unmap((uintptr_t)result, nr * test_page());
		return;
	}
	/* What is new may have the protection of what was there, if any. */
	set(to, nr,
	    to != page || old[old_nr - 1].prot != (PROT_READ | PROT_WRITE) ?
		    UNKNOWN :
		    PROT_READ | PROT_WRITE);
	memcpy(&pages[to], old, (old_nr < nr ? old_nr : nr) * sizeof(old[0]));
	check(to, nr);
}

static void do_lock(void)
{
	size_t nr;
	size_t page = pick(&nr);
	int err = below(2) == 0 ?
			  sf_mmap_lock(addr_of(page), nr * test_page(), 0) :
			  sf_mmap_unlock(addr_of(page), nr * test_page());

	CHECK(err == 0 || err == -ENOMEM || err == -EAGAIN || err == -EPERM);
	check(page, nr);
}

static void check_whole(void)
{
	size_t nr_live = 0;
	size_t nr_used = 0;

	for (size_t page = 0; page < NR_PAGES && !test_failed(); page++) {
		nr_live += pages[page].live;
		check_page(page);
	}
	for (size_t i = 0; i < sf_state_nr_regions(); i++) {
		sf_region_check(sf_state_region(i));
		if (sf_state_region(i)->kind == SF_REGION_MAP)
			nr_used += sf_state_region(i)->nr_used;
	}
	CHECK_EQ(nr_used, nr_live);
}

static void (*const ops[])(void) = {
	do_map,	  do_map,	do_map,	   do_unmap,   do_unmap,
	do_unmap, do_protect,	do_fixed,  do_discard, do_remap,
	do_file,  do_noreplace, do_advise, do_lock,
};

static void run(size_t nr_kinds, long spare)
{
	uint64_t one = UINT64_MAX;
	long first;

	rng = test_rng(test_seed());
	file = memfd_create("file", 0);
	for (size_t i = 0; i < 64 * test_page() / sizeof(one); i++)
		CHECK_EQ(write(file, &one, sizeof(one)), sizeof(one));
	sf_mmap_start();
	first = sf_mmap_map(0, test_page(), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!CHECK(first > 0))
		return;
	base = (uintptr_t)first;
	sf_mmap_unmap(base, test_page());
	if (spare != NO_FILL && !test_fill(spare))
		return;
	for (size_t i = 0; i < NR_OPS && !test_failed(); i++) {
		size_t op = below(nr_kinds);

		ops[op]();
		if (i % 2000 == 0)
			check_whole();
		if (test_failed())
			test_say("after call %zu, kind %zu", i, op);
	}
	check_whole();
	sf_fault_hook = NULL;
	CHECK_EQ(sf_mmap_unmap(base, NR_PAGES * test_page()), 0);
	memset(pages, 0, sizeof(pages));
	check_whole();
	if (spare != NO_FILL)
		test_unfill();
	/* With mappings to spare, all that was set aside is made whole. */
	for (int i = 0; i < 100000 && sf_alter_any_aside(); i++)
		sf_mmap_unmap(base, test_page());
	CHECK_EQ(sf_alter_aside_len(), 0);
}

static void maps_and_unmaps(void)
{
	run(6, NO_FILL);
}

static void protections(void)
{
	run(9, NO_FILL);
}

static void moves(void)
{
	run(10, NO_FILL);
}

static void everything(void)
{
	run(TEST_COUNT(ops), NO_FILL);
}

static void everything_with_few_mappings(void)
{
	run(TEST_COUNT(ops), 40);
}

static void everything_with_two(void)
{
	run(TEST_COUNT(ops), 2);
}

static void everything_with_none(void)
{
	run(TEST_COUNT(ops), 0);
}

static void everything_one_above(void)
{
	if (!test_can_exceed())
		SKIP("the limit can't be exceeded here");
	run(TEST_COUNT(ops), -1);
}

/* Calls that need a mapping may be refused at any time; those that don't not. */
static long refuse_some(long nr)
{
	switch (nr) {
	case __NR_mmap:
	case __NR_mprotect:
	case __NR_mremap:
	case __NR_munmap:
	case __NR_mlock:
	case __NR_munlock:
		return below(4) == 0 ? -ENOMEM : 0;
	default:
		return 0;
	}
}

static void everything_refused_at_times(void)
{
	sf_mmap_start();
	sf_fault_hook = refuse_some;
	run(TEST_COUNT(ops), NO_FILL);
	sf_fault_hook = NULL;
}

static const struct test tests[] = {
	{ "maps and unmaps agree with the model", maps_and_unmaps },
	{ "protections agree with the model", protections },
	{ "moves agree with the model", moves },
	{ "everything agrees with the model", everything },
	{ "the same with few spare mappings", everything_with_few_mappings },
	{ "the same with two", everything_with_two },
	{ "the same with none", everything_with_none },
	{ "the same one above the limit", everything_one_above },
	{ "the same with a quarter of the calls refused",
	  everything_refused_at_times },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
