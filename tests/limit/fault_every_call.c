// SPDX-License-Identifier: MIT
/*
 * Every public call, with its k-th system call failing, for k = 1, 2, ... until
 * the call makes fewer than k: whatever is refused, a release does its work, a
 * map works or returns NULL with errno, nothing is lost, and memory handed out
 * later is zero.
 *
 * Each (call, error, k) runs in a child, which inherits a library that was
 * loaded and not used. The library's setting up, which happens before main(),
 * is tried by executing this program again with FAULT_AT in the environment.
 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "extra.h"
#include "os/sys.h"
#include "surefree.h"

#define MAX_CALLS 400 /* more system calls than any call makes */
#define NOT_FIRED 42  /* exit status of a child */
#define NR_PAGES  16
#define LARGE_LEN ((size_t)5 << 20)

static long nr_seen;
static long fail_at; /* 0: none */
static long fail_with;
static bool fired;

static long on_call(long nr)
{
	(void)nr;
	if (++nr_seen != fail_at)
		return 0;
	fired = true;
	return -fail_with;
}

static void arm(long at, long error)
{
	nr_seen = 0;
	fail_at = at;
	fail_with = error;
	fired = false;
	sf_fault_hook = on_call;
}

static void disarm(void)
{
	sf_fault_hook = NULL;
}

struct work {
	char *addr; /* NULL: nothing is mapped */
	size_t len;
	struct surefree_stack stack;
	int fd;
};

/*
 * prepare() runs without faults, call() with, finish() without: it checks what
 * call() left in *work and releases it.
 */
struct fault_case {
	const char *name;
	void (*prepare)(struct work *work);
	void (*call)(struct work *work);
	void (*finish)(struct work *work);
};

static void map_touched(struct work *work, size_t len, unsigned flags)
{
	work->len = len;
	work->addr = surefree_map(len, flags);
	if (CHECK(work->addr != NULL))
		extra_set(work->addr, len, 'f');
}

/*
 * Mapping
 */

static void prepare_nothing(struct work *work)
{
	work->addr = NULL;
}

static void check_result(struct work *work, size_t len)
{
	work->len = len;
	if (work->addr == NULL)
		CHECK_NE(errno, 0);
}

static void call_map(struct work *work)
{
	errno = 0;
	work->addr = surefree_map(NR_PAGES * test_page(), 0);
	check_result(work, NR_PAGES * test_page());
}

/* Beyond what is committed at the start: the frontier has to move. */
static void call_map_large(struct work *work)
{
	errno = 0;
	work->addr = surefree_map((size_t)200 << 20, 0);
	check_result(work, LARGE_LEN);
	if (work->addr != NULL)
		surefree_unmap(work->addr + LARGE_LEN,
			       ((size_t)200 << 20) - LARGE_LEN);
}

static void call_map_aligned(struct work *work)
{
	errno = 0;
	work->addr = surefree_map_aligned(test_page(), (size_t)8 << 20, 0);
	check_result(work, test_page());
}

static void call_map_guarded(struct work *work)
{
	errno = 0;
	work->addr = surefree_map(NR_PAGES * test_page(), SUREFREE_GUARDED);
	check_result(work, NR_PAGES * test_page());
}

static void call_map_populated(struct work *work)
{
	errno = 0;
	work->addr = surefree_map(NR_PAGES * test_page(), SUREFREE_POPULATE);
	check_result(work, NR_PAGES * test_page());
}

/* A huge map needs a region: refused, it must leave no address space. */
static void call_map_huge(struct work *work)
{
	long mappings = test_mappings();
	size_t size = test_status("VmSize");

	errno = 0;
	work->addr = surefree_map((size_t)2 << 20, SUREFREE_HUGE);
	check_result(work, (size_t)2 << 20);
	if (work->addr == NULL && extra_stats().nr_regions == 1) {
		CHECK_EQ(test_mappings(), mappings);
		CHECK_EQ(test_status("VmSize"), size);
	}
}

/* Addresses that trap from an earlier release. */
static void prepare_trapped(struct work *work)
{
	map_touched(work, NR_PAGES * test_page(), 0);
	surefree_unmap(work->addr, work->len);
	work->addr = NULL;
}

static void prepare_retained(struct work *work)
{
	CHECK_OK(surefree_set("retain", "1M"));
	prepare_trapped(work);
}

static void finish_map(struct work *work)
{
	if (work->addr == NULL)
		return;
	extra_is(work->addr, work->len, 0);
	extra_set(work->addr, work->len, 'g');
	extra_is(work->addr, work->len, 'g');
	surefree_unmap(work->addr, work->len);
}

/*
 * Releasing
 */

static void prepare_small(struct work *work)
{
	map_touched(work, NR_PAGES * test_page(), 0);
}

static void prepare_large(struct work *work)
{
	map_touched(work, LARGE_LEN, 0);
}

static void prepare_guarded(struct work *work)
{
	if (test_has_guard())
		map_touched(work, NR_PAGES * test_page(), SUREFREE_GUARDED);
	else
		prepare_small(work);
}

static void prepare_notrap(struct work *work)
{
	map_touched(work, NR_PAGES * test_page(), SUREFREE_NOTRAP);
}

static void prepare_locked(struct work *work)
{
	map_touched(work, NR_PAGES * test_page(), 0);
	/* Where it is not allowed the case is one like the others. */
	if (mlock(work->addr, work->len) != 0)
		errno = 0;
}

static void prepare_huge(struct work *work)
{
	map_touched(work, (size_t)4 << 20, SUREFREE_HUGE);
}

/* All but the first and the last page. */
static void call_unmap(struct work *work)
{
	size_t page = test_page();

	errno = 0;
	surefree_unmap(work->addr + page, work->len - 2 * page);
	CHECK_EQ(errno, 0);
}

static void finish_unmap(struct work *work)
{
	size_t page = test_page();
	char *last = work->addr + work->len - page;

	CHECK_EQ(test_resident(work->addr + page, work->len - 2 * page), 0);
	extra_is(work->addr, page, 'f');
	extra_is(last, page, 'f');
	surefree_unmap(work->addr, page);
	surefree_unmap(last, page);
}

static void call_discard(struct work *work)
{
	errno = 0;
	surefree_discard(work->addr, work->len);
	CHECK_EQ(errno, 0);
}

static void finish_discard(struct work *work)
{
	CHECK_EQ(test_resident(work->addr, work->len), 0);
	extra_is(work->addr, work->len, 0);
	surefree_unmap(work->addr, work->len);
}

/*
 * Changing
 */

static void call_shrink(struct work *work)
{
	char *p = surefree_remap(work->addr, work->len, test_page(), 0);

	CHECK_EQ(p, work->addr);
}

static void finish_shrink(struct work *work)
{
	size_t page = test_page();

	CHECK_EQ(test_resident(work->addr + page, work->len - page), 0);
	extra_is(work->addr, page, 'f');
	surefree_unmap(work->addr, page);
}

/* Twice as long; the old length stays in work->len, refused or not. */
static void call_grow(struct work *work)
{
	char *p;

	errno = 0;
	p = surefree_remap(work->addr, work->len, 2 * work->len, 0);
	if (p == NULL) {
		CHECK_NE(errno, 0);
		return;
	}
	extra_is(p + work->len, work->len, 0);
	extra_set(p + work->len, work->len, 'h');
	surefree_unmap(p + work->len, work->len);
	work->addr = p;
}

static void finish_grow(struct work *work)
{
	extra_is(work->addr, work->len, 'f');
	surefree_unmap(work->addr, work->len);
}

/* A neighbour, so that growing means moving. */
static void prepare_neighbour(struct work *work)
{
	map_touched(work, NR_PAGES * test_page() + test_page(), 0);
	work->len -= test_page();
}

static void finish_move(struct work *work)
{
	extra_is(work->addr, work->len, 'f');
	surefree_unmap(work->addr, work->len);
	surefree_trim(0);
	/* The neighbour of prepare_neighbour() is all that is left. */
	CHECK_EQ(extra_stats().used_len, test_page());
}

static void call_guard(struct work *work)
{
	size_t page = test_page();

	errno = 0;
	if (surefree_guard(work->addr + page, page) != 0) {
		CHECK_NE(errno, 0);
		CHECK_EQ(test_touches(work->addr + page), 0);
		return;
	}
	CHECK_EQ(test_touches(work->addr + page), 1);
}

static void finish_guard(struct work *work)
{
	size_t page = test_page();

	extra_is(work->addr, page, 'f');
	extra_is(work->addr + 2 * page, work->len - 2 * page, 'f');
	surefree_unmap(work->addr, work->len);
}

static void prepare_with_guard(struct work *work)
{
	prepare_small(work);
	if (test_has_guard())
		CHECK_OK(surefree_guard(work->addr + test_page(), test_page()));
}

static void call_unguard(struct work *work)
{
	char *p = work->addr + test_page();

	errno = 0;
	if (surefree_unguard(p, test_page()) != 0) {
		CHECK_NE(errno, 0);
		return;
	}
	CHECK_EQ(test_touches(p), 0);
	CHECK(*p == 0 || !test_has_guard());
}

/*
 * Stacks
 */

static void prepare_no_stack(struct work *work)
{
	work->stack.addr = NULL;
}

static void call_stack_map(struct work *work)
{
	errno = 0;
	if (surefree_stack_map(NR_PAGES * test_page(), &work->stack) != 0) {
		CHECK_NE(errno, 0);
		work->stack.addr = NULL;
	}
}

static void finish_stack(struct work *work)
{
	char *addr = work->stack.addr;

	if (addr == NULL)
		return;
	extra_set(addr, work->stack.len, 's');
	extra_is(addr, work->stack.len, 's');
	if (work->stack.guard_len > 0)
		CHECK_EQ(test_touches(addr - 1), 1);
	surefree_stack_unmap(&work->stack);
}

static void prepare_stack(struct work *work)
{
	call_stack_map(work);
	if (CHECK(work->stack.addr != NULL))
		extra_set(work->stack.addr, work->stack.len, 's');
}

static void prepare_kept_stack(struct work *work)
{
	prepare_stack(work);
	surefree_stack_unmap(&work->stack);
	work->stack.addr = NULL;
}

static void call_stack_unmap(struct work *work)
{
	errno = 0;
	surefree_stack_unmap(&work->stack);
	CHECK_EQ(errno, 0);
}

static void finish_stack_unmap(struct work *work)
{
	CHECK_EQ(test_resident(work->stack.addr, work->stack.len), 0);
}

static void call_stack_trim(struct work *work)
{
	CHECK_EQ(surefree_stack_trim(&work->stack, NULL), work->stack.len);
}

static void finish_stack_trim(struct work *work)
{
	CHECK_EQ(test_resident(work->stack.addr, work->stack.len), 0);
	finish_stack(work);
}

/*
 * File views
 */

static void prepare_file(struct work *work)
{
	work->len = 2 * test_page();
	work->fd = memfd_create("view", MFD_CLOEXEC);
	CHECK(work->fd >= 0 && ftruncate(work->fd, (off_t)work->len) == 0);
	CHECK_EQ(pwrite(work->fd, "v", 1, 0), 1);
}

static void call_map_file(struct work *work)
{
	errno = 0;
	work->addr = surefree_map_file(work->fd, 0, work->len, PROT_READ,
				       MAP_SHARED);
	check_result(work, work->len);
}

static void finish_map_file(struct work *work)
{
	if (work->addr != NULL) {
		CHECK_EQ(work->addr[0], 'v');
		surefree_unmap_file(work->addr, work->len);
	}
	/* Refused or not, another can be had in the same place. */
	call_map_file(work);
	if (CHECK(work->addr != NULL)) {
		CHECK_EQ(work->addr[0], 'v');
		surefree_unmap_file(work->addr, work->len);
		CHECK_NE(test_reads(work->addr), 0);
	}
	close(work->fd);
}

static void prepare_view(struct work *work)
{
	prepare_file(work);
	call_map_file(work);
	CHECK(work->addr != NULL);
}

static void call_unmap_file(struct work *work)
{
	errno = 0;
	surefree_unmap_file(work->addr, work->len);
	CHECK_EQ(errno, 0);
}

static void finish_unmap_file(struct work *work)
{
	CHECK_NE(test_reads(work->addr), 0);
	work->addr = NULL;
	finish_map_file(work);
}

/*
 * Looking and adjusting
 */

static void call_mappings(struct work *work)
{
	struct surefree_mappings m = { .size = sizeof(m) };

	(void)work;
	errno = 0;
	if (surefree_mappings(0, &m) != 0)
		CHECK_NE(errno, 0);
	else
		CHECK_GT(m.limit, 0);
}

static void call_stats(struct work *work)
{
	(void)work;
	CHECK_EQ(extra_stats().used_len, 0);
}

static void call_trim(struct work *work)
{
	(void)work;
	surefree_trim(0);
	CHECK_EQ(extra_stats().retained_len, 0);
}

static void call_set(struct work *work)
{
	(void)work;
	CHECK_OK(surefree_set("retain", "0"));
	CHECK_EQ(extra_stats().retained_len, 0);
}

static const struct fault_case cases[] = {
	{ "map", prepare_nothing, call_map, finish_map },
	{ "map where traps are", prepare_trapped, call_map, finish_map },
	{ "map what was retained", prepare_retained, call_map, finish_map },
	{ "map 200 MiB", prepare_nothing, call_map_large, finish_map },
	{ "map aligned", prepare_nothing, call_map_aligned, finish_map },
	{ "map guarded", prepare_trapped, call_map_guarded, finish_map },
	{ "map populated", prepare_trapped, call_map_populated, finish_map },
	{ "map huge", prepare_nothing, call_map_huge, finish_map },
	{ "unmap", prepare_small, call_unmap, finish_unmap },
	{ "unmap 5 MiB", prepare_large, call_unmap, finish_unmap },
	{ "unmap guarded", prepare_guarded, call_unmap, finish_unmap },
	{ "unmap without trap", prepare_notrap, call_unmap, finish_unmap },
	{ "unmap locked", prepare_locked, call_unmap, finish_unmap },
	{ "unmap huge", prepare_huge, call_unmap, finish_unmap },
	{ "discard", prepare_small, call_discard, finish_discard },
	{ "discard 5 MiB", prepare_large, call_discard, finish_discard },
	{ "discard locked", prepare_locked, call_discard, finish_discard },
	{ "shrink", prepare_small, call_shrink, finish_shrink },
	{ "shrink 5 MiB", prepare_large, call_shrink, finish_shrink },
	{ "shrink guarded", prepare_guarded, call_shrink, finish_shrink },
	{ "grow", prepare_small, call_grow, finish_grow },
	{ "grow 5 MiB", prepare_large, call_grow, finish_grow },
	{ "grow guarded", prepare_guarded, call_grow, finish_grow },
	{ "move", prepare_neighbour, call_grow, finish_move },
	{ "guard", prepare_small, call_guard, finish_guard },
	{ "unguard", prepare_with_guard, call_unguard, finish_guard },
	{ "stack map", prepare_no_stack, call_stack_map, finish_stack },
	{ "stack map kept", prepare_kept_stack, call_stack_map, finish_stack },
	{ "stack unmap", prepare_stack, call_stack_unmap, finish_stack_unmap },
	{ "stack trim", prepare_stack, call_stack_trim, finish_stack_trim },
	{ "map file", prepare_file, call_map_file, finish_map_file },
	{ "unmap file", prepare_view, call_unmap_file, finish_unmap_file },
	{ "mappings", prepare_nothing, call_mappings, prepare_nothing },
	{ "stats", prepare_nothing, call_stats, prepare_nothing },
	{ "trim", prepare_trapped, call_trim, prepare_nothing },
	{ "trim retained", prepare_retained, call_trim, prepare_nothing },
	{ "set", prepare_retained, call_set, prepare_nothing },
};

/* Map a lot where things were released: it must be zero, and work. */
static void check_goes_on(size_t used_before)
{
	static char *maps[64];
	size_t page = test_page();

	surefree_set("retain", "0");
	surefree_trim(0);
	CHECK_EQ(extra_stats().retained_len, 0);
	CHECK_EQ(extra_stats().view_len, 0);
	CHECK_EQ(extra_stats().nr_stuck, 0);
	for (int i = 0; i < 64; i++) {
		size_t len = (size_t)(1 + i * 3 % 50) * page;

		maps[i] = surefree_map(len, 0);
		if (!CHECK(maps[i] != NULL) || !extra_is(maps[i], len, 0))
			return;
		extra_set(maps[i], len, i + 1);
	}
	for (int i = 0; i < 64; i++) {
		size_t len = (size_t)(1 + i * 3 % 50) * page;

		extra_is(maps[i], len, i + 1);
		surefree_unmap(maps[i], len);
		CHECK_EQ(test_resident(maps[i], len), 0);
	}
	maps[0] = surefree_map((size_t)16 << 20, 0);
	if (CHECK(maps[0] != NULL)) {
		extra_is(maps[0], (size_t)16 << 20, 0);
		surefree_unmap(maps[0], (size_t)16 << 20);
	}
	CHECK_EQ(extra_stats().used_len, used_before);
}

struct run {
	const struct fault_case *c;
	long at;
	long error;
};

static int run_in_child(void *arg)
{
	const struct run *run = arg;
	struct work work = { .fd = -1 };
	size_t left = run->c->finish == finish_move ? test_page() : 0;

	run->c->prepare(&work);
	if (test_failed())
		return 0;
	arm(run->at, run->error);
	run->c->call(&work);
	disarm();
	if (!test_failed())
		run->c->finish(&work);
	if (!test_failed())
		check_goes_on(left);
	return fired ? 0 : NOT_FIRED;
}

/* Failures are counted and judged at the end: children inherit a verdict. */
static void try_all_calls(long error)
{
	size_t nr_runs = 0;
	size_t nr_wrong = 0;

	test_has_guard();
	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		for (long at = 1; at < MAX_CALLS; at++) {
			struct run run = { &cases[i], at, error };
			int result = test_in_child(run_in_child, &run);

			nr_runs++;
			if (result == NOT_FIRED)
				break;
			if (result == 0)
				continue;
			nr_wrong++;
			test_say("%s, call %ld failing with %s: result %d",
				 run.c->name, at, strerror((int)error), result);
		}
	}
	test_say("%zu runs", nr_runs);
	CHECK_EQ(nr_wrong, 0);
}

static void whatever_lacks_memory(void)
{
	try_all_calls(ENOMEM);
}

static void whatever_is_invalid(void)
{
	try_all_calls(EINVAL);
}

static void whatever_must_be_tried_again(void)
{
	try_all_calls(EAGAIN);
}

static void whatever_is_not_permitted(void)
{
	try_all_calls(EPERM);
}

/* Before the library's own constructor: set the hook from the environment. */
__attribute__((constructor(101))) static void arm_at_load(void)
{
	const char *at = getenv("FAULT_AT");
	const char *error = getenv("FAULT_WITH");

	if (at != NULL && error != NULL)
		arm(strtol(at, NULL, 10), strtol(error, NULL, 10));
}

/* In the new program: whatever failed at the start, memory can be had. */
static void started_with_a_fault(void)
{
	disarm();
	check_goes_on(0);
	if (!test_failed())
		_exit(fired ? 0 : NOT_FIRED);
}

static int exec_with_fault(void *arg)
{
	const struct run *run = arg;
	char *args[] = { (char *)"fault_every_call", (char *)"[started]",
			 NULL };
	char number[16];

	snprintf(number, sizeof(number), "%ld", run->at);
	setenv("FAULT_AT", number, 1);
	snprintf(number, sizeof(number), "%ld", run->error);
	setenv("FAULT_WITH", number, 1);
	execv("/proc/self/exe", args);
	return 77;
}

static void whatever_fails_at_the_start(void)
{
	static const long errors[] = { ENOMEM, EINVAL, EAGAIN, EPERM };

	for (size_t i = 0; i < TEST_COUNT(errors); i++) {
		struct run run = { NULL, 0, errors[i] };
		int result = 0;

		while (result == 0 && run.at < MAX_CALLS) {
			run.at++;
			result = test_in_child(exec_with_fault, &run);
		}
		if (result == 77)
			SKIP("cannot execute this program again");
		if (!CHECK_EQ(result, NOT_FIRED))
			test_say("  call %ld with %s", run.at,
				 strerror((int)run.error));
	}
}

static const struct test tests[] = {
	{ "the library works whatever lacks memory (ENOMEM)",
	  whatever_lacks_memory },
	{ "the library works whatever is invalid (EINVAL)",
	  whatever_is_invalid },
	{ "the library works whatever must be tried again (EAGAIN)",
	  whatever_must_be_tried_again },
	{ "the library works whatever is not permitted (EPERM)",
	  whatever_is_not_permitted },
	{ "the library works whatever fails at the start",
	  whatever_fails_at_the_start },
};

static const struct test started[] = {
	{ "[started]", started_with_a_fault },
};

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "[started]") == 0)
		return test_main(argc, argv, started, 1);
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
