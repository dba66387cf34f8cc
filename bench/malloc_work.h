/* SPDX-License-Identifier: MIT */
/*
 * A workload of bench-malloc, and what all of them need: sizes, touching.
 */
#ifndef BENCH_MALLOC_WORK_H
#define BENCH_MALLOC_WORK_H

#include <stddef.h>
#include <stdint.h>

/* How a workload is done, where there are several ways. */
enum how {
	HOW_ORDER,  /* allocate all, free in the same order */
	HOW_RANDOM, /* allocate all, free in random order */
	HOW_NEXT,   /* free each before the next is allocated */
	HOW_PAGES,  /* write one byte a page */
	HOW_WRITE,  /* write all bytes */
	HOW_CALLOC, /* calloc(), one byte a page written */
};

/*
 * One row of the table. min_len to max_len: of a block, each power of two as
 * likely as the next. nr_slots: blocks alive at once, of each thread.
 */
struct workload {
	const char *name;
	double (*run)(const struct workload *w, size_t nr_ops);
	size_t min_len;
	size_t max_len;
	size_t nr_slots;
	enum how how;
	unsigned nr_threads;
	size_t nr_ops; /* fixed, however fast */
	const char *what;
};

/* Each runs nr_ops and returns nanoseconds for one. */
double bench_fixed(const struct workload *w, size_t nr_ops);
double bench_table(const struct workload *w, size_t nr_ops);
double bench_realloc(const struct workload *w, size_t nr_ops);
double bench_append(const struct workload *w, size_t nr_ops);
double bench_pass(const struct workload *w, size_t nr_ops);
double bench_larson(const struct workload *w, size_t nr_ops);
double bench_swap(const struct workload *w, size_t nr_ops);

/* Nanoseconds: passed, or of CPU time of this process if that is asked for. */
double bench_clock(void);

/* Random numbers, the same in every run: xorshift64*. */
static inline uint64_t bench_random(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}

/* A number below n, which is less than 2^32. */
static inline size_t bench_below(uint64_t *state, size_t n)
{
	return (size_t)((bench_random(state) >> 32) * n >> 32);
}

/* A state to start from, other for each thread; never 0. */
static inline uint64_t bench_seed(unsigned thread)
{
	return 0x9e3779b97f4a7c15ull * (thread + 1);
}

/* Lengths, drawn beforehand: drawing one must not cost as much as malloc(). */
#define BENCH_NR_LENS 4096u
struct lens {
	uint32_t len[BENCH_NR_LENS];
};

void bench_draw_lens(struct lens *lens, size_t min, size_t max);

static inline size_t bench_len(const struct lens *lens, uint64_t random)
{
	return lens->len[random % BENCH_NR_LENS];
}

/* Memory that the allocator under test does not see; zero. Ends on failure. */
void *bench_map(size_t len);

/* Ends the program: out of memory. */
void bench_no_memory(size_t len) __attribute__((noreturn, cold));

/*
 * The compiler is to believe that p may be anything and is used: no call is
 * left out, none is taken for another.
 */
static inline void *bench_use(void *p, size_t len)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	if (__builtin_expect(p == NULL, 0))
		bench_no_memory(len);
	return p;
}

/* Write one byte to each 4 KiB of p and to its end. */
static inline void bench_touch(char *p, size_t len)
{
	for (size_t i = 0; i < len; i += 4096)
		*(volatile char *)(p + i) = 1;
	*(volatile char *)(p + len - 1) = 1;
}

#endif /* BENCH_MALLOC_WORK_H */
