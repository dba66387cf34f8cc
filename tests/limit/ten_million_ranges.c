// SPDX-License-Identifier: MIT
/*
 * Ten million live ranges of one page in a process without a spare mapping,
 * every second one then released: none fails, and surefree takes fewer than 16
 * mappings and at most 16 bytes of metadata a page.
 *
 *	ten_million_ranges [COUNT]
 *
 * Every stride-th page is touched, as many as memory allows.
 */
#include "test.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "extra.h"
#include "surefree.h"

#define COUNT_WANTED ((size_t)10000000)
#define PART	     ((size_t)1000000) /* calls that are timed together */
/* Pointer, page-table entry and metadata of a range, rounded up. */
#define RANGE_COST 24

static size_t count_wanted = COUNT_WANTED;

struct ranges {
	char **addr;
	size_t nr;
	size_t stride; /* every stride-th is touched */
};

static bool make_room(struct ranges *r)
{
	size_t available = extra_available();
	size_t most = available / 2 / RANGE_COST;
	size_t touched;

	r->nr = count_wanted;
	if (r->nr > most) {
		r->nr = most / 2 * 2;
		test_say("scaled down to %zu ranges: %zu MiB are available",
			 r->nr, available >> 20);
	}
	touched = available / 4 / test_page();
	r->stride = 15;
	while (r->nr / r->stride > touched)
		r->stride = r->stride * 2 + 1; /* odd: of both halves */
	r->addr = mmap(NULL, r->nr * sizeof(char *), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return CHECK(r->addr != MAP_FAILED);
}

/* Map all; the result is the mean time of the first and of the last part. */
static bool map_all(struct ranges *r, double *first, double *last)
{
	size_t page = test_page();
	double start = extra_seconds();
	size_t part = r->nr / 10 < PART ? r->nr / 10 : PART;

	for (size_t i = 0; i < r->nr; i++) {
		if (i == part)
			*first = (extra_seconds() - start) / (double)part;
		if (i == r->nr - part)
			start = extra_seconds();
		r->addr[i] = surefree_map(page, 0);
		if (r->addr[i] == NULL) {
			FAIL("map %zu of %zu failed", i, r->nr);
			return false;
		}
		if (i % r->stride == 0)
			*r->addr[i] = (char)(i | 1);
	}
	*last = (extra_seconds() - start) / (double)part;
	return true;
}

static void unmap_every_second(struct ranges *r, double *first, double *last)
{
	size_t page = test_page();
	double start = extra_seconds();
	size_t part = r->nr / 10 < PART ? r->nr / 10 : PART;

	for (size_t i = 0; i < r->nr; i += 2) {
		if (i == part / 2 * 2)
			*first = (extra_seconds() - start) * 2 / (double)part;
		if (i == (r->nr - part) / 2 * 2)
			start = extra_seconds();
		surefree_unmap(r->addr[i], page);
	}
	*last = (extra_seconds() - start) * 2 / (double)part;
}

/* The released are not resident; the others hold what was written. */
static void check_pages(const struct ranges *r)
{
	size_t page = test_page();
	size_t nr_wrong = 0;

	for (size_t i = 1; i < r->nr; i += 2)
		nr_wrong += i % r->stride == 0 && *r->addr[i] != (char)(i | 1);
	CHECK_EQ(nr_wrong, 0);
	for (size_t i = 0; i < r->nr; i += 2)
		if (i % (r->stride * 64) == 0)
			nr_wrong += test_resident(r->addr[i], page) != 0;
	CHECK_EQ(nr_wrong, 0);
}

static void ten_million_ranges_take_no_mapping(void)
{
	struct ranges r;
	double map_first = 0, map_last = 0;
	double unmap_first = 0, unmap_last = 0;
	struct surefree_stats s;
	size_t rss;
	long before;

	if (!make_room(&r) || !test_fill(0))
		return;
	before = test_mappings();
	if (!map_all(&r, &map_first, &map_last))
		return;
	CHECK_EQ(test_mappings(), before);
	s = extra_stats();
	CHECK_EQ(s.used_len, r.nr * test_page());
	CHECK_LT(s.nr_mappings, 16);
	CHECK_LE(s.metadata_len, 16 * r.nr);
	rss = test_rss_anon();

	unmap_every_second(&r, &unmap_first, &unmap_last);
	CHECK_EQ(test_mappings(), before);
	check_pages(&r);
	s = extra_stats();
	CHECK_EQ(s.used_len, r.nr / 2 * test_page());
	CHECK_LT(s.nr_mappings, 16);
	CHECK_EQ(s.nr_stuck, 0);
	rss -= test_rss_anon();
	/* Every 2 * stride-th was touched and released. */
	CHECK_GE(rss + 64 * test_page(), (r.nr / 2 / r.stride) * test_page());

	test_say("%zu ranges, every %zuth touched: %zu regions, %zu mappings, "
		 "%.2f bytes of metadata a page, %zu MiB released",
		 r.nr, r.stride, s.nr_regions, s.nr_mappings,
		 (double)s.metadata_len / (double)r.nr, rss >> 20);
	test_say("ns per map: first %.0f, last %.0f; per unmap: first %.0f, "
		 "last %.0f",
		 map_first * 1e9, map_last * 1e9, unmap_first * 1e9,
		 unmap_last * 1e9);
	for (size_t i = 1; i < r.nr; i += 2)
		surefree_unmap(r.addr[i], test_page());
	CHECK_EQ(extra_stats().used_len, 0);
	test_unfill();
}

static const struct test tests[] = {
	{ "ten million ranges take no mapping",
	  ten_million_ranges_take_no_mapping },
};

int main(int argc, char **argv)
{
	if (argc == 2 && strtoul(argv[1], NULL, 0) > 0) {
		count_wanted = strtoul(argv[1], NULL, 0);
		argv[1] = (char *)""; /* runs in this process */
	}
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
