// SPDX-License-Identifier: MIT
/*
 * At the limit memory can still be mapped: with every flag that needs no
 * region of its own, at every alignment, again and again.
 */
#include "test.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "extra.h"
#include "surefree.h"

static void check_new(struct extra_work *work)
{
	if (!CHECK(work->addr != NULL))
		return;
	extra_is(work->addr, work->len, 0);
	extra_set(work->addr, work->len, 'm');
	extra_is(work->addr, work->len, 'm');
}

static void release(struct extra_work *work)
{
	extra_unmap(work->addr, work->len);
	if (!work->shared)
		extra_check_released(work->addr, work->len);
}

static void prepare_plain(struct extra_work *work)
{
	work->len = 16 * test_page();
	work->addr = surefree_map(work->len, 0);
	check_new(work);
}

static void prepare_megabyte(struct extra_work *work)
{
	work->len = (size_t)1 << 20;
	work->addr = surefree_map(work->len, 0);
	check_new(work);
}

static void prepare_populated(struct extra_work *work)
{
	work->len = 16 * test_page();
	work->addr = surefree_map(work->len, SUREFREE_POPULATE);
	if (CHECK(work->addr != NULL))
		CHECK_EQ(test_resident(work->addr, work->len), work->len);
	check_new(work);
}

static void prepare_aligned(struct extra_work *work)
{
	size_t align = (size_t)1 << 21;

	work->len = 5 * test_page();
	work->addr = surefree_map_aligned(work->len, align, 0);
	CHECK_EQ((uintptr_t)work->addr % align, 0);
	check_new(work);
}

static void prepare_guarded(struct extra_work *work)
{
	work->len = 3 * test_page();
	work->addr = surefree_map(work->len, SUREFREE_GUARDED);
	if (!test_has_guard()) {
		CHECK(work->addr == NULL && errno == ENOTSUP);
		work->addr = surefree_map(work->len, 0);
		check_new(work);
		return;
	}
	check_new(work);
	CHECK_EQ(test_reads(work->addr - 1), 1);
	CHECK_EQ(test_reads(work->addr + work->len), 1);
}

static void memory_can_be_mapped(void)
{
	extra_at_limit(&(struct extra_case){ prepare_plain, release });
}

static void a_mebibyte_can_be_mapped(void)
{
	extra_at_limit(&(struct extra_case){ prepare_megabyte, release });
}

static void populated_memory_can_be_mapped(void)
{
	extra_at_limit(&(struct extra_case){ prepare_populated, release });
}

static void aligned_memory_can_be_mapped(void)
{
	extra_at_limit(&(struct extra_case){ prepare_aligned, release });
}

static void guarded_memory_can_be_mapped(void)
{
	extra_at_limit(&(struct extra_case){ prepare_guarded, release });
}

/* Half of what the option "ahead" (64M) keeps committed. */
static int map_32_mib(void *arg)
{
	size_t len = (size_t)1 << 20;

	(void)arg;
	for (int i = 0; i < 32; i++) {
		char *p = surefree_map(len, 0);

		if (!CHECK(p != NULL))
			break;
		*p = 1;
	}
	return 0;
}

/* However much the parent has mapped and touched. */
static void a_child_can_map_32_mib_more(void)
{
	size_t len = (size_t)11 << 20;

	if (len * 20 > extra_available() / 2)
		SKIP("220 MiB are not available");
	if (!test_fill(0))
		return;
	for (int i = 0; i < 20 && !test_failed(); i++) {
		char *p = surefree_map(len, 0);

		if (!CHECK(p != NULL))
			break;
		extra_set(p, len, 'p');
		if (!CHECK_EQ(test_in_child(map_32_mib, NULL), 0))
			test_say("  with %d MiB mapped", (i + 1) * 11);
	}
	test_unfill();
}

static void after_trimming_memory_can_be_mapped(void)
{
	size_t page = test_page();
	char *p = surefree_map(page, 0);

	if (!CHECK(p != NULL))
		return;
	*p = 1;
	surefree_unmap(p, page);
	surefree_trim(0);
	if (!test_fill(0))
		return;
	p = surefree_map(page, 0);
	if (CHECK(p != NULL))
		*p = 1;
	test_unfill();
}

static void the_parent_can_map_a_gibibyte(void)
{
	size_t len = (size_t)1 << 20;
	long before;

	if (!test_fill(0))
		return;
	before = test_mappings();
	for (int i = 0; i < 1024; i++) {
		char *p = surefree_map(len, 0);

		if (!CHECK(p != NULL))
			break;
		p[0] = 1;
		p[len - 1] = 1;
	}
	CHECK_EQ(test_mappings(), before);
	test_unfill();
}

/* A region for huge pages needs mappings: without, small pages or NULL. */
static void huge_memory_is_served_or_refused(void)
{
	size_t len = (size_t)2 << 20;
	long before;
	char *p;

	if (!test_fill(0))
		return;
	before = test_mappings();
	p = surefree_map(len, SUREFREE_HUGE);
	if (p == NULL) {
		CHECK_EQ(errno, ENOMEM);
		CHECK_EQ(test_mappings(), before);
	} else {
		CHECK_EQ((uintptr_t)p % len, 0);
		extra_is(p, len, 0);
		extra_unmap(p, len);
	}
	test_unfill();
}

static void file_views_are_refused_below_the_reserve(void)
{
	size_t page = test_page();
	int fd = memfd_create("view", MFD_CLOEXEC);
	char *p;

	if (!CHECK(fd >= 0) || !CHECK_OK(ftruncate(fd, (off_t)page)))
		return;
	if (!test_fill(32))
		return;
	p = surefree_map_file(fd, 0, page, PROT_READ, MAP_SHARED);
	CHECK(p == NULL && errno == ENOSPC);
	CHECK_EQ(extra_stats().nr_views_refused, 1);
	CHECK_OK(surefree_set("view_reserve", "8"));
	p = surefree_map_file(fd, 0, page, PROT_READ, MAP_SHARED);
	if (CHECK(p != NULL)) {
		CHECK_EQ(p[0], 0);
		CHECK(test_fill(0));
		surefree_unmap_file(p, page);
		CHECK_NE(test_reads(p), 0);
	}
	test_unfill();
	close(fd);
}

static const struct test tests[] = {
	{ "memory can be mapped", memory_can_be_mapped },
	{ "a mebibyte can be mapped", a_mebibyte_can_be_mapped },
	{ "populated memory can be mapped", populated_memory_can_be_mapped },
	{ "aligned memory can be mapped", aligned_memory_can_be_mapped },
	{ "guarded memory can be mapped", guarded_memory_can_be_mapped },
	{ "a child can map 32 MiB more", a_child_can_map_32_mib_more },
	{ "after trimming memory can be mapped",
	  after_trimming_memory_can_be_mapped },
	{ "the parent can map a gibibyte", the_parent_can_map_a_gibibyte },
	{ "huge memory is served or refused",
	  huge_memory_is_served_or_refused },
	{ "file views are refused below the reserve",
	  file_views_are_refused_below_the_reserve },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
