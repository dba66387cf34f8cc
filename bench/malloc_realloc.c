// SPDX-License-Identifier: MIT
/*
 * Growth by realloc(): an operation is one call of it. What is new is written,
 * as it would be by a program that has grown a vector to put something in.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/bench.h"
#include "malloc_work.h"

struct vector {
	char *start;
	size_t len;
};

static void grow(struct vector *v, size_t len)
{
	v->start = bench_use(realloc(v->start, len), len);
	memset(v->start + v->len, 1, len - v->len);
	v->len = len;
}

/* One vector doubles, more than one or a longer first length: by an eighth. */
static size_t next_len(const struct workload *w, size_t len)
{
	size_t next;

	if (len == 0)
		return w->min_len;
	next = w->min_len == 16 ? 2 * len : len + len / 8;
	return next < w->max_len ? next : w->max_len;
}

double bench_realloc(const struct workload *w, size_t nr_ops)
{
	struct vector *vectors = bench_map(w->nr_slots * sizeof(*vectors));
	double start = bench_clock();

	for (size_t done = 0; done < nr_ops; done++) {
		struct vector *v = &vectors[done % w->nr_slots];

		if (v->len == w->max_len) {
			free(v->start);
			*v = (struct vector){ 0 };
		}
		grow(v, next_len(w, v->len));
	}
	for (size_t i = 0; i < w->nr_slots; i++)
		free(vectors[i].start);
	return (bench_clock() - start) / (double)nr_ops;
}

double bench_append(const struct workload *w, size_t nr_ops)
{
	struct vector v = { 0 };
	uint64_t random = bench_seed(0);
	double start = bench_clock();

	for (size_t done = 0; done < nr_ops; done++) {
		size_t more = 1 + bench_below(&random, 64);

		if (v.len + more > w->max_len) {
			free(v.start);
			v = (struct vector){ 0 };
		}
		grow(&v, v.len + more);
	}
	free(v.start);
	return (bench_clock() - start) / (double)nr_ops;
}
