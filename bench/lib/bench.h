/* SPDX-License-Identifier: MIT */
/*
 * What every benchmark needs: a clock, threads that start together, medians,
 * lengths as text, and the facts about the machine that belong beside numbers.
 *
 * Measurements are interleaved: run 1 of every variant, then run 2 of every
 * variant, and so on. A noisy neighbour then hits all variants alike, and the
 * ratio of two runs that lie side by side in time says more than two means.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define BENCH_MAX_RUNS	  64
#define BENCH_MAX_THREADS 64
#define BENCH_LEN_TEXT	  24
#define BENCH_COUNT(a)	  (sizeof(a) / sizeof((a)[0]))

/* Monotonic time in nanoseconds. */
double bench_now(void);

/* The median of values[0..nr), which are sorted; nr is at least 1. */
double bench_median(double *values, size_t nr);

/*
 * Time the CPU time of the threads instead of the time that passes: steadier
 * on a busy machine, but blind to time slept waiting for a lock.
 */
extern bool bench_cpu_time;

/*
 * Run work(arg, thread, nr_ops) in nr_threads threads, each on a CPU of its own
 * where there are enough. A barrier starts them together; the time runs until
 * the last is done (CPU time: their mean). Returns nanoseconds for one
 * operation of one thread.
 */
double bench_threads(unsigned nr_threads,
		     void (*work)(void *arg, unsigned thread, size_t nr_ops),
		     void *arg, size_t nr_ops);

/* "64K" is 65536; takes K, M and G. Ends the program when it is no length. */
size_t bench_parse_len(const char *text);

/* The same for a plain count from 1 to max. */
size_t bench_parse_count(const char *text, size_t max);

/*
 * Call parse on every part of a list such as "4K,64K" and put the results in
 * out. Returns their number; ends the program when there are more than max.
 */
size_t bench_parse_list(const char *text, size_t (*parse)(const char *),
			size_t *out, size_t max);

/* len as text ("64K") in buf, which is returned. */
char *bench_len_text(size_t len, char buf[BENCH_LEN_TEXT]);

/*
 * One line "name: value" for each fact about this machine and library. In
 * lib/facts.c, which needs the library; nothing else here does.
 */
void bench_print_facts(FILE *out, const char *prefix);

/* Print "PROGRAM: message" and exit with 2: the arguments are wrong. */
void bench_usage(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));

#endif /* BENCH_H */
