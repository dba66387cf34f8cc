// SPDX-License-Identifier: MIT
/*
 * malloc() and free() in the patterns that programs use them, on whatever
 * allocator this process has: glibc's, or one that is preloaded. bench/malloc
 * runs it with each and compares.
 *
 * One workload in each process, so that none finds the heap of another. The
 * work is fixed, not the time: all allocators do the same calls in the same
 * order. Printed are nanoseconds for an operation and the peak of resident
 * memory in KiB. The program's own tables are mapped, not allocated.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "lib/bench.h"
#include "malloc_work.h"

#define K (1ul << 10)
#define M (1ul << 20)

/* clang-format off */
static const struct workload workloads[] = {
#define FIXED(len, slots, ops) \
	{ "fixed" #len "-order", bench_fixed, len, len, slots, HOW_ORDER, 1, \
	  ops, "blocks of " #len " bytes: allocate " #slots ", free in order" }, \
	{ "fixed" #len "-random", bench_fixed, len, len, slots, HOW_RANDOM, 1, \
	  ops, "blocks of " #len " bytes: allocate " #slots ", free in random " \
	  "order" }, \
	{ "fixed" #len "-next", bench_fixed, len, len, 1, HOW_NEXT, 1, \
	  10000000, "blocks of " #len " bytes: malloc, free, malloc, free" }
	FIXED(16, 100000, 4000000),
	FIXED(64, 100000, 4000000),
	FIXED(256, 50000, 3000000),
	FIXED(1024, 20000, 1000000),
#undef FIXED
	{ "fixed64-2t", bench_fixed, 64, 64, 50000, HOW_RANDOM, 2, 2000000,
	  "blocks of 64 bytes, random order, in 2 threads at once" },

	{ "mixed1k", bench_table, 16, K, 100000, HOW_PAGES, 1, 3000000,
	  "16 bytes to 1 KiB, random replacement among 100000" },
	{ "mixed32k", bench_table, 16, 32 * K, 10000, HOW_PAGES, 1, 2000000,
	  "16 bytes to 32 KiB, random replacement among 10000" },

	{ "pass64", bench_pass, 64, 64, 0, 0, 2, 4000000,
	  "64 bytes: a thread allocates, another frees" },
	{ "pass1k", bench_pass, 16, K, 0, 0, 2, 3000000,
	  "16 bytes to 1 KiB: a thread allocates, another frees" },
	{ "pass1k-4t", bench_pass, 16, K, 0, 0, 4, 1500000,
	  "the same in two pairs of threads" },

	{ "larson", bench_larson, 16, K, 4000, 0, 1, 4000000,
	  "server: random replacement; a thread ends after 20000 operations and "
	  "leaves its blocks to the next" },
	{ "larson-2t", bench_larson, 16, K, 4000, 0, 2, 3000000,
	  "the same, 2 threads at once" },
	{ "larson-4t", bench_larson, 16, K, 4000, 0, 4, 1500000,
	  "the same, 4 threads at once" },
	{ "swap-2t", bench_swap, 16, K, 20000, 0, 2, 3000000,
	  "random replacement in 2 threads that swap their blocks every 50000 "
	  "operations" },

	{ "large-pages", bench_table, 64 * K, 16 * M, 32, HOW_PAGES, 1, 800,
	  "64 KiB to 16 MiB, random replacement among 32, a byte a page "
	  "written" },
	{ "large-write", bench_table, 64 * K, 16 * M, 32, HOW_WRITE, 1, 500,
	  "the same, wholly written" },
	{ "large1m-next", bench_table, M, M, 1, HOW_PAGES, 1, 40000,
	  "1 MiB: malloc, a byte a page written, free, again" },

	{ "calloc64", bench_table, 64, 64, 10000, HOW_CALLOC, 1, 4000000,
	  "calloc of 64 bytes, random replacement among 10000" },
	{ "calloc64k", bench_table, 64 * K, 64 * K, 256, HOW_CALLOC, 1, 20000,
	  "calloc of 64 KiB, random replacement among 256, a byte a page "
	  "written" },
	{ "calloc1m", bench_table, M, M, 32, HOW_CALLOC, 1, 1500,
	  "calloc of 1 MiB, random replacement among 32, a byte a page written" },

	{ "realloc-double", bench_realloc, 16, 16 * M, 1, HOW_ORDER, 1, 1200,
	  "a vector that doubles, from 16 bytes to 16 MiB" },
	{ "realloc-eighth", bench_realloc, 64, 16 * M, 1, HOW_ORDER, 1, 2500,
	  "a vector that grows by an eighth, from 64 bytes to 16 MiB" },
	{ "realloc-turns", bench_realloc, 64, M, 16, HOW_ORDER, 1, 60000,
	  "16 vectors to 1 MiB that grow by an eighth in turn" },
	{ "realloc-append", bench_append, 16, 64 * K, 1, HOW_ORDER, 1, 6000000,
	  "a string of up to 64 KiB, 1 to 64 bytes appended" },
};
/* clang-format on */

void bench_no_memory(size_t len)
{
	err(3, "no memory for %zu bytes", len);
}

void *bench_map(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		bench_no_memory(len);
	return p;
}

void bench_draw_lens(struct lens *lens, size_t min, size_t max)
{
	uint64_t random = bench_seed(1000);
	unsigned nr_powers = 0;

	while (min << (nr_powers + 1) <= max)
		nr_powers++;
	for (unsigned i = 0; i < BENCH_NR_LENS; i++) {
		size_t from = min;

		if (nr_powers)
			from <<= bench_below(&random, nr_powers);
		lens->len[i] = (uint32_t)from;
		if (nr_powers)
			lens->len[i] += (uint32_t)bench_below(&random, from);
	}
}

double bench_clock(void)
{
	struct timespec ts;

	clock_gettime(bench_cpu_time ? CLOCK_PROCESS_CPUTIME_ID :
				       CLOCK_MONOTONIC,
		      &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* The most that was resident of this process, in KiB. */
static unsigned long read_peak(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long peak = 0;
	char line[256];

	if (file == NULL)
		err(3, "/proc/self/status");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "VmHWM: %lu", &peak) == 1)
			break;
	fclose(file);
	return peak;
}

static const struct workload *find(const char *name)
{
	for (size_t i = 0; i < BENCH_COUNT(workloads); i++)
		if (strcmp(workloads[i].name, name) == 0)
			return &workloads[i];
	bench_usage("no workload '%s'", name);
}

static void help(void)
{
	printf("Usage: bench-malloc [OPTION]... WORKLOAD\n"
	       "Run a workload on this process's malloc. Prints its name, "
	       "nanoseconds for an\noperation, and the peak of resident memory "
	       "in KiB.\n\n"
	       "  -w, --work=PERCENT  of the operations (100)\n"
	       "  -c, --cpu-time      CPU time, steadier on a busy machine\n"
	       "  -l, --list          names and descriptions\n"
	       "  -h, --help          show this\n\n"
	       "Examples:\n"
	       "  bench-malloc fixed64-order\n"
	       "  LD_PRELOAD=libjemalloc.so.2 bench-malloc -w 10 mixed1k\n");
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "work", required_argument, NULL, 'w' },
		{ "cpu-time", no_argument, NULL, 'c' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const struct workload *w;
	size_t percent = 100;
	double ns;
	int c;

	while ((c = getopt_long(argc, argv, "w:clh", longs, NULL)) != -1) {
		if (c == 'w')
			percent = bench_parse_count(optarg, 100000);
		else if (c == 'c')
			bench_cpu_time = true;
		else if (c == 'l')
			for (size_t i = 0; i < BENCH_COUNT(workloads); i++)
				printf("%s\t%s\n", workloads[i].name,
				       workloads[i].what);
		else if (c == 'h')
			help();
		else
			bench_usage("unknown option");
		if (c == 'l' || c == 'h')
			return 0;
	}
	if (argc - optind != 1)
		bench_usage("one workload, please");
	w = find(argv[optind]);
	ns = w->run(w, w->nr_ops * percent / 100 + 1);
	printf("%s\t%.2f\t%lu\n", w->name, ns, read_peak());
	return 0;
}
