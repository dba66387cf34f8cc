// SPDX-License-Identifier: MIT
/*
 * Every call of the mmap family with its k-th system call failing, for k = 1,
 * 2, ... until it makes fewer: what unmaps returns 0 and gives the memory back,
 * what is refused changes nothing that is not the call's, and memory handed out
 * later is zero. Each (call, error, k) runs in a child.
 */
#include "test.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "extra.h"
#include "mmap/alter.h"
#include "mmap/mmap.h"
#include "os/sys.h"
#include "vm/state.h"

#define RW	  (PROT_READ | PROT_WRITE)
#define FRESH	  (MAP_PRIVATE | MAP_ANONYMOUS)
#define NR_PAGES  16
#define MAX_CALLS 100
#define NOT_FIRED 42

static long nr_seen;
static long fail_at; /* 0: none */
static long fail_with;
static bool fired;

static long on_call(long nr)
{
	/* Holding back signals can't fail. */
	if (nr == __NR_rt_sigprocmask || ++nr_seen != fail_at)
		return 0;
	fired = true;
	return -fail_with;
}

static size_t len_of(size_t nr)
{
	return nr * test_page();
}

struct work {
	uintptr_t addr;
	int fd;
};

static void prepare_plain(struct work *work)
{
	long result = sf_mmap_map(0, len_of(NR_PAGES), RW, FRESH, -1, 0);

	if (!CHECK(result > 0))
		return;
	work->addr = (uintptr_t)result;
	extra_set((char *)work->addr, len_of(NR_PAGES), 'f');
}

static void prepare_protected(struct work *work)
{
	prepare_plain(work);
	CHECK_EQ(sf_mmap_protect(work->addr, len_of(NR_PAGES), PROT_READ, -1),
		 0);
}

static void prepare_locked(struct work *work)
{
	prepare_plain(work);
	sf_mmap_lock(work->addr, len_of(4), 0);
}

/* Where the kernel has no policies it is plain. */
static void prepare_bound(struct work *work)
{
	static const unsigned long node = 1;
	struct sf_policy policy = { MPOL_BIND, 0, &node, 8 };

	prepare_plain(work);
	sf_mmap_bind(work->addr, len_of(4), &policy);
}

static void prepare_advised(struct work *work)
{
	prepare_plain(work);
	CHECK_EQ(sf_mmap_advise(work->addr, len_of(4), MADV_DONTFORK), 0);
	CHECK_EQ(sf_mmap_advise(work->addr, len_of(8), MADV_DONTDUMP), 0);
}

static void prepare_replaced(struct work *work)
{
	prepare_plain(work);
	CHECK_EQ(sf_mmap_map(work->addr + len_of(1), len_of(2), RW,
			     MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
		 work->addr + len_of(1));
}

/* Untouched, so that it can be guarded. */
static void prepare_fresh(struct work *work)
{
	prepare_plain(work);
	CHECK_EQ(sf_mmap_map(work->addr, len_of(NR_PAGES), RW,
			     FRESH | MAP_FIXED, -1, 0),
		 work->addr);
}

static void call_map(struct work *work)
{
	long result = sf_mmap_map(0, len_of(NR_PAGES), RW, FRESH, -1, 0);

	(void)work;
	if (result < 0)
		return;
	sf_fault_hook = NULL;
	extra_is((char *)result, len_of(NR_PAGES), 0);
	CHECK_EQ(sf_mmap_unmap((uintptr_t)result, len_of(NR_PAGES)), 0);
}

static void call_unmap(struct work *work)
{
	CHECK_EQ(sf_mmap_unmap(work->addr + len_of(1), len_of(3)), 0);
	CHECK_EQ(sf_mmap_unmap(work->addr + len_of(6), len_of(2)), 0);
}

static void call_guard(struct work *work)
{
	sf_mmap_protect(work->addr, len_of(1), PROT_NONE, -1);
	sf_mmap_protect(work->addr, len_of(1), RW, -1);
}

static void call_protect(struct work *work)
{
	sf_mmap_protect(work->addr + len_of(1), len_of(2), PROT_READ, -1);
	sf_mmap_protect(work->addr, len_of(3), RW, -1);
}

static void call_fixed(struct work *work)
{
	uintptr_t addr = work->addr + len_of(1);
	long result = sf_mmap_map(addr, len_of(2), RW, FRESH | MAP_FIXED, -1,
				  0);

	sf_fault_hook = NULL;
	if (result == (long)addr)
		extra_is((char *)addr, len_of(2), 0);
}

static void call_replace(struct work *work)
{
	sf_mmap_map(work->addr + len_of(1), len_of(2), RW,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void call_replace_free(struct work *work)
{
	CHECK_EQ(sf_mmap_unmap(work->addr + len_of(1), len_of(2)), 0);
	call_replace(work);
}

static void call_decommit(struct work *work)
{
	sf_mmap_map(work->addr + len_of(1), len_of(2), PROT_NONE,
		    FRESH | MAP_FIXED, -1, 0);
}

/* The whole map, which is then somewhere else, or not. */
static void remap(struct work *work, size_t nr)
{
	long result = sf_mmap_remap(work->addr, len_of(NR_PAGES), len_of(nr),
				    MREMAP_MAYMOVE, 0);

	if (result < 0)
		return;
	sf_fault_hook = NULL;
	work->addr = (uintptr_t)result;
	if (nr > NR_PAGES)
		CHECK_EQ(sf_mmap_unmap(work->addr + len_of(NR_PAGES),
				       len_of(nr - NR_PAGES)),
			 0);
}

static void call_shrink(struct work *work)
{
	remap(work, 2);
}

static void call_grow(struct work *work)
{
	remap(work, 4 * NR_PAGES);
}

static void call_move(struct work *work)
{
	/* Whoever comes next stands in the way. */
	CHECK_GT(sf_mmap_map(0, len_of(1), RW, FRESH, -1, 0), 0);
	remap(work, 4 * NR_PAGES);
}

static void call_discard(struct work *work)
{
	sf_mmap_advise(work->addr, len_of(2), MADV_DONTNEED);
}

static const struct {
	const char *name;
	void (*prepare)(struct work *work);
	void (*call)(struct work *work);
} cases[] = {
	{ "map", prepare_plain, call_map },
	{ "unmap", prepare_plain, call_unmap },
	{ "unmap protected", prepare_protected, call_unmap },
	{ "unmap locked", prepare_locked, call_unmap },
	{ "unmap bound", prepare_bound, call_unmap },
	{ "unmap advised", prepare_advised, call_unmap },
	{ "unmap replaced", prepare_replaced, call_unmap },
	{ "guard", prepare_fresh, call_guard },
	{ "protect", prepare_plain, call_protect },
	{ "map fixed", prepare_plain, call_fixed },
	{ "map fixed over protected", prepare_protected, call_fixed },
	{ "map fixed over shared", prepare_replaced, call_fixed },
	{ "map shared over", prepare_plain, call_replace },
	{ "map shared over free", prepare_plain, call_replace_free },
	{ "decommit", prepare_plain, call_decommit },
	{ "shrink", prepare_plain, call_shrink },
	{ "shrink protected", prepare_protected, call_shrink },
	{ "grow", prepare_plain, call_grow },
	{ "move", prepare_plain, call_move },
	{ "move protected", prepare_protected, call_move },
	{ "discard", prepare_plain, call_discard },
};

static void check_end(struct work *work)
{
	size_t used = 0;
	long result;

	/* What call_move() put in the way has one page. */
	CHECK_EQ(sf_mmap_unmap(work->addr, len_of(NR_PAGES)), 0);
	CHECK_EQ(test_resident((void *)work->addr, len_of(NR_PAGES)), 0);
	for (int i = 0; i < 10 && sf_alter_any_aside(); i++)
		sf_mmap_unmap(work->addr, test_page());
	CHECK_EQ(sf_alter_aside_len(), 0);
	for (int i = 0; i < 8; i++) {
		result = sf_mmap_map(0, len_of(3), RW, FRESH, -1, 0);
		if (!CHECK(result > 0))
			return;
		extra_is((char *)result, len_of(3), 0);
		extra_set((char *)result, len_of(3), 'e');
	}
	for (size_t i = 0; i < sf_state_nr_regions(); i++) {
		sf_region_check(sf_state_region(i));
		if (sf_state_region(i)->kind == SF_REGION_MAP)
			used += sf_state_region(i)->nr_used;
	}
	CHECK_LE(used, 8 * 3 + 1);
}

struct run {
	size_t c;
	long at;
	long error;
};

static int run_in_child(void *arg)
{
	const struct run *run = arg;
	struct work work = { 0, -1 };

	cases[run->c].prepare(&work);
	if (test_failed())
		return 0;
	nr_seen = 0;
	fail_at = run->at;
	fail_with = run->error;
	fired = false;
	sf_fault_hook = on_call;
	cases[run->c].call(&work);
	sf_fault_hook = NULL;
	if (!test_failed())
		check_end(&work);
	return fired ? 0 : NOT_FIRED;
}

static void try_all(long error)
{
	size_t nr_runs = 0;
	size_t nr_wrong = 0;

	sf_mmap_start();
	test_has_guard();
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		for (long at = 1; at < MAX_CALLS; at++) {
			struct run run = { i, at, error };
			int result = test_in_child(run_in_child, &run);

			nr_runs++;
			if (result == NOT_FIRED)
				break;
			if (result == 0)
				continue;
			nr_wrong++;
			test_say("%s, call %ld failing with %s: result %d",
				 cases[i].name, at, strerror((int)error),
				 result);
		}
	}
	test_say("%zu runs", nr_runs);
	CHECK_EQ(nr_wrong, 0);
}

static void whatever_lacks_memory(void)
{
	try_all(ENOMEM);
}

static void whatever_is_invalid(void)
{
	try_all(EINVAL);
}

static void whatever_must_be_tried_again(void)
{
	try_all(EAGAIN);
}

static void whatever_is_not_permitted(void)
{
	try_all(EPERM);
}

static const struct test tests[] = {
	{ "the family works whatever lacks memory (ENOMEM)",
	  whatever_lacks_memory },
	{ "the family works whatever is invalid (EINVAL)",
	  whatever_is_invalid },
	{ "the family works whatever must be tried again (EAGAIN)",
	  whatever_must_be_tried_again },
	{ "the family works whatever is not permitted (EPERM)",
	  whatever_is_not_permitted },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
