// SPDX-License-Identifier: MIT
/*
 * A table of blocks, of which one at random is freed and another allocated in
 * its place, over and over: an operation. At the end all are freed.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/bench.h"
#include "malloc_work.h"

static struct lens lens;

static void *allocate(enum how how, size_t len)
{
	char *p = bench_use(how == HOW_CALLOC ? calloc(1, len) : malloc(len),
			    len);

	if (how == HOW_WRITE)
		memset(p, 1, len);
	else
		bench_touch(p, len);
	return p;
}

static void work(void *arg, unsigned thread, size_t nr_ops)
{
	const struct workload *w = arg;
	size_t nr = w->nr_slots;
	void **slots = bench_map(nr * sizeof(*slots));
	uint64_t random = bench_seed(thread);

	for (size_t done = 0; done < nr_ops; done++) {
		size_t i = bench_below(&random, nr);

		free(slots[i]);
		slots[i] = allocate(w->how, bench_len(&lens, random));
	}
	for (size_t i = 0; i < nr; i++)
		free(slots[i]);
}

double bench_table(const struct workload *w, size_t nr_ops)
{
	bench_draw_lens(&lens, w->min_len, w->max_len);
	return bench_threads(w->nr_threads, work, (void *)w, nr_ops);
}
