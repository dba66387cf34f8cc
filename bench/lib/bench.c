// SPDX-License-Identifier: MIT
/*
 * Clock, threads, medians, lengths; see bench.h.
 */
#include "bench.h"

#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One thread of bench_threads(). */
struct worker {
	pthread_t thread;
	unsigned index;
	struct job *job;
	double start; /* ns */
	double end;
	double cpu; /* ns spent between them */
};

struct job {
	pthread_barrier_t barrier;
	void (*work)(void *arg, unsigned thread, size_t nr_ops);
	void *arg;
	size_t nr_ops;
	cpu_set_t cpus; /* that this program may use */
};

bool bench_cpu_time;

static double read_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

double bench_now(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *values, size_t nr)
{
	qsort(values, nr, sizeof(*values), compare);
	if (nr % 2)
		return values[nr / 2];
	return (values[nr / 2 - 1] + values[nr / 2]) / 2;
}

/* Keep the calling thread on the n-th CPU of the set, if there is one. */
static void pin(const cpu_set_t *cpus, unsigned n)
{
	cpu_set_t one;

	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, cpus) || n--)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
		return;
	}
}

static void *run_worker(void *arg)
{
	struct worker *worker = arg;
	struct job *job = worker->job;

	pin(&job->cpus, worker->index);
	pthread_barrier_wait(&job->barrier);
	worker->cpu = -read_clock(CLOCK_THREAD_CPUTIME_ID);
	worker->start = bench_now();
	job->work(job->arg, worker->index, job->nr_ops);
	worker->end = bench_now();
	worker->cpu += read_clock(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

double bench_threads(unsigned nr_threads,
		     void (*work)(void *arg, unsigned thread, size_t nr_ops),
		     void *arg, size_t nr_ops)
{
	struct worker workers[BENCH_MAX_THREADS];
	struct job job = { .work = work, .arg = arg, .nr_ops = nr_ops };
	double start, end, cpu;

	workers[0] = (struct worker){ .job = &job };
	sched_getaffinity(0, sizeof(job.cpus), &job.cpus);
	pthread_barrier_init(&job.barrier, NULL, nr_threads);
	/* The calling thread is the first, so that one thread is really one. */
	for (unsigned i = 1; i < nr_threads; i++) {
		workers[i] = (struct worker){ .index = i, .job = &job };
		if (pthread_create(&workers[i].thread, NULL, run_worker,
				   &workers[i]))
			errx(3, "cannot start thread %u", i);
	}
	run_worker(&workers[0]);
	start = workers[0].start;
	end = workers[0].end;
	cpu = workers[0].cpu;
	for (unsigned i = 1; i < nr_threads; i++) {
		pthread_join(workers[i].thread, NULL);
		start = workers[i].start < start ? workers[i].start : start;
		end = workers[i].end > end ? workers[i].end : end;
		cpu += workers[i].cpu;
	}
	pthread_barrier_destroy(&job.barrier);
	sched_setaffinity(0, sizeof(job.cpus), &job.cpus);
	if (bench_cpu_time)
		return cpu / nr_threads / (double)nr_ops;
	return (end - start) / (double)nr_ops;
}

size_t bench_parse_len(const char *text)
{
	static const char units[] = "KMG";
	char *end;
	unsigned long len = strtoul(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;
	unsigned shift = unit ? 10u * (unsigned)(unit - units + 1) : 0;

	if (end == text || *text == '-' || (*end && (!unit || end[1])) ||
	    len == 0 || len > (1ul << 40) >> shift)
		bench_usage("'%s' is not a length such as 64K or 2M", text);
	return len << shift;
}

size_t bench_parse_count(const char *text, size_t max)
{
	char *end;
	unsigned long nr = strtoul(text, &end, 10);

	if (end == text || *end || *text == '-' || nr == 0 || nr > max)
		bench_usage("'%s' is not a number from 1 to %zu", text, max);
	return nr;
}

size_t bench_parse_list(const char *text, size_t (*parse)(const char *),
			size_t *out, size_t max)
{
	char *copy = strdup(text), *rest = copy, *part;
	size_t nr = 0;

	if (copy == NULL)
		err(3, "strdup");
	while ((part = strsep(&rest, ",")) != NULL) {
		if (nr == max)
			bench_usage("'%s' has more than %zu parts", text, max);
		out[nr++] = parse(part);
	}
	free(copy);
	return nr;
}

char *bench_len_text(size_t len, char buf[BENCH_LEN_TEXT])
{
	static const char units[] = " KMG";
	unsigned unit = 0;

	while (unit < 3 && len && len % 1024 == 0) {
		len /= 1024;
		unit++;
	}
	if (unit)
		snprintf(buf, BENCH_LEN_TEXT, "%zu%c", len, units[unit]);
	else
		snprintf(buf, BENCH_LEN_TEXT, "%zu", len);
	return buf;
}

void bench_usage(const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "; see --help\n");
	exit(2);
}
