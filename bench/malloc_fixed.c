// SPDX-License-Identifier: MIT
/*
 * Blocks of one size: all allocated, then all freed, or each freed at once. An
 * operation is one malloc() and one free(); the first word of a block is
 * written, as any program would.
 */
#include <stdlib.h>

#include "lib/bench.h"
#include "malloc_work.h"

struct fixed {
	const struct workload *w;
	uint32_t *order; /* in which slots are freed */
};

static void shuffle(uint32_t *order, size_t nr)
{
	uint64_t random = bench_seed(0);

	for (size_t i = nr - 1; i > 0; i--) {
		size_t j = bench_below(&random, i + 1);
		uint32_t t = order[i];

		order[i] = order[j];
		order[j] = t;
	}
}

static void *allocate(size_t len)
{
	void *p = bench_use(malloc(len), len);

	*(volatile size_t *)p = len;
	return p;
}

static void work_batches(const struct fixed *f, size_t nr_ops)
{
	size_t nr = f->w->nr_slots, len = f->w->min_len;
	void **slots = bench_map(nr * sizeof(*slots));

	for (size_t done = 0; done < nr_ops; done += nr) {
		for (size_t i = 0; i < nr; i++)
			slots[i] = allocate(len);
		for (size_t i = 0; i < nr; i++)
			free(slots[f->order[i]]);
	}
}

static void work(void *arg, unsigned thread, size_t nr_ops)
{
	const struct fixed *f = arg;

	(void)thread;
	if (f->w->how != HOW_NEXT)
		work_batches(f, nr_ops);
	else
		while (nr_ops--)
			free(allocate(f->w->min_len));
}

double bench_fixed(const struct workload *w, size_t nr_ops)
{
	struct fixed f = { .w = w };

	/* Whole batches. */
	nr_ops = (nr_ops + w->nr_slots - 1) / w->nr_slots * w->nr_slots;
	f.order = bench_map(w->nr_slots * sizeof(*f.order));
	for (size_t i = 0; i < w->nr_slots; i++)
		f.order[i] = (uint32_t)i;
	if (w->how == HOW_RANDOM)
		shuffle(f.order, w->nr_slots);
	return bench_threads(w->nr_threads, work, &f, nr_ops);
}
