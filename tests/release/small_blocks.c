// SPDX-License-Identifier: MIT
/*
 * Blocks of 16 bytes to 4 KiB at the limit: when all are freed their pages are
 * back but for what the option "retain" allows; when one in 64 KiB is still in
 * use, whole free pages are. What went back is used again.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "release.h"

#define TOTAL_LEN (192 * MIB)
#define SLAB_LEN  (64 * KIB)

/* What describes 64 KiB that were in use, besides the marks. */
#define HEADER_LEN ((size_t)512)

/* The heap of a thread, and the bits of pages. */
#define SLACK_LEN (32 * test_page())

enum order { UPWARDS, DOWNWARDS, ANY_ORDER };

struct work {
	size_t len;
	size_t retain_len;
	enum order order;
};

static void **blocks;
static size_t nr_blocks;
static uintptr_t *kept; /* addresses in units of SLAB_LEN, a set */
static size_t nr_slots;
static size_t nr_units; /* members of that set */

static bool allocate(size_t len)
{
	size_t nr_failed = 0;

	for (size_t i = 0; i < nr_blocks; i++) {
		blocks[i] = malloc(len);
		if (blocks[i] != NULL)
			release_touch(blocks[i], len);
		else
			nr_failed++;
	}
	return CHECK_EQ(nr_failed, 0);
}

static void put_in_order(enum order order)
{
	struct test_rng rng = test_rng(nr_blocks);

	if (order == ANY_ORDER)
		release_shuffle(&rng, blocks, nr_blocks);
	if (order == DOWNWARDS)
		for (size_t i = 0; i < nr_blocks / 2; i++) {
			void *block = blocks[i];

			blocks[i] = blocks[nr_blocks - 1 - i];
			blocks[nr_blocks - 1 - i] = block;
		}
}

/* Whether this is the first block seen of its 64 KiB. */
static bool is_first(const void *block)
{
	uintptr_t unit = (uintptr_t)block / SLAB_LEN;
	size_t at = unit * 0x9e3779b97f4a7c15u % nr_slots;

	while (kept[at] != 0 && kept[at] != unit)
		at = (at + 1) % nr_slots;
	if (kept[at] == unit)
		return false;
	kept[at] = unit;
	nr_units++;
	return true;
}

/* Free all but one in 64 KiB; their pages are what must stay. */
static void free_but_one(size_t len)
{
	memset(kept, 0, nr_slots * sizeof(*kept));
	nr_units = 0;
	release_pages_clear();
	for (size_t i = 0; i < nr_blocks; i++) {
		if (is_first(blocks[i])) {
			release_pages_add(blocks[i], len);
			continue;
		}
		release_is_touched(blocks[i], len);
		free(blocks[i]);
		blocks[i] = NULL;
	}
}

static void free_rest(size_t len)
{
	for (size_t i = 0; i < nr_blocks; i++) {
		if (blocks[i] == NULL)
			continue;
		release_is_touched(blocks[i], len);
		free(blocks[i]);
		blocks[i] = NULL;
	}
}

static void check_retained(size_t retain_len)
{
	CHECK_LE(release_stats().retained_len, retain_len);
}

/* What may stay when all is freed. */
static size_t empty_len(const struct work *work)
{
	return work->retain_len + nr_units * HEADER_LEN + SLACK_LEN;
}

static void run_once(const struct work *work)
{
	size_t first_peak;

	release_mark();
	if (!allocate(work->len))
		return;
	first_peak = release_resident();
	CHECK_GE(first_peak, nr_blocks * work->len);
	put_in_order(work->order);

	free_but_one(work->len);
	release_check(release_resident(),
		      release_pages_len() + release_marks_len() +
			      empty_len(work),
		      "all but one in 64 KiB freed");
	check_retained(work->retain_len);
	free_rest(work->len);
	release_check(release_resident(), empty_len(work), "all freed");
	check_retained(work->retain_len);

	if (!allocate(work->len))
		return;
	release_check(release_resident(), first_peak + SLACK_LEN,
		      "all allocated again");
	free_rest(work->len);
	release_check(release_resident(), empty_len(work), "all freed again");
	check_retained(work->retain_len);
}

/* As written by run(). */
static void run_case(const char *words)
{
	struct work work;
	int order;

	if (!CHECK_EQ(sscanf(words, "%zu %zu %d", &work.len, &work.retain_len,
			     &order),
		      3))
		return;
	work.order = (enum order)order;
	nr_blocks = TOTAL_LEN / (work.len < 64 ? 64 : work.len);
	nr_slots = 4 * TOTAL_LEN / SLAB_LEN;
	blocks = release_array(nr_blocks, sizeof(*blocks));
	kept = release_array(nr_slots, sizeof(*kept));
	release_pages_init(nr_slots);
	if (release_fill(0))
		run_once(&work);
}

static void run(struct work work)
{
	char options[64];

	snprintf(options, sizeof(options), "retain=%zu", work.retain_len);
	release_again(work.retain_len == RETAIN_DEFAULT ? NULL : options,
		      "%zu %zu %d", work.len, work.retain_len, (int)work.order);
}

static void with_retain(size_t retain_len)
{
	static const size_t lens[] = { 16, 48, 64, 200, 1024, 2048, 4096 };

	for (size_t i = 0; i < TEST_COUNT(lens) && !test_failed(); i++)
		run((struct work){ lens[i], retain_len, (enum order)(i % 3) });
}

static void by_default(void)
{
	with_retain(RETAIN_DEFAULT);
}

static void with_nothing_retained(void)
{
	with_retain(0);
}

static void with_little_retained(void)
{
	with_retain(4 * MIB);
}

static void in_every_order(void)
{
	for (int order = UPWARDS; order <= ANY_ORDER; order++) {
		run((struct work){ 32, 0, (enum order)order });
		run((struct work){ 512, 0, (enum order)order });
	}
}

static const struct test tests[] = {
	{ "by default, whole free pages go back but for what is retained",
	  by_default },
	{ "with retain=0 all whole free pages go back", with_nothing_retained },
	{ "with retain=4M all but 4 MiB of them go back",
	  with_little_retained },
	{ "they go back in whatever order blocks are freed", in_every_order },
};

int main(int argc, char **argv)
{
	const char *words = release_case(argc, argv);

	if (words == NULL)
		return test_main(argc, argv, tests, TEST_COUNT(tests));
	run_case(words);
	return release_case_result();
}
