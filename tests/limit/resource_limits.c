// SPDX-License-Identifier: MIT
/*
 * Under small RLIMIT_AS, RLIMIT_DATA and RLIMIT_MEMLOCK the library makes do
 * with smaller regions, or maps fail with errno; a release never fails.
 *
 * The library reserves when it is loaded, so what matters is a limit that the
 * process starts with: each case is this program executed again under it.
 */
#include "test.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "extra.h"
#include "surefree.h"

#define MIB ((size_t)1 << 20)

static void set_limit(int resource, size_t len)
{
	struct rlimit limit = { .rlim_cur = len, .rlim_max = len };

	CHECK_OK(setrlimit((__rlimit_resource_t)resource, &limit));
}

struct maps {
	char *addr[512];
	size_t len;
	size_t nr;
};

/* Map and touch pieces until there is no more. */
static void map_all(struct maps *maps, size_t len)
{
	maps->len = len;
	maps->nr = 0;
	while (maps->nr < 512) {
		char *p = surefree_map(len, 0);

		if (p == NULL) {
			CHECK(errno == ENOMEM || errno == EAGAIN);
			break;
		}
		if (!extra_is(p, 64, 0))
			return;
		extra_set(p, len, 'x');
		maps->addr[maps->nr++] = p;
	}
}

/* Every second piece, half of it at a time, then the others. */
static void unmap_all(struct maps *maps)
{
	size_t half = maps->len / 2;

	for (size_t i = 0; i < maps->nr; i += 2) {
		extra_unmap(maps->addr[i] + half, half);
		CHECK_EQ(test_resident(maps->addr[i] + half, half), 0);
	}
	for (size_t i = 0; i < maps->nr; i++) {
		if (!extra_is(maps->addr[i], half, 'x'))
			return;
		extra_discard(maps->addr[i], half);
		extra_unmap(maps->addr[i], i % 2 == 0 ? half : maps->len);
		CHECK_EQ(test_resident(maps->addr[i], maps->len), 0);
	}
	CHECK_EQ(extra_stats().used_len, 0);
	CHECK_EQ(extra_stats().nr_stuck, 0);
}

static int use_memory(void *arg)
{
	static struct maps maps;
	size_t least = *(size_t *)arg;
	size_t nr;

	map_all(&maps, MIB);
	nr = maps.nr;
	if (!CHECK_GE(nr * MIB, least))
		test_say("  %zu MiB could be mapped", nr);
	unmap_all(&maps);
	/* What was released can be had again. */
	map_all(&maps, MIB);
	CHECK_EQ(maps.nr, nr);
	unmap_all(&maps);
	return 0;
}

/*
 * Set the limit, then go on in a new process image, whose test is the one that
 * is named like this one with "(started so)" behind it.
 */
static void start_again(int resource, size_t len, const char *words)
{
	char *args[] = { (char *)"resource_limits", (char *)words, NULL };

	set_limit(resource, len);
	if (!test_failed())
		execv("/proc/self/exe", args);
	SKIP("cannot execute this program again: errno %d", errno);
}

static void under_rlimit_as(void)
{
	start_again(RLIMIT_AS, 200 * MIB, "[RLIMIT_AS]");
}

static void started_under_rlimit_as(void)
{
	size_t least = 24 * MIB;
	struct surefree_stats s = extra_stats();

	CHECK_GE(s.nr_regions, 1);
	CHECK_LE(s.reserved_len, 200 * MIB);
	use_memory(&least);
}

static void under_rlimit_data(void)
{
	start_again(RLIMIT_DATA, 64 * MIB, "[RLIMIT_DATA]");
}

static void started_under_rlimit_data(void)
{
	size_t least = 24 * MIB;

	use_memory(&least);
}

/* Only an ordinary user is bound by RLIMIT_MEMLOCK. */
static int under_memlock_as_ordinary(void *arg)
{
	char *args[] = { (char *)"resource_limits", (char *)"[RLIMIT_MEMLOCK]",
			 NULL };

	(void)arg;
	set_limit(RLIMIT_MEMLOCK, 8 * MIB);
	execv("/proc/self/exe", args);
	return 77;
}

static void under_rlimit_memlock(void)
{
	int result = extra_in_ordinary_child(under_memlock_as_ordinary, NULL);

	if (result == 77)
		SKIP("an ordinary user cannot execute this program");
	CHECK_EQ(result, 0);
}

static void started_under_rlimit_memlock(void)
{
	size_t page = test_page();
	char *kept = surefree_map(4 * page, 0);
	char *p;

	if (!CHECK(kept != NULL))
		return;
	extra_set(kept, 4 * page, 'k');
	/* Locking part of our memory is what small limits allow. */
	if (mlock(kept, 2 * page) == 0) {
		extra_unmap(kept, page);
		CHECK_EQ(test_resident(kept, page), 0);
		extra_is(kept + page, 3 * page, 'k');
	}
	CHECK_OK(mlockall(MCL_FUTURE));
	for (int i = 0; i < 20; i++) {
		p = surefree_map(MIB, 0);
		if (p == NULL) {
			CHECK(errno == EAGAIN || errno == ENOMEM);
			break;
		}
		extra_set(p, MIB, 'f');
		extra_unmap(p, MIB);
		CHECK_EQ(test_resident(p, MIB), 0);
	}
	/* A region of its own is too large to be locked. */
	p = surefree_map(2 * MIB, SUREFREE_HUGE);
	CHECK(p != NULL || errno == EAGAIN || errno == ENOMEM);
	CHECK_EQ(extra_stats().nr_stuck, 0);
}

static void lowered_below_use_nothing_fails_to_be_released(void)
{
	static struct maps maps;
	static const int resources[] = { RLIMIT_AS, RLIMIT_DATA };

	maps.len = MIB;
	for (maps.nr = 0; maps.nr < 32; maps.nr++) {
		maps.addr[maps.nr] = surefree_map(MIB, 0);
		if (!CHECK(maps.addr[maps.nr] != NULL))
			return;
		extra_set(maps.addr[maps.nr], MIB, 'x');
	}
	for (size_t i = 0; i < TEST_COUNT(resources); i++)
		set_limit(resources[i], MIB);
	unmap_all(&maps);
	surefree_trim(0);
	CHECK_EQ(extra_stats().used_len, 0);
}

/* Not even one region fits: NULL and errno, again and again. */
static void without_any_address_space_maps_fail(void)
{
	start_again(RLIMIT_AS, 16 * MIB, "[little RLIMIT_AS]");
}

static void started_without_any_address_space(void)
{
	for (int i = 0; i < 3; i++) {
		char *p = surefree_map(MIB, 0);

		if (p == NULL) {
			CHECK_EQ(errno, ENOMEM);
			continue;
		}
		extra_set(p, MIB, 'x');
		extra_unmap(p, MIB);
	}
	CHECK(surefree_map((size_t)1 << 30, 0) == NULL && errno == ENOMEM);
}

static void file_views_work_under_rlimit_as(void)
{
	size_t page = test_page();
	int fd = memfd_create("view", MFD_CLOEXEC);
	char *view;

	if (!CHECK(fd >= 0) || !CHECK_OK(ftruncate(fd, (off_t)page)))
		return;
	set_limit(RLIMIT_AS, (size_t)64 << 40); /* hardly a limit */
	view = surefree_map_file(fd, 0, page, PROT_READ, MAP_SHARED);
	if (CHECK(view != NULL)) {
		CHECK_EQ(view[0], 0);
		set_limit(RLIMIT_AS, MIB);
		surefree_unmap_file(view, page);
		CHECK_NE(test_reads(view), 0);
	}
	close(fd);
}

static const struct test tests[] = {
	{ "memory is had under a small RLIMIT_AS", under_rlimit_as },
	{ "memory is had under a small RLIMIT_DATA", under_rlimit_data },
	{ "memory is had under a small RLIMIT_MEMLOCK", under_rlimit_memlock },
	{ "limits lowered below use fail no release",
	  lowered_below_use_nothing_fails_to_be_released },
	{ "without any address space maps fail",
	  without_any_address_space_maps_fail },
	{ "a file view is released under any RLIMIT_AS",
	  file_views_work_under_rlimit_as },
};

static const struct test started[] = {
	{ "[RLIMIT_AS]", started_under_rlimit_as },
	{ "[RLIMIT_DATA]", started_under_rlimit_data },
	{ "[RLIMIT_MEMLOCK]", started_under_rlimit_memlock },
	{ "[little RLIMIT_AS]", started_without_any_address_space },
};

int main(int argc, char **argv)
{
	bool again = argc == 2 && argv[1][0] == '[';

	if (again)
		return test_main(argc, argv, started, TEST_COUNT(started));
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
