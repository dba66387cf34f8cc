// SPDX-License-Identifier: MIT
/*
 * The option "retain" bounds what is kept of freed memory at every instant,
 * whatever the number of threads: one that does nothing else reads the
 * statistics while 1 to 64 allocate, free, and free for each other. When they
 * rest, resident memory, which no statistics can gloss over, is at most the
 * pages under live blocks, what the statistics say is retained, and the slack
 * stated below.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "release.h"

#define MAX_WORKERS 64
#define NR_SLOTS    256	  /* of each worker */
#define NR_OPS	    30000 /* of all workers in a phase */
#define NR_HANDED   1024
#define MAX_LIVE    (512 * MIB) /* of all workers, about */
/* What describes blocks: 1 in 50 of the peak; and each thread has a page of
   some sizes of its own, where its next blocks will lie. */
#define SLACK_SHARE 50
#define SLACK_LEN   (64 * KIB)

struct block {
	char *addr; /* NULL: none */
	size_t len;
};

static struct {
	struct block *slots; /* NR_SLOTS of each worker */
	size_t nr_workers;
	size_t retain_len;
	size_t max_len; /* of a block */
	size_t peak_len;
	unsigned phase;
	/* Blocks on their way to another thread; their length is in front. */
	_Atomic(char *) handed[NR_HANDED];
} work;

static size_t pick_len(struct test_rng *rng)
{
	size_t len = test_rand_below(rng, 64) == 0 ?
			     test_rand_below(rng, 4 * MIB) :
			     release_pick_len(rng);

	return len < 16 ? 16 : len < work.max_len ? len : work.max_len;
}

static char *allocate(size_t len)
{
	char *p = malloc(len);

	if (!CHECK(p != NULL))
		return NULL;
	release_touch(p, len);
	memcpy(p, &len, sizeof(len));
	return p;
}

/* Put a block where another thread will find it, and free what was there. */
static void hand_over(struct test_rng *rng, char *addr)
{
	size_t at = test_rand_below(rng, NR_HANDED);

	free(atomic_exchange_explicit(&work.handed[at], addr,
				      memory_order_acq_rel));
}

static void empty(struct block *block)
{
	size_t len;

	if (block->addr == NULL)
		return;
	memcpy(&len, block->addr, sizeof(len));
	CHECK_EQ(len, block->len);
	free(block->addr);
	block->addr = NULL;
}

static void churn(size_t index)
{
	struct test_rng rng = test_rng(index + 100 * work.phase + 1);
	struct block *own = work.slots + index * NR_SLOTS;

	for (size_t i = 0; i < NR_OPS / work.nr_workers; i++) {
		struct block *block = own + test_rand_below(&rng, NR_SLOTS);

		if (block->addr != NULL && test_rand_below(&rng, 4) == 0) {
			hand_over(&rng, block->addr);
			block->addr = NULL;
		}
		empty(block);
		if (test_rand_below(&rng, 3) == 0)
			continue;
		block->len = pick_len(&rng);
		block->addr = allocate(block->len);
		if (block->addr == NULL)
			return;
	}
}

/* All at once, so that much comes free in no time. */
static void free_most(size_t index)
{
	for (size_t i = 0; i < NR_SLOTS; i++)
		if (i % 16 != index % 16)
			empty(work.slots + index * NR_SLOTS + i);
}

static void free_for_others(size_t index)
{
	size_t other = (index + 1) % work.nr_workers;

	for (size_t i = 0; i < NR_SLOTS; i++)
		empty(work.slots + other * NR_SLOTS + i);
	for (size_t i = index; i < NR_HANDED; i += work.nr_workers)
		free(atomic_exchange(&work.handed[i], NULL));
}

static void use_a_little(size_t index)
{
	(void)index;
	free(malloc(1));
}

static size_t count_live_pages(void)
{
	size_t len;

	release_pages_clear();
	for (size_t i = 0; i < work.nr_workers * NR_SLOTS; i++)
		if (work.slots[i].addr != NULL)
			release_pages_add(work.slots[i].addr,
					  work.slots[i].len);
	for (size_t i = 0; i < NR_HANDED; i++) {
		char *p = atomic_load(&work.handed[i]);

		if (p == NULL)
			continue;
		memcpy(&len, p, sizeof(len));
		release_pages_add(p, len);
	}
	return release_pages_len();
}

/* Everybody waits: what is resident must be accounted for. */
static void check_at_rest(const char *when)
{
	struct surefree_stats stats = release_stats();
	size_t live_len = count_live_pages();
	size_t now = release_resident();
	size_t slack;

	if (now > work.peak_len)
		work.peak_len = now;
	slack = work.peak_len / SLACK_SHARE +
		(work.nr_workers + 16) * SLACK_LEN;
	CHECK_LE(stats.retained_len, work.retain_len);
	release_check(now, live_len + stats.retained_len + slack, when);
}

/* Have all workers run fn() and watch them. Returns how often we looked. */
static size_t watch(void (*fn)(size_t index))
{
	size_t nr_looks = 0;
	size_t most = 0;

	release_crew_begin(0, work.nr_workers - 1, fn);
	while (release_crew_busy()) {
		size_t now = release_stats().retained_len;

		most = now > most ? now : most;
		nr_looks++;
	}
	release_crew_wait();
	CHECK_LE(most, work.retain_len);
	return nr_looks;
}

static void run_phases(void)
{
	size_t nr_looks = 0;

	for (unsigned i = 0; i < 2 && !test_failed(); i++) {
		work.phase++;
		nr_looks += watch(churn);
		check_at_rest("after allocating and freeing");
		nr_looks += watch(free_most);
		check_at_rest("most freed");
		nr_looks += watch(free_for_others);
		check_at_rest("all freed, by other threads");
	}
	CHECK_GT(nr_looks, 50);
}

/* As written by run_with(). */
static void run_case(const char *words)
{
	int by_call;
	char value[32];
	uint64_t peak;

	if (!CHECK_EQ(sscanf(words, "%zu %zu %d", &work.nr_workers,
			     &work.retain_len, &by_call),
		      3))
		return;
	/* Most lengths are much smaller: see release_pick_len(). */
	work.max_len = MAX_LIVE / (work.nr_workers * NR_SLOTS) * 32;
	work.slots = release_array(MAX_WORKERS * NR_SLOTS,
				   sizeof(struct block));
	release_pages_init(2 * MAX_LIVE / test_page());
	release_crew_start(work.nr_workers);
	if (!release_fill(0))
		return;
	peak = release_stats().retained_peak_len;
	snprintf(value, sizeof(value), "%zu", work.retain_len);
	if (by_call)
		release_set("retain", value);
	release_crew_do(0, work.nr_workers - 1, use_a_little);
	release_mark();
	run_phases();
	if (peak < work.retain_len || !by_call)
		peak = work.retain_len;
	CHECK_LE(release_stats().retained_peak_len, peak);
	test_unfill();
	release_crew_end();
}

/* The bound is set at the start, or by a call, or the default. */
static void run_with(size_t retain_len, bool by_call)
{
	static const size_t nrs[] = { 1, 3, 8, 64 };
	bool preset = !by_call && retain_len != RETAIN_DEFAULT;
	char options[64];

	snprintf(options, sizeof(options), "retain=%zu", retain_len);
	for (size_t i = 0; i < TEST_COUNT(nrs) && !test_failed(); i++)
		release_again(preset ? options : NULL, "%zu %zu %d", nrs[i],
			      retain_len, (int)by_call);
}

static void by_default(void)
{
	run_with(RETAIN_DEFAULT, false);
}

static void nothing(void)
{
	run_with(0, false);
}

static void a_page(void)
{
	run_with(test_page(), false);
}

static void a_mebibyte(void)
{
	run_with(MIB, false);
}

static void sixteen_mebibytes(void)
{
	run_with(16 * MIB, false);
}

static void set_by_a_call(void)
{
	run_with(2 * MIB, true);
}

static const struct test tests[] = {
	{ "no more than 128 MiB are retained by default", by_default },
	{ "retain=0: nothing is retained", nothing },
	{ "retain=4096: no more than a page is", a_page },
	{ "retain=1M: no more than that is", a_mebibyte },
	{ "retain=16M: no more than that is", sixteen_mebibytes },
	{ "retain=2M by a call: no more than that is", set_by_a_call },
};

int main(int argc, char **argv)
{
	const char *words = release_case(argc, argv);

	if (words == NULL)
		return test_main(argc, argv, tests, TEST_COUNT(tests));
	run_case(words);
	return release_case_result();
}
