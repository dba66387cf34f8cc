// SPDX-License-Identifier: MIT
/*
 * Map, touch, unmap: what it costs through mmap() and munmap(), and through
 * the library, on the same work.
 *
 * Every cell of the table is one length, touched in every page or in one, in
 * one thread or in several at once. Each variant does its work for at least
 * --ms milliseconds, warmed up to its steady state, --runs times, in turn with
 * the others. The ratio of a variant is the median of its runs' ratios to the
 * mmap() run of the same turn. Threads other than the first are ended before
 * the next run, so that one thread really is alone.
 */
#include <err.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/bench.h"
#include "lib/targets.h"
#include "surefree.h"

/* What was measured for one variant of a cell. */
struct result {
	double ns;    /* median of all runs, for one operation of one thread */
	double ratio; /* median of the runs' ratios to mmap() */
	double low;   /* the lowest and the highest of them */
	double high;
};

/* What was asked for on the command line. */
struct options {
	size_t lens[32];
	size_t nr_lens;
	size_t threads[8];
	size_t nr_threads;
	size_t touches[NR_TOUCHES];
	size_t nr_touches;
	size_t nr_runs;
	double run_ns; /* of work in each run, at least */
	const char *tsv_path;
};

/* Places of a run, spread over what a page table covers. */
#define NR_PLACES 8u

static size_t page_size;

/* Write one byte to each page of the first len bytes. */
static inline void touch(char *p, size_t len)
{
	for (size_t i = 0; i < len; i += page_size)
		*(volatile char *)(p + i) = 1;
}

static void work_mmap(size_t len, size_t touch_len, size_t nr_ops)
{
	while (nr_ops--) {
		char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			err(3, "mmap");
		touch(p, touch_len);
		if (munmap(p, len))
			err(3, "munmap");
	}
}

static void work_surefree(size_t len, size_t touch_len, size_t nr_ops,
			  unsigned flags)
{
	while (nr_ops--) {
		char *p = surefree_map(len, flags);

		if (p == NULL)
			err(3, "surefree_map");
		touch(p, touch_len);
		surefree_unmap(p, len);
	}
}

/* One thread's share of a run; for bench_threads(). */
static void work(void *arg, unsigned thread, size_t nr_ops)
{
	const struct cell *cell = arg;
	size_t touch_len = cell->touch == TOUCH_ALL ? cell->len : page_size;

	(void)thread;
	if (cell->variant == MMAP)
		work_mmap(cell->len, touch_len, nr_ops);
	else
		work_surefree(cell->len, touch_len, nr_ops,
			      cell->variant == NOTRAP ? SUREFREE_NOTRAP : 0);
}

/*
 * Map a piece of nr/NR_PLACES of what a page table covers, to move what is
 * mapped after it: a range that has its page table to itself costs munmap()
 * more, and it should not be left to chance which of them is measured.
 */
static char *map_filler(const struct cell *cell, unsigned nr, size_t *len)
{
	char *p;

	*len = nr * (page_size * page_size / sizeof(void *) / NR_PLACES);
	if (*len == 0)
		return NULL;
	if (cell->variant != MMAP)
		p = surefree_map(*len, 0);
	else
		p = mmap(NULL, *len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			 0);
	if (p == NULL || p == MAP_FAILED)
		err(3, "cannot map %zu bytes", *len);
	return p;
}

/* nr_ops at one place. Warms up first: ns for an operation. */
static double run_at(struct cell *cell, unsigned place, size_t nr_ops)
{
	size_t filler_len;
	char *filler = map_filler(cell, place, &filler_len);
	double ns;

	bench_threads(cell->nr_threads, work, cell, nr_ops / 16 + 1);
	ns = bench_threads(cell->nr_threads, work, cell, nr_ops);
	if (filler && cell->variant == MMAP)
		munmap(filler, filler_len);
	else if (filler)
		surefree_unmap(filler, filler_len);
	return ns;
}

/* One run of one variant, ns for an operation. */
static double run(struct cell *cell, size_t nr_ops)
{
	bool retain = cell->variant == RETAIN;
	unsigned nr_places = nr_ops < NR_PLACES ? 1 : NR_PLACES;
	double ns = 0;

	if (retain && surefree_set("retain", "1G"))
		errx(3, "cannot set retain");
	for (unsigned i = 0; i < nr_places; i++)
		ns += run_at(cell, i, nr_ops / nr_places);
	if (retain) {
		surefree_set("retain", "0");
		surefree_trim(0);
	}
	return ns / nr_places;
}

/* How many operations fill the time of a run. */
static size_t calibrate(struct cell *cell, double run_ns)
{
	size_t nr_ops = 1;
	double ns;

	for (;;) {
		ns = run(cell, nr_ops) * (double)nr_ops;
		if (ns > run_ns / 4)
			break;
		nr_ops *= 8;
	}
	return (size_t)((double)nr_ops * run_ns / ns) + 1;
}

/* Measure all variants of a cell, in turn. */
static void measure(struct cell *cell, const struct options *options,
		    struct result *results)
{
	double ns[NR_VARIANTS][BENCH_MAX_RUNS];
	double ratio[NR_VARIANTS][BENCH_MAX_RUNS];
	size_t nr = options->nr_runs, nr_ops[NR_VARIANTS];

	for (unsigned v = 0; v < NR_VARIANTS; v++) {
		cell->variant = v;
		nr_ops[v] = calibrate(cell, options->run_ns);
	}
	for (size_t i = 0; i < nr; i++) {
		for (unsigned v = 0; v < NR_VARIANTS; v++) {
			cell->variant = v;
			ns[v][i] = run(cell, nr_ops[v]);
			ratio[v][i] = ns[v][i] / ns[MMAP][i];
		}
	}
	for (unsigned v = 0; v < NR_VARIANTS; v++) {
		results[v].ns = bench_median(ns[v], nr);
		results[v].ratio = bench_median(ratio[v], nr);
		results[v].low = ratio[v][0];
		results[v].high = ratio[v][nr - 1];
	}
}

static const char *verdict(double ratio, double target)
{
	/* As it is printed: two digits. */
	if (target == 0)
		return "-";
	return ratio < target + 0.005 ? "met" : "missed";
}

/* One row of the table, and one of the file for each variant. */
static void print_cell(struct cell *cell, const struct result *results,
		       FILE *tsv)
{
	char len[BENCH_LEN_TEXT];

	bench_len_text(cell->len, len);
	printf("%6s %11.0f", len, results[MMAP].ns);
	for (unsigned v = 0; v < NR_VARIANTS; v++) {
		const struct result *r = &results[v];
		double target;

		cell->variant = v;
		target = target_of(cell);
		if (tsv)
			fprintf(tsv,
				"%u\t%s\t%zu\t%s\t%.0f\t%.3f\t%.3f\t%.3f\t"
				"%.2f\t%s\n",
				cell->nr_threads, touch_names[cell->touch],
				cell->len, variant_names[v], r->ns, r->ratio,
				r->low, r->high, target,
				verdict(r->ratio, target));
		if (v == MMAP)
			continue;
		if (target > 0)
			printf("   %5.2f <= %.2f %-6s", r->ratio, target,
			       verdict(r->ratio, target));
		else
			printf("   %5.2f               ", r->ratio);
	}
	printf("\n");
	fflush(stdout);
}

static void bench(const struct options *options, FILE *tsv)
{
	struct result results[NR_VARIANTS];
	struct cell cell;

	for (size_t t = 0; t < options->nr_threads; t++) {
		for (size_t m = 0; m < options->nr_touches; m++) {
			cell.nr_threads = (unsigned)options->threads[t];
			cell.touch = (enum touch)options->touches[m];
			printf("\n%u thread%s, %s touched; ratios to mmap\n",
			       cell.nr_threads, cell.nr_threads > 1 ? "s" : "",
			       cell.touch == TOUCH_ALL ? "every page" :
							 "one page");
			printf("%6s %11s   %-20s   %-20s   %s\n", "length",
			       "mmap ns", " trap", " no trap", " retain");
			for (size_t i = 0; i < options->nr_lens; i++) {
				cell.len = options->lens[i];
				measure(&cell, options, results);
				print_cell(&cell, results, tsv);
			}
		}
	}
}

static size_t parse_threads(const char *text)
{
	return bench_parse_count(text, BENCH_MAX_THREADS);
}

static size_t parse_touch(const char *text)
{
	for (unsigned i = 0; i < NR_TOUCHES; i++)
		if (strcmp(text, touch_names[i]) == 0)
			return i;
	bench_usage("'%s' is neither all nor one", text);
}

static void help(void)
{
	printf("Usage: bench-map [OPTION]...\n"
	       "Compare mmap, touch, munmap with the same through surefree.\n\n"
	       "  -s, --sizes=LIST    lengths (4K,16K,64K,128K,256K,1M,2M,16M,"
	       "128M)\n"
	       "  -t, --threads=LIST  threads at once (1,2)\n"
	       "  -p, --touch=LIST    pages touched (all,one)\n"
	       "  -r, --runs=N        runs of each variant (7)\n"
	       "  -m, --ms=N          work in a run, in milliseconds (40)\n"
	       "  -c, --cpu-time      CPU time, steadier on a busy machine\n"
	       "  -o, --tsv=FILE      write the results there too\n"
	       "  -h, --help          show this\n\n"
	       "Examples:\n"
	       "  bench-map --sizes 4K,64K --threads 1\n"
	       "  bench-map --runs 1 --ms 1 --sizes 4K    just see it run\n");
}

static void parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "sizes", required_argument, NULL, 's' },
		{ "threads", required_argument, NULL, 't' },
		{ "touch", required_argument, NULL, 'p' },
		{ "runs", required_argument, NULL, 'r' },
		{ "ms", required_argument, NULL, 'm' },
		{ "cpu-time", no_argument, NULL, 'c' },
		{ "tsv", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *sizes = "4K,16K,64K,128K,256K,1M,2M,16M,128M";
	const char *threads = "1,2", *touches = "all,one";
	int c;

	while ((c = getopt_long(argc, argv, "s:t:p:r:m:co:h", longs, NULL)) !=
	       -1) {
		if (c == 's')
			sizes = optarg;
		else if (c == 't')
			threads = optarg;
		else if (c == 'p')
			touches = optarg;
		else if (c == 'r')
			o->nr_runs = bench_parse_count(optarg, BENCH_MAX_RUNS);
		else if (c == 'm')
			o->run_ns = 1e6 *
				    (double)bench_parse_count(optarg, 60000);
		else if (c == 'c')
			bench_cpu_time = true;
		else if (c == 'o')
			o->tsv_path = optarg;
		else if (c == 'h')
			help(), exit(0);
		else
			bench_usage("unknown option");
	}
	if (optind < argc)
		bench_usage("unexpected argument '%s'", argv[optind]);
	o->nr_lens = bench_parse_list(sizes, bench_parse_len, o->lens,
				      BENCH_COUNT(o->lens));
	o->nr_threads = bench_parse_list(threads, parse_threads, o->threads,
					 BENCH_COUNT(o->threads));
	o->nr_touches = bench_parse_list(touches, parse_touch, o->touches,
					 NR_TOUCHES);
}

int main(int argc, char **argv)
{
	struct options options = { .nr_runs = 7, .run_ns = 40e6 };
	FILE *tsv = NULL;

	parse_options(argc, argv, &options);
	page_size = (size_t)sysconf(_SC_PAGESIZE);
	if (options.tsv_path) {
		tsv = fopen(options.tsv_path, "we");
		if (tsv == NULL)
			err(3, "%s", options.tsv_path);
		bench_print_facts(tsv, "# ");
		fprintf(tsv, "# runs: %zu of at least %.0f ms, %s\n",
			options.nr_runs, options.run_ns / 1e6,
			bench_cpu_time ? "CPU time" : "time passed");
		fprintf(tsv, "threads\ttouch\tlen\tvariant\tns\tratio\tlow\t"
			     "high\ttarget\tverdict\n");
	}
	bench_print_facts(stdout, "");
	bench(&options, tsv);
	if (tsv && fclose(tsv))
		err(3, "%s", options.tsv_path);
	return 0;
}
