// SPDX-License-Identifier: MIT
/*
 * A memory cgroup that is full. Every mapping that must be cut takes a little
 * memory of the kernel, which is charged to the cgroup: munmap() of a head, a
 * tail or a middle then fails with ENOMEM, or the process is killed. Giving
 * pages back in place needs none.
 *
 * "Full" is filled page by page until the cgroup's usage is its limit. The
 * child that is not killable asks for each page with MADV_POPULATE_WRITE,
 * which fails where a touch would go on trying for ever.
 */
#include "kernel.h"

#include <signal.h>
#include <string.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* 5.14 */
#endif

#define LIMIT	      ((size_t)8 << 20)
#define FILL_LEN      (2 * LIMIT)
#define GUARD_INSTALL 102

/* What the child does to memory, and whether it may be killed. */
struct work {
	bool killable;
	int (*op)(char *p, size_t page);
	bool every_other; /* pages; else all */
};

/* Results of the child, in shared memory. */
struct result {
	size_t nr_pages; /* filled */
	size_t nr_done;
	size_t nr_refused;
	int err;	   /* of the last refusal */
	size_t usage_full; /* 0: even looking was refused */
	size_t usage_after;
};

static struct result *result;
static const struct work *work;

/* Have the stack ready that the child needs when it is full. */
static void __attribute__((noinline)) touch_stack(void)
{
	char bytes[64 << 10];

	explicit_bzero(bytes, sizeof(bytes));
}

/*
 * Touch pages from p on until the usage is the limit; returns their number.
 * Half of what seems to be left is touched between two looks.
 */
static size_t touch_until_full(char *p)
{
	size_t page = test_page();
	size_t nr = 0;
	size_t usage;

	while ((usage = test_cgroup_usage()) < LIMIT)
		for (size_t i = 0; i <= (LIMIT - usage) / page / 2; i++)
			p[nr++ * page] = 1;
	return nr;
}

/* The same for a child that is not killable. */
static size_t populate_until_full(char *p)
{
	size_t page = test_page();
	size_t nr = 0;

	while (madvise(p + nr * page, page, MADV_POPULATE_WRITE) == 0)
		nr++;
	return nr;
}

static int do_work(void *arg)
{
	size_t page = test_page();
	size_t step = work->every_other ? 2 : 1;
	char *p = arg;

	touch_stack();
	result->nr_pages = work->killable ? touch_until_full(p) :
					    populate_until_full(p);
	result->usage_full = test_cgroup_usage();
	for (size_t i = work->every_other; i < result->nr_pages; i += step) {
		if (work->op(p + i * page, page) == 0) {
			result->nr_done++;
		} else {
			result->nr_refused++;
			result->err = errno;
		}
	}
	result->usage_after = test_cgroup_usage();
	return 0;
}

/* Do it in a cgroup; false when skipped. */
static bool run(const struct work *what, int expected_status)
{
	char *p = mmap(NULL, FILL_LEN, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int status;

	result = mmap(NULL, sizeof(*result), RW, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (!CHECK(p != MAP_FAILED && result != MAP_FAILED))
		return false;
	madvise(p, FILL_LEN, MADV_NOHUGEPAGE);
	*result = (struct result){ 0 };
	work = what;
	status = test_in_cgroup(LIMIT, what->killable, do_work, p);
	if (status == -1 && test_skipped())
		return false;
	test_say("filled %zu pages, usage %zu: %zu done, %zu refused "
		 "(errno %d), usage %zu, status %d",
		 result->nr_pages, result->usage_full, result->nr_done,
		 result->nr_refused, result->err, result->usage_after, status);
	CHECK_EQ(status, expected_status);
	CHECK_GT(result->nr_pages, LIMIT / test_page() / 2);
	return true;
}

static int discard(char *p, size_t page)
{
	return madvise(p, page, MADV_DONTNEED);
}

static int guard(char *p, size_t page)
{
	return madvise(p, page, GUARD_INSTALL);
}

static int unmap_page(char *p, size_t page)
{
	return munmap(p, page);
}

/* An op that must never be refused. */
static void never_refused(int (*op)(char *p, size_t page), bool killable)
{
	struct work what = { killable, op, false };

	if (!run(&what, 0))
		return;
	CHECK_EQ(result->nr_refused, 0);
	CHECK_EQ(result->nr_done, result->nr_pages);
	CHECK_LT(result->usage_after, LIMIT / 2);
}

static void discarding(void)
{
	never_refused(discard, true);
}

static void discarding_protected(void)
{
	never_refused(discard, false);
}

static void guarding(void)
{
	if (!test_has_guard())
		SKIP("no guard markers before 6.13");
	never_refused(guard, true);
}

static void guarding_protected(void)
{
	if (!test_has_guard())
		SKIP("no guard markers before 6.13");
	never_refused(guard, false);
}

static void unmapping(void)
{
	struct work what = { false, unmap_page, true };

	if (!run(&what, 0))
		return;
	CHECK_GT(result->nr_refused, 0);
	CHECK_EQ(result->err, ENOMEM);
}

static void unmapping_heads(void)
{
	struct work what = { false, unmap_page, false };

	if (!run(&what, 0))
		return;
	CHECK_GT(result->nr_refused, 0);
	CHECK_EQ(result->err, ENOMEM);
}

static const struct test tests[] = {
	{ "MADV_DONTNEED is never refused in a full cgroup", discarding },
	{ "nor where the process must not be killed", discarding_protected },
	{ "guarding touched pages is never refused in a full cgroup",
	  guarding },
	{ "nor guarding where the process must not be killed",
	  guarding_protected },
	{ "unmapping middles is refused where it must not be killed",
	  unmapping },
	{ "unmapping heads is refused where it must not be killed",
	  unmapping_heads },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
