// SPDX-License-Identifier: MIT
/*
 * Every call of the malloc family, with its k-th system call failing, for
 * k = 1, 2, ... until the call makes fewer than k: a free does its work and
 * leaves errno alone, an allocation works or returns NULL with ENOMEM, what was
 * allocated before keeps its contents, and nothing is lost: at the end
 * surefree_trim() leaves no page of what was freed.
 *
 * Each (call, error, k) runs in a child, which inherits a library that was
 * loaded and not used.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "extra.h"
#include "os/sys.h"
#include "release.h"

#define MAX_CALLS 5000 /* more system calls than any call makes */
#define NR_EACH	  12   /* so many fail one by one, then every now and then */
#define NOT_FIRED 42   /* exit status of a child */
#define NR_MANY	  300
#define SMALL_LEN 100
#define PAGES_LEN (20 * KIB)
#define LARGE_LEN (5 * MIB)
#define HUGE_LEN  (200 * MIB) /* more than is committed at the start */

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
	char *addr; /* NULL: none */
	size_t len;
	char *many[NR_MANY];
	size_t many_len; /* of each; 0: none are allocated */
};

/* prepare() runs without faults, call() with, then all of *work is checked. */
struct fault_case {
	const char *name;
	void (*prepare)(struct work *work);
	void (*call)(struct work *work);
};

/*
 * Blocks
 */

static void fill(char *addr, size_t len)
{
	memset(addr, 'f', len);
}

static void check_all(const char *addr, size_t len, char byte)
{
	size_t nr_wrong = 0;

	for (size_t i = 0; i < len; i++)
		nr_wrong += addr[i] != byte;
	CHECK_EQ(nr_wrong, 0);
}

static void check_filled(const char *addr, size_t len)
{
	check_all(addr, len, 'f');
}

static void check_zero(const char *addr, size_t len)
{
	check_all(addr, len, 0);
}

/* What an allocation under a fault returned. */
static void take(struct work *work, char *addr, size_t len)
{
	work->addr = addr;
	work->len = len;
	if (addr == NULL)
		CHECK_EQ(errno, ENOMEM);
	else
		fill(addr, len);
}

static void have(struct work *work, size_t len)
{
	errno = 0;
	take(work, surefree_malloc(len), len);
	CHECK(work->addr != NULL);
}

static void free_block(char *addr)
{
	errno = 0;
	surefree_free(addr);
	CHECK_EQ(errno, 0);
}

static void have_many(struct work *work, size_t len)
{
	work->many_len = len;
	for (size_t i = 0; i < NR_MANY; i++) {
		work->many[i] = surefree_malloc(len);
		if (!CHECK(work->many[i] != NULL))
			return;
		fill(work->many[i], len);
	}
}

/* Free every nth from first on. */
static void free_many(struct work *work, size_t first, size_t n)
{
	for (size_t i = first; i < NR_MANY; i += n) {
		if (work->many[i] == NULL)
			continue;
		check_filled(work->many[i], work->many_len);
		free_block(work->many[i]);
		work->many[i] = NULL;
	}
}

/*
 * What was there before
 */

static void nothing(struct work *work)
{
	(void)work;
}

static void one_small(struct work *work)
{
	have(work, SMALL_LEN);
}

static void one_of_pages(struct work *work)
{
	have(work, PAGES_LEN);
}

static void one_large(struct work *work)
{
	have(work, LARGE_LEN);
}

static void many_small(struct work *work)
{
	have_many(work, SMALL_LEN);
}

static void many_of_pages(struct work *work)
{
	have_many(work, PAGES_LEN);
}

static void many_in_little_room(struct work *work)
{
	CHECK_OK(surefree_set("retain", "0"));
	many_of_pages(work);
}

static void many_small_in_little_room(struct work *work)
{
	CHECK_OK(surefree_set("retain", "0"));
	many_small(work);
}

/* Freed and allocated in turn, so that pages are kept for reuse. */
static void retained(struct work *work)
{
	for (int i = 0; i < 8; i++) {
		have_many(work, PAGES_LEN);
		free_many(work, 0, 1);
	}
	work->many_len = 0;
}

static void large_with_neighbour(struct work *work)
{
	have(work, LARGE_LEN);
	have_many(work, PAGES_LEN);
}

/*
 * Calls
 */

static void call_malloc_small(struct work *work)
{
	errno = 0;
	take(work, surefree_malloc(SMALL_LEN), SMALL_LEN);
}

static void call_malloc_pages(struct work *work)
{
	errno = 0;
	take(work, surefree_malloc(PAGES_LEN), PAGES_LEN);
}

static void call_malloc_large(struct work *work)
{
	errno = 0;
	take(work, surefree_malloc(LARGE_LEN), LARGE_LEN);
}

static void call_malloc_huge(struct work *work)
{
	char *p;

	errno = 0;
	p = surefree_malloc(HUGE_LEN);
	if (p == NULL) {
		CHECK_EQ(errno, ENOMEM);
		return;
	}
	p[0] = p[HUGE_LEN - 1] = 1;
	work->addr = NULL;
	free_block(p);
}

/* New slabs, one after the other. */
static void call_malloc_many(struct work *work)
{
	work->many_len = 2 * KIB;
	for (size_t i = 0; i < NR_MANY; i++) {
		errno = 0;
		work->many[i] = surefree_malloc(work->many_len);
		if (work->many[i] == NULL)
			CHECK_EQ(errno, ENOMEM);
		else
			fill(work->many[i], work->many_len);
	}
}

static void call_calloc(struct work *work, size_t len)
{
	char *p;

	errno = 0;
	p = surefree_calloc(1, len);
	if (p != NULL)
		check_zero(p, len);
	take(work, p, len);
}

static void call_calloc_small(struct work *work)
{
	call_calloc(work, SMALL_LEN);
}

static void call_calloc_large(struct work *work)
{
	call_calloc(work, LARGE_LEN);
}

static void call_memalign(struct work *work)
{
	char *p;

	errno = 0;
	p = surefree_memalign(4 * MIB, PAGES_LEN);
	CHECK_EQ((uintptr_t)p % (4 * MIB), 0);
	take(work, p, PAGES_LEN);
}

static void call_posix_memalign(struct work *work)
{
	void *p = NULL;

	errno = 0;
	if (surefree_posix_memalign(&p, 64 * KIB, SMALL_LEN) != 0)
		errno = ENOMEM; /* the result says it, errno need not */
	CHECK_EQ((uintptr_t)p % (64 * KIB), 0);
	take(work, p, SMALL_LEN);
}

/* Refused or not, the contents are there, as far as both lengths go. */
static void call_realloc(struct work *work, size_t len)
{
	size_t kept_len = len < work->len ? len : work->len;
	char *p;

	errno = 0;
	p = surefree_realloc(work->addr, len);
	if (p == NULL) {
		CHECK_EQ(errno, ENOMEM);
		return;
	}
	check_filled(p, kept_len);
	take(work, p, len);
}

static void call_realloc_small(struct work *work)
{
	call_realloc(work, SMALL_LEN);
}

static void call_realloc_pages(struct work *work)
{
	call_realloc(work, 3 * PAGES_LEN);
}

static void call_realloc_large(struct work *work)
{
	call_realloc(work, LARGE_LEN + MIB);
}

static void call_free(struct work *work)
{
	char *p = work->addr;

	work->addr = NULL;
	free_block(p);
	if (work->len < LARGE_LEN)
		return;
	surefree_trim(0);
	CHECK_EQ(test_resident(p, work->len), 0);
}

static void call_free_many(struct work *work)
{
	free_many(work, 0, 2);
	free_many(work, 1, 2);
}

static void call_trim(struct work *work)
{
	free_many(work, 0, 2);
	surefree_trim(0);
	CHECK_EQ(extra_stats().retained_len, 0);
}

static void call_set(struct work *work)
{
	free_many(work, 1, 2);
	CHECK_OK(surefree_set("retain", "0"));
	CHECK_EQ(extra_stats().retained_len, 0);
}

static void call_usable_size(struct work *work)
{
	CHECK_GE(surefree_malloc_usable_size(work->addr), work->len);
}

/*
 * Threads
 */

static void *thread_frees(void *arg)
{
	free_many(arg, 0, 1);
	return NULL;
}

static void *thread_allocates(void *arg)
{
	struct work *work = arg;

	call_malloc_many(work);
	free_many(work, 0, 2);
	return NULL;
}

static void in_thread(void *(*fn)(void *arg), struct work *work)
{
	pthread_t thread;

	if (CHECK_EQ(pthread_create(&thread, NULL, fn, work), 0))
		pthread_join(thread, NULL);
}

/* Blocks of this thread; the other one's heap is made for it, and ends. */
static void call_free_in_thread(struct work *work)
{
	in_thread(thread_frees, work);
}

/* What it leaves in use is ours to free when it has ended. */
static void call_in_thread(struct work *work)
{
	in_thread(thread_allocates, work);
}

static void of_an_ended_thread(struct work *work)
{
	in_thread(thread_allocates, work);
}

static int use_in_fork(void *arg)
{
	struct work *work = arg;

	call_malloc_pages(work);
	if (work->addr != NULL)
		free_block(work->addr);
	free_many(work, 0, 1);
	return fired ? 0 : NOT_FIRED;
}

/* The call may be one of the parent's or one of the child's. */
static void call_fork(struct work *work)
{
	int result = test_in_child(use_in_fork, work);

	if (result == 0)
		fired = true;
	else
		CHECK_EQ(result, NOT_FIRED);
}

static const struct fault_case cases[] = {
	{ "malloc small", nothing, call_malloc_small },
	{ "malloc pages", nothing, call_malloc_pages },
	{ "malloc large", nothing, call_malloc_large },
	{ "malloc huge", nothing, call_malloc_huge },
	{ "malloc many", nothing, call_malloc_many },
	{ "malloc many again", retained, call_malloc_many },
	{ "calloc small", nothing, call_calloc_small },
	{ "calloc large", nothing, call_calloc_large },
	{ "calloc small again", retained, call_calloc_small },
	{ "calloc large again", retained, call_calloc_large },
	{ "memalign", nothing, call_memalign },
	{ "memalign again", retained, call_memalign },
	{ "posix_memalign", retained, call_posix_memalign },
	{ "realloc small to pages", one_small, call_realloc_pages },
	{ "realloc pages", one_of_pages, call_realloc_pages },
	{ "realloc pages to large", one_of_pages, call_realloc_large },
	{ "realloc large", one_large, call_realloc_large },
	{ "realloc large, move", large_with_neighbour, call_realloc_large },
	{ "realloc large to pages", one_large, call_realloc_pages },
	{ "realloc large to small", one_large, call_realloc_small },
	{ "free small", one_small, call_free },
	{ "free pages", one_of_pages, call_free },
	{ "free large", one_large, call_free },
	{ "free many small", many_small, call_free_many },
	{ "free many small, retain=0", many_small_in_little_room,
	  call_free_many },
	{ "free many", many_of_pages, call_free_many },
	{ "free many, retain=0", many_in_little_room, call_free_many },
	{ "free in a thread", many_small, call_free_in_thread },
	{ "free in a thread, retain=0", many_in_little_room,
	  call_free_in_thread },
	{ "allocate in a thread", nothing, call_in_thread },
	{ "free after a thread", of_an_ended_thread, call_free_many },
	{ "trim", many_of_pages, call_trim },
	{ "trim small", many_small, call_trim },
	{ "trim after a thread", of_an_ended_thread, call_trim },
	{ "set", many_of_pages, call_set },
	{ "usable size", one_small, call_usable_size },
	{ "fork", many_small, call_fork },
};

/* Free what is left, and see that nothing of it stays. */
static void finish(struct work *work)
{
	size_t page = test_page();

	if (work->addr != NULL) {
		check_filled(work->addr, work->len);
		free_block(work->addr);
	}
	free_many(work, 0, 1);
	surefree_trim(0);
	if (work->addr != NULL && work->len >= page)
		CHECK_EQ(test_resident(work->addr, work->len - page), 0);
	CHECK_EQ(extra_stats().retained_len, 0);
	CHECK_EQ(extra_stats().nr_stuck, 0);
}

/* Whatever failed, memory of all lengths can be had, and is zero. */
static void check_goes_on(void)
{
	static char *blocks[64];
	static size_t lens[64];
	size_t len = 1;

	for (int i = 0; i < 64; i++, len = len * 5 / 4 + 1) {
		lens[i] = len;
		blocks[i] = surefree_calloc(1, len);
		if (!CHECK(blocks[i] != NULL))
			return;
		check_zero(blocks[i], len);
		fill(blocks[i], len);
	}
	for (int i = 0; i < 64; i++) {
		check_filled(blocks[i], lens[i]);
		free_block(blocks[i]);
	}
	surefree_trim(0);
	CHECK_EQ(extra_stats().retained_len, 0);
	CHECK_LE(release_resident(), MIB);
}

struct run {
	const struct fault_case *c;
	long at;
	long error;
};

static int run_in_child(void *arg)
{
	static struct work work;
	const struct run *run = arg;

	release_mark();
	run->c->prepare(&work);
	if (test_failed())
		return 0;
	arm(run->at, run->error);
	run->c->call(&work);
	disarm();
	if (!test_failed())
		finish(&work);
	if (!test_failed())
		check_goes_on();
	return fired ? 0 : NOT_FIRED;
}

/* Failures are counted and judged at the end: children inherit a verdict. */
static void try_all_calls(long error)
{
	size_t nr_runs = 0;
	size_t nr_wrong = 0;

	for (size_t i = 0; i < TEST_COUNT(cases); i++) {
		long at;

		for (at = 1; at < MAX_CALLS;
		     at += 1 + (at > NR_EACH) * at / 8) {
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
		if (at >= MAX_CALLS)
			test_say("%s: calls without end", cases[i].name);
		nr_wrong += at >= MAX_CALLS;
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

static const struct test tests[] = {
	{ "whichever system call lacks memory", whatever_lacks_memory },
	{ "whichever system call is invalid", whatever_is_invalid },
	{ "whichever system call must be tried again",
	  whatever_must_be_tried_again },
	{ "whichever system call is not permitted", whatever_is_not_permitted },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
