// SPDX-License-Identifier: MIT
/*
 * mlockall() locks what the program uses, as far as an ordinary user's
 * RLIMIT_MEMLOCK goes: no reservation of surefree's and nothing that is only
 * kept ready is locked, made resident, or counted.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "memory.h"
#include "test.h"

#define LIMIT_LEN ((size_t)8 << 20)
#define BLOCK_LEN ((size_t)1 << 20)
#define NOBODY	  65534
#define SLACK	  8 /* mappings that come and go otherwise */

/* Lower the limit, where it is higher. Whether it is as wanted. */
static bool limit_locked(size_t len)
{
	struct rlimit limit;

	if (!CHECK_OK(getrlimit(RLIMIT_MEMLOCK, &limit)))
		return false;
	if (geteuid() != 0 && limit.rlim_max < len) {
		test_skip("RLIMIT_MEMLOCK is %zu KiB",
			  (size_t)limit.rlim_max >> 10);
		return false;
	}
	limit.rlim_cur = len;
	limit.rlim_max = len;
	return CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
}

static bool is_resident(const void *block, size_t len)
{
	size_t page = test_page();
	const char *first = (const char *)block + page - (size_t)block % page;

	len = (len - page) / page * page;
	return test_resident(first, len) == len;
}

/* Root's limit is not enforced. Whether we are an ordinary user now. */
static bool be_ordinary(void)
{
	return CHECK(geteuid() != 0 || setuid(NOBODY) == 0) &&
	       CHECK_OK(prctl(PR_SET_DUMPABLE, 1)); /* /proc is ours to read */
}

static int lock_current(void *arg)
{
	char *block = malloc(BLOCK_LEN);

	(void)arg;
	if (CHECK(block != NULL) && be_ordinary() &&
	    CHECK_OK(mlockall(MCL_CURRENT))) {
		CHECK(is_resident(block, BLOCK_LEN));
		CHECK(test_status("VmLck") >= BLOCK_LEN);
		CHECK(test_status("VmLck") <= LIMIT_LEN);
		CHECK(test_status("VmRSS") < 2 * LIMIT_LEN);
		CHECK_OK(munlockall());
		CHECK_EQ(test_status("VmLck"), 0);
	}
	free(block);
	return 0;
}

static void what_is_there_is_locked(void)
{
	if (limit_locked(LIMIT_LEN))
		CHECK_EQ(test_in_child(lock_current, NULL), 0);
}

static int lock_future(void *flags)
{
	size_t before;
	char *block;

	if (!be_ordinary() || !CHECK_OK(mlockall(*(int *)flags)))
		return 0;
	before = test_status("VmLck");
	block = malloc(BLOCK_LEN);
	if (CHECK(block != NULL)) {
		size_t more = test_status("VmLck") - before;

		CHECK(more >= BLOCK_LEN - test_page());
		CHECK(more < 2 * BLOCK_LEN);
		CHECK(is_resident(block, BLOCK_LEN));
	}
	free(block);
	CHECK_OK(munlockall());
	CHECK_EQ(test_status("VmLck"), 0);
	return 0;
}

static void what_comes_is_locked(void)
{
	int all = MCL_CURRENT | MCL_FUTURE;
	int future = MCL_FUTURE;

	if (!limit_locked(LIMIT_LEN))
		return;
	CHECK_EQ(test_in_child(lock_future, &all), 0);
	CHECK_EQ(test_in_child(lock_future, &future), 0);
}

static void *nothing(void *arg)
{
	return arg;
}

static int lock_less_than_refused(void *arg)
{
	char *volatile refused;
	char *volatile block;
	size_t before;

	(void)arg;
	if (!be_ordinary() || !CHECK_OK(mlockall(MCL_CURRENT | MCL_FUTURE)))
		return 0;
	refused = malloc(LIMIT_LEN); /* NULL with Linux alone */
	before = test_status("VmLck");
	block = malloc(BLOCK_LEN);
	if (CHECK(block != NULL))
		CHECK(test_status("VmLck") >= before + BLOCK_LEN - test_page());
	free(refused);
	before = test_status("VmLck");
	block = malloc(BLOCK_LEN);
	if (CHECK(block != NULL))
		CHECK(test_status("VmLck") >= before + BLOCK_LEN - test_page());
	return 0;
}

static void less_is_locked_after_more_was_refused(void)
{
	if (limit_locked(LIMIT_LEN))
		CHECK_EQ(test_in_child(lock_less_than_refused, NULL), 0);
}

/* A block and a map are together more than may be locked. */
static int lock_after_release(void *arg)
{
	size_t len = LIMIT_LEN / 16 * 7;
	char *volatile block;

	(void)arg;
	if (!be_ordinary() || !CHECK_OK(mlockall(MCL_CURRENT | MCL_FUTURE)))
		return 0;
	block = malloc(len);
	CHECK(block != NULL);
	free(block);
	CHECK(mmap(NULL, len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	return 0;
}

static void what_was_released_does_not_count(void)
{
	if (limit_locked(LIMIT_LEN))
		CHECK_EQ(test_in_child(lock_after_release, NULL), 0);
}

/* /proc/self/maps can't be opened; rights are given up then. */
static int lock_without_list(void *arg)
{
	struct rlimit none = { 0, 0 };
	struct rlimit files;

	(void)arg;
	if (!CHECK_OK(getrlimit(RLIMIT_NOFILE, &files)))
		return 0;
	none.rlim_max = files.rlim_max;
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &none));
	CHECK_OK(mlockall(MCL_CURRENT | MCL_FUTURE));
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &files));
	if (!be_ordinary())
		return 0;
	CHECK(test_status("VmLck") < LIMIT_LEN - BLOCK_LEN);
	CHECK(mmap(NULL, BLOCK_LEN, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0) != MAP_FAILED);
	return 0;
}

static void without_a_list_of_mappings_too(void)
{
	if (geteuid() != 0)
		test_skip("only root may lock what it can't tell apart");
	else if (limit_locked(LIMIT_LEN))
		CHECK_EQ(test_in_child(lock_without_list, NULL), 0);
}

static int lock_twice(void *arg)
{
	size_t before;

	(void)arg;
	if (!be_ordinary() || !CHECK_OK(mlockall(MCL_CURRENT | MCL_FUTURE)) ||
	    !CHECK_OK(mlockall(MCL_CURRENT)))
		return 0;
	before = test_status("VmLck");
	CHECK(before > 0);
	CHECK(mmap(NULL, BLOCK_LEN, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0) != MAP_FAILED);
	CHECK_EQ(test_status("VmLck"), before);
	return 0;
}

static void the_last_call_says_what_comes(void)
{
	if (limit_locked(LIMIT_LEN))
		CHECK_EQ(test_in_child(lock_twice, NULL), 0);
}

/* Blocks beyond what was in use. */
static void *hand_out(void *arg)
{
	void *volatile blocks[64];

	for (size_t i = 0; i < TEST_COUNT(blocks); i++)
		blocks[i] = malloc(BLOCK_LEN / 16);
	for (size_t i = 0; i < TEST_COUNT(blocks); i++)
		free(blocks[i]);
	return arg;
}

static int unlock_meanwhile(void *arg)
{
	pthread_attr_t small;
	pthread_t thread;

	(void)arg;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, BLOCK_LEN);
	if (!be_ordinary())
		return 0;
	for (int i = 0; i < 100; i++) {
		CHECK_OK(mlockall(MCL_FUTURE));
		if (!CHECK_EQ(pthread_create(&thread, &small, hand_out, NULL),
			      0))
			return 0;
		for (int j = 0; j < i; j++)
			sched_yield();
		CHECK_OK(munlockall());
		pthread_join(thread, NULL);
		CHECK_EQ(test_status("VmLck"), 0);
	}
	return 0;
}

static void nothing_is_locked_after_unlocking(void)
{
	if (limit_locked(LIMIT_LEN))
		CHECK_EQ(test_in_child(unlock_meanwhile, NULL), 0);
}

/* What the parent locked is not in the child. */
static int use_memory(void *arg)
{
	char *block = malloc(BLOCK_LEN);
	pthread_t thread;

	(void)arg;
	CHECK(block != NULL);
	CHECK_EQ(test_status("VmLck"), 0);
	/* Its stack may stay, for the next one. */
	if (CHECK_EQ(pthread_create(&thread, NULL, nothing, NULL), 0) &&
	    CHECK_EQ(pthread_join(thread, NULL), 0))
		CHECK_EQ(test_status("VmLck"), 0);
	free(block);
	return 0;
}

static int lock_and_fork(void *arg)
{
	(void)arg;
	if (be_ordinary() && CHECK_OK(mlockall(MCL_CURRENT | MCL_FUTURE)))
		CHECK_EQ(test_in_child(use_memory, NULL), 0);
	return 0;
}

static void children_have_no_locks(void)
{
	if (limit_locked(LIMIT_LEN))
		CHECK_EQ(test_in_child(lock_and_fork, NULL), 0);
}

static int lock_often(void *arg)
{
	long before;

	(void)arg;
	if (!be_ordinary())
		return 0;
	free(malloc(BLOCK_LEN));
	before = test_mappings();
	for (int i = 0; i < 20; i++) {
		char *block;

		if (!CHECK_OK(mlockall(MCL_CURRENT | MCL_FUTURE)))
			return 0;
		block = malloc(BLOCK_LEN);
		CHECK(block != NULL);
		memset(block, 1, BLOCK_LEN);
		if (i % 2 == 0)
			free(block);
		CHECK_OK(munlockall());
		if (i % 2 != 0)
			free(block);
	}
	CHECK(test_mappings() <= before + SLACK);
	return 0;
}

static void unlocking_leaves_no_mappings(void)
{
	if (limit_locked(LIMIT_LEN))
		CHECK_EQ(test_in_child(lock_often, NULL), 0);
}

/* Pages in use far apart: all that lies between is more than may be locked. */
static int lock_scattered(void *arg)
{
	static char *maps[1200];
	size_t page = test_page();
	long before;

	(void)arg;
	if (!be_ordinary())
		return 0;
	for (int i = 0; i < 1200; i++) {
		maps[i] = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (!CHECK(maps[i] != MAP_FAILED))
			return 0;
		*maps[i] = 1;
	}
	for (int i = 0; i < 1200; i++)
		CHECK_OK(munmap(maps[i] + page, 3 * page));
	before = test_mappings();
	CHECK_OK(mlockall(MCL_CURRENT));
	CHECK(test_mappings() <= before + 2 * 256 + SLACK);
	CHECK(test_status("VmLck") >= 256 * page);
	CHECK_OK(munlockall());
	CHECK(test_mappings() <= before + SLACK);
	return 0;
}

static void scattered_pages_take_few_mappings(void)
{
	if (test_page() > 4096)
		test_skip("so many pages are more than the limit");
	else if (limit_locked(LIMIT_LEN))
		CHECK_EQ(test_in_child(lock_scattered, NULL), 0);
}

/* More than the first region has room for, and more than may be locked. */
static int fill_regions(void *arg)
{
	static char *blocks[64];

	(void)arg;
	if (!be_ordinary() || !CHECK_OK(mlockall(MCL_FUTURE)))
		return 0;
	for (int i = 0; i < 64; i++) {
		blocks[i] = malloc(BLOCK_LEN);
		CHECK(blocks[i] != NULL);
	}
	CHECK(test_status("VmLck") > LIMIT_LEN / 2);
	for (int i = 0; i < 64; i++)
		free(blocks[i]);
	return 0;
}

static void further_regions_are_not_locked(void)
{
	const char *options = getenv("SUREFREE_OPTIONS");
	char text[100];

	if (!memory_is_surefree()) {
		test_skip("Linux alone gives what may be locked");
		return;
	}
	if (options == NULL || strstr(options, "region=4M") == NULL) {
		snprintf(text, sizeof(text), "%s%sregion=4M",
			 options != NULL ? options : "",
			 options != NULL ? "," : "");
		setenv("SUREFREE_OPTIONS", text, 1);
		execl("/proc/self/exe", "self",
		      "further regions are not locked", NULL);
		FAIL("cannot execute");
	}
	if (limit_locked(LIMIT_LEN))
		CHECK_EQ(test_in_child(fill_regions, NULL), 0);
}

/* In this process: a forked one has what was kept ready for it, no more. */
static void use_at_limit(void)
{
	static char *blocks[100];
	size_t before;

	if (!test_fill(SLACK) ||
	    !CHECK_OK(mlockall(MCL_CURRENT | MCL_FUTURE)) || !test_fill(0))
		return;
	before = test_status("VmLck");
	for (int i = 0; i < 100; i++) {
		blocks[i] = malloc(BLOCK_LEN);
		if (!CHECK(blocks[i] != NULL))
			break;
		memset(blocks[i], 1, BLOCK_LEN);
	}
	CHECK(test_status("VmLck") >= before + 99 * BLOCK_LEN);
	for (int i = 0; i < 100; i++)
		free(blocks[i]);
	CHECK_OK(munlockall());
	test_unfill();
}

static void at_the_limit_of_mappings_too(void)
{
	if (!memory_is_surefree())
		test_skip("Linux alone has no more blocks there");
	else if (geteuid() != 0)
		test_skip("what fills the limit of mappings is locked too");
	else if (limit_locked(LIMIT_LEN))
		use_at_limit();
}

/* What is moved away and unmapped, which leaves addresses of ours. */
static int move_and_unmap(void *arg)
{
	size_t page = test_page();
	size_t before;
	char *block;
	char *moved;

	(void)arg;
	block = mmap(NULL, BLOCK_LEN, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!CHECK(block != MAP_FAILED) ||
	    !CHECK_OK(madvise(block, BLOCK_LEN, MADV_DONTDUMP)) ||
	    !be_ordinary() || !CHECK_OK(mlockall(MCL_CURRENT | MCL_FUTURE)))
		return 0;
	before = test_status("VmLck");
	moved = mremap(block, BLOCK_LEN, 2 * BLOCK_LEN, MREMAP_MAYMOVE);
	if (!CHECK(moved != MAP_FAILED) ||
	    !CHECK_OK(munmap(moved, 2 * BLOCK_LEN)))
		return 0;
	if (moved != block)
		CHECK_EQ(test_resident(block, BLOCK_LEN), 0);
	CHECK(test_status("VmLck") <= before - BLOCK_LEN + page);
	CHECK_OK(munlockall());
	return 0;
}

static void what_is_moved_away_is_not_locked(void)
{
	if (limit_locked(LIMIT_LEN))
		CHECK_EQ(test_in_child(move_and_unmap, NULL), 0);
}

/* Three blocks grow in turn to BLOCK_LEN; what lies between is not locked. */
static int grow_in_turn(void *as_root)
{
	char *blocks[3] = { NULL };
	size_t len = BLOCK_LEN / 16;
	size_t before;

	if ((as_root == NULL && !be_ordinary()) ||
	    !CHECK_OK(mlockall(MCL_CURRENT | MCL_FUTURE)))
		return 0;
	before = test_status("VmLck");
	for (; len < BLOCK_LEN; len += len / 8)
		for (size_t i = 0; i < TEST_COUNT(blocks); i++) {
			blocks[i] = realloc(blocks[i], len);
			if (!CHECK(blocks[i] != NULL))
				return 0;
		}
	for (size_t i = 0; i < TEST_COUNT(blocks); i++) {
		CHECK(is_resident(blocks[i], len / 9 * 8));
		free(blocks[i]);
	}
	CHECK_LE(test_status("VmLck"), before + 7 * BLOCK_LEN / 2);
	return 0;
}

static void what_grows_is_locked_and_no_more(void)
{
	if (geteuid() == 0)
		CHECK_EQ(test_in_child(grow_in_turn, &(int){ 1 }), 0);
	if (limit_locked(LIMIT_LEN))
		CHECK_EQ(test_in_child(grow_in_turn, NULL), 0);
}

static const struct test tests[] = {
	{ "what is there is locked", what_is_there_is_locked },
	{ "what comes is locked", what_comes_is_locked },
	{ "less is locked after more was refused",
	  less_is_locked_after_more_was_refused },
	{ "what was released does not count",
	  what_was_released_does_not_count },
	{ "without a list of mappings, too", without_a_list_of_mappings_too },
	{ "the last call says what comes", the_last_call_says_what_comes },
	{ "nothing is locked after unlocking",
	  nothing_is_locked_after_unlocking },
	{ "children have no locks", children_have_no_locks },
	{ "unlocking leaves no mappings", unlocking_leaves_no_mappings },
	{ "scattered pages take few mappings",
	  scattered_pages_take_few_mappings },
	{ "further regions are not locked", further_regions_are_not_locked },
	{ "at the limit of mappings, too", at_the_limit_of_mappings_too },
	{ "what is moved away is not locked",
	  what_is_moved_away_is_not_locked },
	{ "what grows is locked, and no more",
	  what_grows_is_locked_and_no_more },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
