// SPDX-License-Identifier: MIT
/*
 * What a call costs when many ranges are live.
 *
 * Holds N single pages, picks 256 of them at random, unmaps these (timed),
 * maps as many (timed), and goes on so. The holes lie all over the region, so
 * this sees the search for free pages and for the range to release, and also
 * the caches: ten million pages are spread over 40 GiB of addresses. Each page
 * is touched, untimed, before it is unmapped, so that there is one to give
 * back and memory in use stays small.
 */
#include <err.h>
#include <getopt.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/bench.h"
#include "surefree.h"

#define BATCH	  256 /* calls between two looks at the clock */
#define MIN_PAGES 1000

/* How the ranges are used; one column of the table each. */
struct kind {
	const char *name;
	const char *retain;
};

static const struct kind kinds[] = {
	{ "trap", "0" },
	{ "retain", "64M" },
};

struct result {
	double map_ns;
	double unmap_ns;
};

static size_t page_size;

/* xorshift: the same sequence on every machine. */
static uint64_t random_next(void)
{
	static uint64_t x = 0x9e3779b97f4a7c15;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static void *map_page(void)
{
	void *p = surefree_map(page_size, 0);

	if (p == NULL)
		err(3, "surefree_map");
	return p;
}

/* Move BATCH random places of pages[0..nr) to the front. */
static void pick(void **pages, size_t nr)
{
	for (size_t i = 0; i < BATCH; i++) {
		size_t j = i + random_next() % (nr - i);
		void *p = pages[i];

		pages[i] = pages[j];
		pages[j] = p;
	}
}

/* One run of nr_batches; adds the time of a call to *result. */
static void run(void **pages, size_t nr, size_t nr_batches,
		struct result *result)
{
	double start, middle, end, map_ns = 0, unmap_ns = 0;

	for (size_t b = 0; b < nr_batches; b++) {
		pick(pages, nr);
		for (size_t i = 0; i < BATCH; i++)
			*(volatile char *)pages[i] = 1;
		start = bench_now();
		for (size_t i = 0; i < BATCH; i++)
			surefree_unmap(pages[i], page_size);
		middle = bench_now();
		for (size_t i = 0; i < BATCH; i++)
			pages[i] = map_page();
		end = bench_now();
		unmap_ns += middle - start;
		map_ns += end - middle;
	}
	result->unmap_ns = unmap_ns / (double)(nr_batches * BATCH);
	result->map_ns = map_ns / (double)(nr_batches * BATCH);
}

/* Median of nr_runs for each kind, in turn. */
static void measure(void **pages, size_t nr, size_t nr_runs,
		    struct result *results)
{
	double map_ns[BENCH_COUNT(kinds)][BENCH_MAX_RUNS];
	double unmap_ns[BENCH_COUNT(kinds)][BENCH_MAX_RUNS];
	struct result result;

	for (size_t i = 0; i < nr_runs; i++) {
		for (size_t k = 0; k < BENCH_COUNT(kinds); k++) {
			if (surefree_set("retain", kinds[k].retain))
				errx(3, "cannot set retain");
			run(pages, nr, 8, &result);
			run(pages, nr, 48, &result);
			map_ns[k][i] = result.map_ns;
			unmap_ns[k][i] = result.unmap_ns;
			surefree_set("retain", "0");
		}
	}
	for (size_t k = 0; k < BENCH_COUNT(kinds); k++) {
		results[k].map_ns = bench_median(map_ns[k], nr_runs);
		results[k].unmap_ns = bench_median(unmap_ns[k], nr_runs);
	}
}

static void print_row(size_t nr, const struct result *results, FILE *tsv)
{
	struct surefree_stats stats = { .size = sizeof(stats) };

	surefree_stats(&stats);
	printf("%10zu", nr);
	for (size_t k = 0; k < BENCH_COUNT(kinds); k++) {
		printf("   %7.0f %7.0f", results[k].unmap_ns,
		       results[k].map_ns);
		if (tsv)
			fprintf(tsv, "%zu\t%s\t%.0f\t%.0f\t%zu\t%zu\n", nr,
				kinds[k].name, results[k].unmap_ns,
				results[k].map_ns, stats.metadata_len / 1024,
				stats.nr_mappings);
	}
	printf("   %12zu %9zu\n", stats.metadata_len / 1024, stats.nr_mappings);
	fflush(stdout);
}

static void bench(size_t max, size_t nr_runs, FILE *tsv)
{
	struct result results[BENCH_COUNT(kinds)];
	void **pages = malloc(max * sizeof(*pages));
	size_t nr = 0;

	if (pages == NULL)
		err(3, "malloc");
	printf("\n%10s", "live pages");
	for (size_t k = 0; k < BENCH_COUNT(kinds); k++)
		printf("   %15s", kinds[k].name);
	printf("   %12s %9s\n%10s", "metadata KiB", "mappings", "");
	for (size_t k = 0; k < BENCH_COUNT(kinds); k++)
		printf("   %7s %7s", "unmap", "map");
	printf("\n");
	for (size_t step = MIN_PAGES; step <= max; step *= 10) {
		while (nr < step)
			pages[nr++] = map_page();
		measure(pages, nr, nr_runs, results);
		print_row(nr, results, tsv);
	}
	/* The pages go with the process: ten million calls would take long. */
	free(pages);
}

static void help(void)
{
	printf("Usage: bench-ranges [OPTION]...\n"
	       "The cost of a call, in ns, while many single pages are live.\n\n"
	       "  -n, --max=N     up to this many pages, by tens (10000000)\n"
	       "  -r, --runs=N    runs, of which the median is taken (5)\n"
	       "  -o, --tsv=FILE  write the results there too\n"
	       "  -h, --help      show this\n\n"
	       "Examples:\n"
	       "  bench-ranges\n"
	       "  bench-ranges --max 10000 --runs 1    just see it run\n");
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "max", required_argument, NULL, 'n' },
		{ "runs", required_argument, NULL, 'r' },
		{ "tsv", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	size_t max = 10000000, nr_runs = 5;
	const char *path = NULL;
	FILE *tsv = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "n:r:o:h", longs, NULL)) != -1) {
		if (c == 'n')
			max = bench_parse_count(optarg, 1000000000);
		else if (c == 'r')
			nr_runs = bench_parse_count(optarg, BENCH_MAX_RUNS);
		else if (c == 'o')
			path = optarg;
		else if (c == 'h')
			return help(), 0;
		else
			bench_usage("unknown option");
	}
	if (optind < argc)
		bench_usage("unexpected argument '%s'", argv[optind]);
	if (max < MIN_PAGES)
		bench_usage("--max is at least %d", MIN_PAGES);
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	if (path && (tsv = fopen(path, "we")) == NULL)
		err(3, "%s", path);
	if (tsv) {
		bench_print_facts(tsv, "# ");
		fprintf(tsv, "live\tvariant\tunmap\tmap\tmetadata\tmappings\n");
	}
	bench_print_facts(stdout, "");
	bench(max, nr_runs, tsv);
	if (tsv && fclose(tsv))
		err(3, "%s", path);
	return 0;
}
