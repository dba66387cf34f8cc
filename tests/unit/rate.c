// SPDX-License-Identifier: MIT
/* cli/rate: growth a minute, for processes that come, go and grow. */
#include "rate.h"

#include "base/compiler.h"
#include "test.h"

#define SECOND ((uint64_t)1000000000)

/* Note a snapshot of nr processes at so many seconds. */
static void note(struct sf_rates *rates, struct sf_process *row, size_t nr,
		 uint64_t seconds, struct sf_rate *rate)
{
	struct sf_processes all = { .row = row, .nr = nr };

	CHECK_EQ(sf_rates_note(rates, &all, seconds * SECOND, rate), 0);
}

/* The rate times 10, rounded: whole numbers are easier to compare. */
static long tenths(const struct sf_rate *rate)
{
	return (long)(rate->per_minute * 10 +
		      (rate->per_minute < 0 ? -0.5 : 0.5));
}

static void growth_is_known_from_the_second_time_on(void)
{
	struct sf_process p = { .pid = 7, .start = 1, .mappings = 100 };
	struct sf_rates rates = { 0 };
	struct sf_rate rate;

	note(&rates, &p, 1, 100, &rate);
	CHECK(!rate.known);
	CHECK(sf_rate_seconds_left(&rate, 1000) < 0);
	p.mappings = 110;
	note(&rates, &p, 1, 102, &rate);
	CHECK(rate.known);
	CHECK_EQ(tenths(&rate), 3000);
	CHECK_EQ((long)sf_rate_seconds_left(&rate, 1000), 200);
	p.mappings = 40;
	note(&rates, &p, 1, 106, &rate);
	CHECK_EQ(tenths(&rate), -6000);
	CHECK(sf_rate_seconds_left(&rate, 1000) < 0);
	sf_rates_free(&rates);
}

static void only_the_last_minute_counts(void)
{
	struct sf_process p = { .pid = 7, .start = 1, .mappings = 0 };
	struct sf_rates rates = { 0 };
	struct sf_rate rate;

	/* 100 a second for five minutes, then 1. */
	for (uint64_t s = 1; s <= 300; s++, p.mappings += 100)
		note(&rates, &p, 1, s, &rate);
	CHECK_EQ(tenths(&rate), 60000);
	for (uint64_t s = 301; s <= 361; s++, p.mappings += 1)
		note(&rates, &p, 1, s, &rate);
	CHECK_EQ(tenths(&rate), 600);
	CHECK(rate.seconds > 50 && rate.seconds <= SF_RATE_SECONDS);
	sf_rates_free(&rates);
}

static void a_number_used_again_is_another_process(void)
{
	struct sf_process before[] = {
		{ .pid = 3, .start = 1, .mappings = 30 },
		{ .pid = 7, .start = 1, .mappings = 70000 },
		{ .pid = 9, .start = 1, .mappings = 90 },
	};
	struct sf_process after[] = {
		{ .pid = 2, .start = 5, .mappings = 20 },
		{ .pid = 7, .start = 6, .mappings = 30 },
		{ .pid = 9, .start = 1, .mappings = 91 },
	};
	struct sf_rates rates = { 0 };
	struct sf_rate rate[3];

	note(&rates, before, SF_NR(before), 10, rate);
	note(&rates, after, SF_NR(after), 20, rate);
	CHECK(!rate[0].known);
	CHECK(!rate[1].known);
	CHECK(rate[2].known);
	CHECK_EQ(tenths(&rate[2]), 60);
	note(&rates, after, 0, 30, rate);
	note(&rates, after, SF_NR(after), 40, rate);
	CHECK(!rate[2].known);
	sf_rates_free(&rates);
}

static const struct test tests[] = {
	{ "growth is known from the second time on",
	  growth_is_known_from_the_second_time_on },
	{ "only the last minute counts", only_the_last_minute_counts },
	{ "a number used again is another process",
	  a_number_used_again_is_another_process },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
