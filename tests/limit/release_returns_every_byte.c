// SPDX-License-Identifier: MIT
/*
 * What is released is back with the kernel at once: the resident memory of the
 * process falls by exactly the released bytes that were touched.
 */
#include "test.h"

#include "extra.h"
#include "surefree.h"

/*
 * Run release(p, len) on len touched bytes and check by how much the resident
 * memory falls; twice, since the first time touches code and stack of ours.
 */
static void check_falls(size_t len, void (*release)(char *p, size_t len),
			size_t want)
{
	size_t before = 0;
	size_t after = 0;

	for (int i = 0; i < 2; i++) {
		char *p = surefree_map(len, 0);

		if (!CHECK(p != NULL))
			return;
		extra_set(p, len, 'x');
		before = test_rss_anon();
		release(p, len);
		after = test_rss_anon();
		surefree_unmap(p, test_page());
	}
	CHECK_EQ(before - after, want);
}

/* Each leaves the first page mapped. */
static void unmap_rest(char *p, size_t len)
{
	surefree_unmap(p + test_page(), len - test_page());
}

static void unmap_page_by_page(char *p, size_t len)
{
	size_t page = test_page();

	for (size_t at = len - page; at > 0; at -= page)
		surefree_unmap(p + at, page);
}

static void discard_rest(char *p, size_t len)
{
	size_t half = len / 2 / test_page() * test_page();

	surefree_discard(p + test_page(), len - test_page());
	surefree_unmap(p + half, len - half);
	surefree_unmap(p + test_page(), half - test_page());
}

static void shrink_to_a_page(char *p, size_t len)
{
	CHECK_EQ(surefree_remap(p, len, test_page(), 0), p);
}

static void guard_rest(char *p, size_t len)
{
	if (surefree_guard(p + test_page(), len - test_page()) != 0)
		FAIL("surefree_guard");
	surefree_unmap(p + test_page(), len - test_page());
}

static const size_t lengths[] = {
	(size_t)64 << 10,  (size_t)128 << 10, (size_t)132 << 10,
	(size_t)512 << 10, (size_t)2 << 20,   (size_t)5 << 20,
	(size_t)64 << 20,
};

static void check_lengths(void (*release)(char *p, size_t len))
{
	size_t page = test_page();

	for (size_t i = 0; i < TEST_COUNT(lengths); i++) {
		size_t len = lengths[i] / page * page;

		if (len > extra_available() / 4)
			break;
		if (len > 2 * page)
			check_falls(len, release, len - page);
	}
}

static void unmapping_returns_every_byte(void)
{
	check_lengths(unmap_rest);
}

static void unmapping_page_by_page_returns_every_byte(void)
{
	check_lengths(unmap_page_by_page);
}

static void discarding_returns_every_byte(void)
{
	check_lengths(discard_rest);
}

static void shrinking_returns_every_byte(void)
{
	check_lengths(shrink_to_a_page);
}

static void guarding_returns_every_byte(void)
{
	if (!test_has_guard())
		SKIP("this kernel has no guard markers");
	check_lengths(guard_rest);
}

static void at_the_limit_unmapping_returns_every_byte(void)
{
	if (!test_fill(0))
		return;
	check_lengths(unmap_rest);
	test_unfill();
}

/* With transparent huge pages always on, the regions must opt out of them. */
static void releasing_a_page_frees_it_with_huge_pages_on(void)
{
	size_t page = test_page();
	size_t len = (size_t)16 << 20;
	size_t before;
	char *p;

	if (len > extra_available() / 4)
		SKIP("16 MiB are not available");
	p = surefree_map_aligned(len, (size_t)2 << 20, 0);
	if (!CHECK(p != NULL))
		return;
	for (size_t at = 0; at < len; at += (size_t)2 << 20)
		p[at] = 1;
	CHECK_EQ(test_resident(p, len), 8 * page);
	test_rss_anon();
	before = test_rss_anon();
	for (size_t at = 0; at < len; at += (size_t)2 << 20)
		surefree_unmap(p + at, page);
	CHECK_EQ(before - test_rss_anon(), 8 * page);
}

static void with_retain_trimming_returns_every_byte(void)
{
	size_t len = (size_t)1 << 20;
	size_t before;
	char *p;

	CHECK_OK(surefree_set("retain", "8M"));
	p = surefree_map(len, 0);
	if (!CHECK(p != NULL))
		return;
	extra_set(p, len, 'r');
	/* Touches what trimming touches. */
	surefree_trim(0);
	test_rss_anon();
	before = test_rss_anon();
	surefree_unmap(p, len);
	CHECK_EQ(test_resident(p, len), len);
	CHECK_EQ(extra_stats().retained_len, len);
	CHECK_EQ(surefree_trim(0), len);
	CHECK_EQ(test_resident(p, len), 0);
	CHECK_EQ(extra_stats().retained_len, 0);
	/* What keeps the books of it is touched for the first time here. */
	CHECK_GE(before - test_rss_anon(), len - 4 * test_page());
}

static void what_is_retained_never_exceeds_the_option(void)
{
	size_t keep_len = (size_t)1 << 20;
	struct test_rng rng = test_rng(test_seed());
	char *maps[64];
	size_t lens[64];

	CHECK_OK(surefree_set("retain", "1M"));
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 64; i++) {
			lens[i] = (1 + test_rand_below(&rng, 40)) * test_page();
			maps[i] = surefree_map(lens[i], 0);
			if (!CHECK(maps[i] != NULL) ||
			    !extra_is(maps[i], lens[i], 0))
				return;
			extra_set(maps[i], lens[i], 'k');
		}
		for (int i = 0; i < 64; i++) {
			surefree_unmap(maps[i], lens[i]);
			if (!CHECK_LE(extra_stats().retained_len, keep_len))
				return;
		}
	}
	CHECK_LE(extra_stats().retained_peak_len, keep_len);
	CHECK_GT(extra_stats().nr_retained_reused, 0);
	CHECK_OK(surefree_set("retain", "0"));
	maps[0] = surefree_map(test_page(), 0);
	surefree_unmap(maps[0], test_page());
	surefree_trim(0);
	CHECK_EQ(extra_stats().retained_len, 0);
}

static const struct test tests[] = {
	{ "unmapping returns every byte", unmapping_returns_every_byte },
	{ "unmapping page by page returns every byte",
	  unmapping_page_by_page_returns_every_byte },
	{ "discarding returns every byte", discarding_returns_every_byte },
	{ "shrinking returns every byte", shrinking_returns_every_byte },
	{ "guarding returns every byte", guarding_returns_every_byte },
	{ "at the limit unmapping returns every byte",
	  at_the_limit_unmapping_returns_every_byte },
	{ "releasing a page frees it with huge pages on",
	  releasing_a_page_frees_it_with_huge_pages_on },
	{ "with retain trimming returns every byte",
	  with_retain_trimming_returns_every_byte },
	{ "what is retained never exceeds the option",
	  what_is_retained_never_exceeds_the_option },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
