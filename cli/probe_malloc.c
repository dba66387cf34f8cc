// SPDX-License-Identifier: MIT
/*
 * Allocate and touch blocks, free every second one, then the rest: with the
 * malloc that is loaded and mappings to spare, with it at the limit, and with
 * surefree at the limit. The first run shows what this malloc keeps anyway, so
 * that the second shows what it lost.
 *
 * Between the first malloc() of the experiment and its last free() the child
 * makes no other call that allocates. Resident memory is the kernel's number
 * at once after the work: what an allocator would give back later counts.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "avail.h"
#include "base/compiler.h"
#include "cmd.h"
#include "experiment.h"
#include "fill.h"
#include "munmap_count.h"
#include "os/limit.h"
#include "os/maps.h"
#include "surefree.h"

#define NAME	   "malloc"
#define NOT_FILLED SIZE_MAX
/* Share of the peak that the limit may cost before it is a finding. */
#define SHARE_LOST 0.05

/* What a child found; in shared memory. */
struct result {
	int err; /* could not be tried: from sf_fill_up() or /proc */
	size_t spare;
	size_t nr_failed;  /* allocations */
	size_t base;	   /* resident bytes, before the first block */
	size_t peak;	   /* every block allocated and touched */
	size_t half;	   /* every second one freed */
	size_t all;	   /* all freed */
	atomic_bool armed; /* count munmap() now */
};

struct way {
	const char *name;
	void *(*get)(size_t len);
	void (*put)(void *addr, size_t len);
	bool at_limit;
};

struct run {
	const struct sf_malloc_plan *plan;
	const struct way *way;
	struct result *result;
	struct sf_munmap_count munmaps;
	struct sf_child_end end;
};

static void malloc_put(void *addr, size_t len)
{
	(void)len;
	free(addr);
}

static void *surefree_get(size_t len)
{
	return surefree_map(len, 0);
}

static const struct way ways[] = {
	{ "malloc()", malloc, malloc_put, false },
	{ "malloc()", malloc, malloc_put, true },
	{ "surefree_map()", surefree_get, surefree_unmap, true },
};
#define NR_WAYS SF_NR(ways)

/* The library that malloc comes from, "glibc 2.36" or "libjemalloc.so.2". */
static const char *malloc_name(char *buf, size_t buf_len)
{
	void *function = dlsym(RTLD_DEFAULT, "malloc");
	const char *name = NULL;
	Dl_info info;

	if (function != NULL && dladdr(function, &info) != 0)
		name = strrchr(info.dli_fname, '/');
	if (name == NULL)
		return "unknown";
	if (strncmp(name, "/libc.", strlen("/libc.")) == 0)
		return sf_experiment_libc(buf, buf_len);
	snprintf(buf, buf_len, "%s", name + 1);
	return buf;
}

static void touch(char *block, size_t len, size_t page_len)
{
	volatile char *byte = block;
	size_t i;

	for (i = 0; i < len; i += page_len)
		byte[i] = 1;
	byte[len - 1] = 1;
}

static void allocate(const struct run *run, void **blocks)
{
	size_t page_len = (size_t)sysconf(_SC_PAGESIZE);
	size_t len = run->plan->block_len;
	size_t i;

	for (i = 0; i < run->plan->nr_blocks; i++) {
		blocks[i] = run->way->get(len);
		if (blocks[i] != NULL)
			touch(blocks[i], len, page_len);
		else
			run->result->nr_failed++;
	}
}

/* Free blocks first, first + 2, ... */
static void put_every_second(const struct run *run, void **blocks, size_t first)
{
	size_t i;

	for (i = first; i < run->plan->nr_blocks; i += 2)
		if (blocks[i] != NULL)
			run->way->put(blocks[i], run->plan->block_len);
}

/* Where the blocks are; mapped, so that no malloc is disturbed. */
static void **map_array(size_t nr)
{
	void *addr = mmap(NULL, nr * sizeof(void *), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	return addr != MAP_FAILED ? addr : NULL;
}

/* Have the mappings used up, or not. 0 or -errno. */
static int prepare(const struct run *run, struct sf_fill *fill)
{
	size_t limit, nr;
	int err = 0;

	/* A first block each, so that what they set up at first is there. */
	run->way->put(run->way->get(1), 1);
	if (run->way->at_limit)
		err = sf_fill_up(fill, run->plan->spare);
	if (err == 0)
		err = sf_limit_mappings(&limit);
	if (err == 0)
		err = sf_maps_count(0, &nr);
	if (err == 0)
		run->result->spare = limit > nr ? limit - nr : 0;
	return err;
}

/* In the child. */
static void work(void *arg)
{
	const struct run *run = arg;
	struct result *result = run->result;
	void **blocks = map_array(run->plan->nr_blocks);
	struct sf_fill fill;

	result->err = blocks != NULL ? prepare(run, &fill) : -ENOMEM;
	if (result->err != 0)
		return;
	atomic_store(&result->armed, true);
	sf_maps_resident(&result->base);
	allocate(run, blocks);
	sf_maps_resident(&result->peak);
	put_every_second(run, blocks, 0);
	sf_maps_resident(&result->half);
	put_every_second(run, blocks, 1);
	sf_maps_resident(&result->all);
	atomic_store(&result->armed, false);
}

/* Reduce the number of blocks to what memory allows. FINE or CANNOT. */
static int fit(struct sf_malloc_plan *plan)
{
	size_t page_len = (size_t)sysconf(_SC_PAGESIZE);
	size_t avail = sf_avail_memory();
	char need_text[24], have_text[24];
	size_t cost, need, fill_cost, limit;

	sf_limit_mappings(&limit);
	fill_cost = sf_min(limit, SF_FILL_MAX) * SF_FILL_COST;
	/* surefree takes whole pages; malloc adds its own. */
	cost = sf_align_up(plan->block_len, page_len) + page_len;
	if (__builtin_mul_overflow(cost, plan->nr_blocks, &need))
		need = SIZE_MAX / 2;
	if (need + fill_cost <= avail)
		return SF_EXIT_FINE;
	sf_out_size_text(need + fill_cost, need_text, sizeof(need_text));
	sf_out_size_text(avail, have_text, sizeof(have_text));
	if (avail < fill_cost + 2 * cost) {
		sf_experiment_say(NAME,
				  "takes %s of memory, %s can be had; give a "
				  "smaller -s or -n, or more memory",
				  need_text, have_text);
		return SF_EXIT_CANNOT;
	}
	plan->nr_blocks = (avail - fill_cost) / cost;
	sf_experiment_say(NAME,
			  "takes %s of memory, %s can be had: COUNT is reduced "
			  "to %zu",
			  need_text, have_text, plan->nr_blocks);
	return SF_EXIT_FINE;
}

/* What of the peak is still resident. */
static double share(const struct result *result, size_t resident)
{
	if (result->peak <= result->base || resident <= result->base)
		return 0;
	return (double)(resident - result->base) /
	       (double)(result->peak - result->base);
}

enum {
	THROUGH,
	SPARE,
	FAILED,
	PEAK,
	HALF,
	ALL,
	MUNMAPS,
	MUNMAPS_FAILED,
	ENDED,
	NR_COLUMNS
};

static void make_row(const struct run *run, struct sf_cell *cells, char *buf,
		     size_t buf_len)
{
	const struct result *result = run->result;
	const struct sf_munmap_count *munmaps = &run->munmaps;
	bool lost = munmaps->nr_failed > 0;

	cells[THROUGH] = sf_cell_text(run->way->name);
	cells[SPARE] = sf_cell_count(result->spare);
	cells[FAILED] = sf_cell_mark(sf_cell_count(result->nr_failed),
				     result->nr_failed > 0);
	cells[PEAK] = sf_cell_size(result->peak -
				   sf_min(result->base, result->peak));
	cells[HALF] = sf_cell_mark(sf_cell_share(share(result, result->half)),
				   lost);
	cells[ALL] = sf_cell_mark(sf_cell_share(share(result, result->all)),
				  lost);
	cells[MUNMAPS] = cells[MUNMAPS_FAILED] = sf_cell_none();
	if (munmaps->counted) {
		cells[MUNMAPS] = sf_cell_count(munmaps->nr);
		cells[MUNMAPS_FAILED] = sf_cell_mark(
			sf_cell_count(munmaps->nr_failed), lost);
	}
	cells[ENDED] = sf_cell_mark(
		sf_cell_text(sf_child_end_text(&run->end, buf, buf_len)),
		run->end.signal != 0);
}

static void write_result(struct sf_out *out, const struct run *runs,
			 size_t nr_runs)
{
	static const struct sf_column columns[NR_COLUMNS] = {
		[THROUGH] = { "through", "" },
		[SPARE] = { "spare", "spare mappings" },
		[FAILED] = { "allocations_failed", "failed allocations" },
		[PEAK] = { "peak_bytes", "resident, all allocated" },
		[HALF] = { "resident_half", "  every second one freed" },
		[ALL] = { "resident_all", "  all freed" },
		[MUNMAPS] = { "munmap_calls", "calls of munmap()" },
		[MUNMAPS_FAILED] = { "munmap_failed", "  failed" },
		[ENDED] = { "ended", "ended" },
	};
	struct sf_cell cells[NR_WAYS][NR_COLUMNS];
	struct sf_table table = {
		.key = "runs",
		.columns = columns,
		.nr_columns = NR_COLUMNS,
		.cells = cells[0],
		.nr_rows = nr_runs,
		.beside = true,
	};
	char bufs[NR_WAYS][24];
	size_t i;

	for (i = 0; i < nr_runs; i++)
		make_row(&runs[i], cells[i], bufs[i], sizeof(bufs[i]));
	sf_out_table(out, &table);
}

static int cannot_fill(const struct sf_malloc_plan *plan, int err)
{
	sf_experiment_say(NAME, "cannot leave %zu mappings: %s", plan->spare,
			  sf_fill_why(err));
	return SF_EXIT_CANNOT;
}

/* Run one way. FINE, FINDING, or CANNOT after a message. */
static int run_way(struct run *run)
{
	struct result *result = run->result;
	int err = sf_munmap_count_run(work, run, &result->armed, &run->munmaps,
				      &run->end);

	if (err != 0)
		return sf_experiment_cannot(NAME, err);
	if (result->err != 0)
		return cannot_fill(run->plan, result->err);
	if (result->nr_failed > 0 || run->munmaps.nr_failed > 0)
		return SF_EXIT_FINDING;
	return sf_experiment_ended(NAME, &run->end);
}

/*
 * Run every way. Where munmap() is not counted, what the limit costs is seen
 * by comparing the first two.
 */
static int run_ways(struct sf_out *out, const struct sf_malloc_plan *plan,
		    struct result *results)
{
	struct run runs[NR_WAYS];
	int code = SF_EXIT_FINE;
	size_t i;
	int one;

	for (i = 0; i < NR_WAYS; i++) {
		runs[i] = (struct run){ .plan = plan,
					.way = &ways[i],
					.result = &results[i] };
		one = run_way(&runs[i]);
		code = sf_experiment_worse(code, one);
		if (one == SF_EXIT_CANNOT)
			break;
	}
	if (i > 1 && share(&results[1], results[1].all) >
			     share(&results[0], results[0].all) + SHARE_LOST)
		code = SF_EXIT_FINDING;
	if (i > 0 && !runs[0].munmaps.counted)
		sf_experiment_say(NAME, "calls of munmap() are not counted: %s",
				  runs[0].munmaps.why_not);
	if (out->root != NULL)
		sf_out_value(out, "not_counted", "",
			     i > 0 && !runs[0].munmaps.counted ?
				     sf_cell_text(runs[0].munmaps.why_not) :
				     sf_cell_none());
	if (i > 0)
		write_result(out, runs, i);
	return code;
}

int sf_experiment_malloc(struct sf_out *out, const struct sf_malloc_plan *asked)
{
	size_t len = NR_WAYS * sizeof(struct result);
	struct sf_malloc_plan plan = *asked;
	char size[24], name[64];
	struct result *results;
	int err = sf_fill_check(plan.spare);
	int code;

	if (err != 0)
		return cannot_fill(&plan, err);
	code = fit(&plan);
	if (code != SF_EXIT_FINE)
		return code;
	results = sf_child_share(len);
	if (results == NULL)
		return sf_experiment_cannot(NAME, -ENOMEM);
	sf_out_size_text(plan.block_len, size, sizeof(size));
	sf_out_section(out, "malloc", "malloc: %zu blocks of %s, %s",
		       plan.nr_blocks, size, malloc_name(name, sizeof(name)));
	if (out->root != NULL) {
		sf_out_value(out, "malloc", "", sf_cell_text(name));
		sf_out_value(out, "count", "", sf_cell_count(plan.nr_blocks));
		sf_out_value(out, "size", "", sf_cell_size(plan.block_len));
	}
	code = run_ways(out, &plan, results);
	sf_child_unshare(results, len);
	return code;
}
