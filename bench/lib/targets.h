/* SPDX-License-Identifier: MIT */
/*
 * What bench-map measures, and the ratios to mmap() that are to be reached.
 */
#ifndef BENCH_TARGETS_H
#define BENCH_TARGETS_H

#include <stdint.h>

#include "bench.h"

enum variant { MMAP, TRAP, NOTRAP, RETAIN, NR_VARIANTS };

static const char *const variant_names[] = { "mmap", "trap", "no trap",
					     "retain" };

enum touch { TOUCH_ALL, TOUCH_ONE, NR_TOUCHES };

static const char *const touch_names[] = { "all", "one" };

/* What one cell of the table does. */
struct cell {
	unsigned nr_threads;
	enum touch touch;
	size_t len;
	enum variant variant;
};

/* A ratio to reach; the first row that fits a cell counts. */
struct target {
	unsigned min_threads;
	unsigned max_threads;
	int touch; /* or -1: both */
	size_t min_len;
	size_t max_len;
	double ratio[NR_VARIANTS]; /* 0: none */
};

#define K (1ul << 10)
#define M (1ul << 20)

static const struct target targets[] = {
	{ 2, 2, -1, 4 * K, 4 * K, { 0, 0.75, 0.58, 0.15 } },
	{ 2, 2, TOUCH_ALL, 64 * K, 64 * K, { 0, 0.40, 0.40, 0.15 } },
	{ 2, 2, TOUCH_ALL, 4 * K, 256 * K, { 0, 1.00, 1.00, 0.15 } },
	{ 1, 1, -1, 4 * K, 4 * K, { 0, 0.78, 0.58, 0.30 } },
	{ 1, 1, TOUCH_ALL, 64 * K, 256 * K, { 0, 1.00, 1.00, 0.30 } },
	{ 1, 1, TOUCH_ALL, 4 * K, 256 * K, { 0, 0, 0, 0.30 } },
	{ 1, 2, TOUCH_ONE, 64 * K, 256 * K, { 0, 1.00, 1.00, 0 } },
	{ 1, 2, TOUCH_ONE, 1 * M, SIZE_MAX, { 0, 0.85, 0.85, 0 } },
	{ 1, 2, TOUCH_ALL, 2 * M, SIZE_MAX, { 0, 1.03, 1.03, 0 } },
};

#undef K
#undef M

/* The ratio that a variant is to reach, or 0. */
static inline double target_of(const struct cell *cell)
{
	for (size_t i = 0; i < BENCH_COUNT(targets); i++) {
		const struct target *t = &targets[i];

		if (cell->nr_threads >= t->min_threads &&
		    cell->nr_threads <= t->max_threads &&
		    (t->touch < 0 || t->touch == (int)cell->touch) &&
		    cell->len >= t->min_len && cell->len <= t->max_len)
			return t->ratio[cell->variant];
	}
	return 0;
}

#endif /* BENCH_TARGETS_H */
