// SPDX-License-Identifier: MIT
/*
 * Blocks of 8 KiB to 64 MiB, at the limit and with mappings to spare, with
 * default options: none is refused; when every second one is freed half of the
 * memory is back, when all are freed all of it is, at once and while the
 * process is idle, without any further call.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "release.h"

/* Of what was resident, in thousandths, that may stay. */
#define HALF_SHARE 515
#define ALL_SHARE  20
/* From here on every second block is made of whole pages between others. */
#define HALF_LEN (64 * KIB)

enum order { UPWARDS, DOWNWARDS, ANY_ORDER };

struct work {
	size_t len; /* of a block */
	size_t nr;
	long spare;
	enum order order;
	size_t nr_rounds;
	bool idle; /* look again after a second without a call */
	/* What the rounds before the last may leave: it is being reused. */
	size_t retain_len;
};

static void **blocks;

static void allocate(const struct work *work)
{
	size_t nr_failed = 0;

	for (size_t i = 0; i < work->nr; i++) {
		blocks[i] = malloc(work->len);
		if (blocks[i] != NULL)
			release_touch(blocks[i], work->len);
		else
			nr_failed++;
	}
	CHECK_EQ(nr_failed, 0);
}

static void free_at(const struct work *work, size_t i)
{
	if (blocks[i] == NULL)
		return;
	release_is_touched(blocks[i], work->len);
	free(blocks[i]);
}

/* Free the blocks at first, first + 2, ... in the order wanted. */
static void free_every_second(const struct work *work, size_t first)
{
	if (work->order == DOWNWARDS)
		for (size_t i = work->nr; i-- > 0;)
			if (i % 2 == first)
				free_at(work, i);
	if (work->order != DOWNWARDS)
		for (size_t i = first; i < work->nr; i += 2)
			free_at(work, i);
}

/* Time must pass: what would come back by itself, comes back meanwhile. */
static void be_idle(void)
{
	struct timespec second = { 1, 0 };

	nanosleep(&second, NULL);
}

static size_t share(size_t len, size_t thousandths)
{
	return len / 1000 * thousandths;
}

static void run_round(const struct work *work, size_t retain_len)
{
	struct test_rng rng = test_rng(work->nr);
	size_t half_limit, all_limit;
	size_t peak;

	allocate(work);
	peak = release_resident();
	CHECK_GE(peak, work->nr * work->len);
	half_limit = share(peak, HALF_SHARE) + retain_len;
	if (work->len < HALF_LEN && retain_len == 0)
		half_limit += RETAIN_DEFAULT;
	all_limit = share(peak, ALL_SHARE) + retain_len;
	if (work->order == ANY_ORDER)
		release_shuffle(&rng, blocks, work->nr);

	free_every_second(work, 1);
	release_check(release_resident(), half_limit, "half freed");
	free_every_second(work, 0);
	release_check(release_resident(), all_limit, "all freed");
	if (!work->idle)
		return;
	be_idle();
	release_check(release_resident(), all_limit, "all freed, and idle");
}

/* As written by run(). */
static void run_case(const char *words)
{
	struct work work;
	int order, idle;

	if (!CHECK_EQ(sscanf(words, "%zu %zu %ld %d %zu %d %zu", &work.len,
			     &work.nr, &work.spare, &order, &work.nr_rounds,
			     &idle, &work.retain_len),
		      7))
		return;
	work.order = (enum order)order;
	work.idle = idle != 0;
	blocks = release_array(work.nr, sizeof(*blocks));
	if (!release_fill(work.spare))
		return;
	release_mark();
	for (size_t i = 0; i < work.nr_rounds && !test_failed(); i++)
		run_round(&work, i == 0 ? 0 : work.retain_len);
}

static void run(struct work work)
{
	release_again(NULL, "%zu %zu %ld %d %zu %d %zu", work.len, work.nr,
		      work.spare, (int)work.order, work.nr_rounds,
		      (int)work.idle, work.retain_len);
}

/* 4 GiB, or what half of the free memory holds. */
static size_t most_memory(void)
{
	size_t len = test_meminfo("MemAvailable") / 2;

	return len < 4 * GIB ? len : 4 * GIB;
}

static void with_spare(size_t len)
{
	static const long spares[] = { 1, 2, 20, PLENTY };

	run((struct work){ .len = len,
			   .nr = most_memory() / len,
			   .spare = 0,
			   .nr_rounds = 1,
			   .idle = true });
	for (size_t i = 0; i < TEST_COUNT(spares); i++)
		run((struct work){ .len = len,
				   .nr = 512 * MIB / len,
				   .spare = spares[i],
				   .nr_rounds = 1 });
}

static void of_8_kib(void)
{
	with_spare(8 * KIB);
}

static void of_128_kib(void)
{
	with_spare(128 * KIB);
}

static void of_1_mib(void)
{
	with_spare(MIB);
}

static void of_64_mib(void)
{
	with_spare(64 * MIB);
}

static void of_odd_lengths(void)
{
	static const size_t lens[] = { 33 * KIB, 65 * KIB + 1, 100000,
				       200 * KIB, 3 * MIB - 7 };

	for (size_t i = 0; i < TEST_COUNT(lens); i++)
		run((struct work){ .len = lens[i],
				   .nr = 512 * MIB / lens[i],
				   .spare = 0,
				   .nr_rounds = 1 });
}

static void in_any_order(void)
{
	static const size_t lens[] = { 8 * KIB, 128 * KIB, MIB };

	for (size_t i = 0; i < TEST_COUNT(lens); i++) {
		struct work work = { .len = lens[i],
				     .nr = 512 * MIB / lens[i],
				     .spare = 0,
				     .order = DOWNWARDS,
				     .nr_rounds = 1 };

		run(work);
		work.order = ANY_ORDER;
		run(work);
	}
}

static void again_and_again(void)
{
	static const size_t lens[] = { 8 * KIB, 128 * KIB, MIB, 64 * MIB };

	for (size_t i = 0; i < TEST_COUNT(lens); i++)
		run((struct work){ .len = lens[i],
				   .nr = GIB / lens[i],
				   .spare = 0,
				   .nr_rounds = 4,
				   .retain_len = RETAIN_DEFAULT });
}

static const struct test tests[] = {
	{ "blocks of 8 KiB go back", of_8_kib },
	{ "blocks of 128 KiB go back", of_128_kib },
	{ "blocks of 1 MiB go back", of_1_mib },
	{ "blocks of 64 MiB go back", of_64_mib },
	{ "blocks of odd lengths go back", of_odd_lengths },
	{ "blocks freed downwards or in any order go back", in_any_order },
	{ "blocks go back again and again", again_and_again },
};

int main(int argc, char **argv)
{
	const char *words = release_case(argc, argv);

	if (words == NULL)
		return test_main(argc, argv, tests, TEST_COUNT(tests));
	run_case(words);
	return release_case_result();
}
