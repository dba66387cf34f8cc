// SPDX-License-Identifier: MIT
/*
 * Map twice the limit in single pages, each with a call of its own and touched,
 * and unmap every second one: once with mmap() and munmap(), once with
 * surefree. The kernel merges the pages into one mapping, each munmap() cuts
 * one in two, and at the limit it is refused.
 *
 * Where there is not enough memory for that many pages, mappings are used up
 * beforehand and four pages for each one left are mapped. What stays resident
 * is the kernel's own number.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "avail.h"
#include "base/compiler.h"
#include "cmd.h"
#include "experiment.h"
#include "fill.h"
#include "os/limit.h"
#include "os/maps.h"
#include "surefree.h"

#define NAME	    "munmap"
#define PAGES_LEAST 256

struct plan {
	size_t page_len;
	size_t limit;
	size_t nr_mappings; /* at the start */
	size_t nr_pages;
	size_t spare; /* leave only so many; 0: all that are */
};

/* One way to map and release; both 0 or -errno. */
struct way {
	const char *name;
	int (*map)(size_t len, char **out);
	int (*unmap)(char *addr, size_t len);
	size_t (*mappings)(void); /* that it has taken before it is used */
};

/* What a child found; in shared memory. */
struct result {
	int err; /* could not be tried: from sf_fill_up() or /proc */
	size_t nr_mapped;
	size_t nr_calls;
	size_t nr_failed;
	size_t first_index; /* of the first call that failed */
	uintptr_t first_addr;
	int first_err;
	size_t resident_before; /* bytes, every page mapped */
	size_t resident_after;
	size_t nr_mappings_before;
	size_t nr_mappings_after;
};

struct run {
	const struct plan *plan;
	const struct way *way;
	struct result *result;
	struct sf_child_end end;
};

static int plain_map(size_t len, char **out)
{
	*out = mmap(NULL, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return *out != MAP_FAILED ? 0 : -errno;
}

static int plain_unmap(char *addr, size_t len)
{
	return munmap(addr, len) == 0 ? 0 : -errno;
}

static size_t plain_mappings(void)
{
	return 0;
}

static int surefree_way_map(size_t len, char **out)
{
	*out = surefree_map(len, 0);
	return *out != NULL ? 0 : -errno;
}

static int surefree_way_unmap(char *addr, size_t len)
{
	surefree_unmap(addr, len);
	return 0;
}

/* Its region, if there is one already; the parent may have reserved it. */
static size_t surefree_way_mappings(void)
{
	struct surefree_stats stats = { .size = sizeof(stats) };

	return surefree_stats(&stats) == 0 ? stats.nr_mappings : 0;
}

static const struct way ways[] = {
	{ "munmap()", plain_map, plain_unmap, plain_mappings },
	{ "surefree_unmap()", surefree_way_map, surefree_way_unmap,
	  surefree_way_mappings },
};

static void map_all(const struct run *run, char **pages)
{
	struct result *result = run->result;
	size_t i;

	for (i = 0; i < run->plan->nr_pages; i++) {
		if (run->way->map(run->plan->page_len, &pages[i]) != 0)
			break;
		pages[i][0] = 1;
	}
	result->nr_mapped = i;
}

static void unmap_every_second(const struct run *run, char **pages)
{
	struct result *result = run->result;
	size_t i;
	int err;

	for (i = 1; i < result->nr_mapped; i += 2) {
		err = run->way->unmap(pages[i], run->plan->page_len);
		result->nr_calls++;
		if (err == 0)
			continue;
		if (result->nr_failed++ > 0)
			continue;
		result->first_index = result->nr_calls - 1;
		result->first_addr = (uintptr_t)pages[i];
		result->first_err = -err;
	}
}

/* In the child. At the limit nothing here maps, allocates or prints. */
static void work(void *arg)
{
	const struct run *run = arg;
	struct result *result = run->result;
	struct sf_fill fill;
	char *pages;

	result->err = plain_map(run->plan->nr_pages * sizeof(char *), &pages);
	if (result->err == 0 && run->plan->spare != 0)
		result->err = sf_fill_up(&fill, run->plan->spare);
	if (result->err == 0)
		result->err = sf_maps_count(0, &result->nr_mappings_before);
	if (result->err != 0)
		return;
	result->nr_mappings_before -= run->way->mappings();
	map_all(run, (char **)(void *)pages);
	result->err = sf_maps_resident(&result->resident_before);
	if (result->err != 0)
		return;
	unmap_every_second(run, (char **)(void *)pages);
	result->err = sf_maps_resident(&result->resident_after);
	if (result->err == 0)
		result->err = sf_maps_count(0, &result->nr_mappings_after);
}

/* Memory is short by so much that mappings must be used up first, or too. */
static int plan_fewer(struct plan *plan, size_t cost, size_t avail)
{
	size_t fill_cost = sf_min(plan->limit, SF_FILL_MAX) * SF_FILL_COST;
	char need[24], have[24];

	sf_out_size_text(sf_min(plan->nr_pages, SIZE_MAX / cost) * cost, need,
			 sizeof(need));
	sf_out_size_text(avail, have, sizeof(have));
	if (plan->limit > SF_FILL_MAX ||
	    avail < fill_cost + PAGES_LEAST * cost) {
		sf_experiment_say(NAME,
				  "with a limit of %zu mappings this takes %s "
				  "of memory, %s can be had; try where "
				  "vm.max_map_count is lower or memory larger",
				  plan->limit, need, have);
		return SF_EXIT_CANNOT;
	}
	plan->nr_pages = (avail - fill_cost) / cost;
	plan->spare = plan->nr_pages / 4;
	sf_experiment_say(NAME,
			  "takes %s of memory, %s can be had: %zu pages with "
			  "%zu mappings spare instead",
			  need, have, plan->nr_pages, plan->spare);
	return SF_EXIT_FINE;
}

/* How many pages, and how many mappings to leave for them. FINE or CANNOT. */
static int make_plan(struct plan *plan, size_t nr_pages)
{
	size_t avail = sf_avail_memory();
	size_t cost;

	*plan = (struct plan){ .page_len = (size_t)sysconf(_SC_PAGESIZE) };
	if (sf_limit_mappings(&plan->limit) != 0 ||
	    sf_maps_count(0, &plan->nr_mappings) != 0) {
		sf_experiment_say(NAME, "cannot read /proc; mount it");
		return SF_EXIT_CANNOT;
	}
	/* A page, its place in the array, and half a mapping. */
	cost = plan->page_len + sizeof(char *) + SF_FILL_COST / 2;
	plan->nr_pages = nr_pages != 0 ? nr_pages : 2 * plan->limit;
	if (plan->nr_pages > avail / cost)
		return plan_fewer(plan, cost, avail);
	return SF_EXIT_FINE;
}

static size_t released(const struct result *result)
{
	return result->resident_before > result->resident_after ?
		       result->resident_before - result->resident_after :
		       0;
}

static size_t used(const struct result *result)
{
	return result->nr_mappings_after > result->nr_mappings_before ?
		       result->nr_mappings_after - result->nr_mappings_before :
		       0;
}

enum {
	THROUGH,
	MAPPED,
	CALLS,
	FAILED,
	FIRST_INDEX,
	FIRST_ADDR,
	FIRST_ERROR,
	TO_RELEASE,
	STILL,
	MAPPINGS,
	ENDED,
	NR_COLUMNS
};

static void make_row(const struct run *run, struct sf_cell *cells, char *buf,
		     size_t buf_len)
{
	const struct result *result = run->result;
	size_t due = result->nr_calls * run->plan->page_len;
	size_t gone = sf_min(released(result), due);
	bool failed = result->nr_failed > 0;
	struct sf_cell none = sf_cell_none();

	cells[THROUGH] = sf_cell_text(run->way->name);
	cells[MAPPED] = sf_cell_count(result->nr_mapped);
	cells[CALLS] = sf_cell_count(result->nr_calls);
	cells[FAILED] = sf_cell_mark(sf_cell_count(result->nr_failed), failed);
	cells[FIRST_INDEX] = failed ? sf_cell_count(result->first_index) : none;
	cells[FIRST_ADDR] = failed ? sf_cell_addr(result->first_addr) : none;
	cells[FIRST_ERROR] = failed ? sf_cell_text(
					      sf_errno_name(result->first_err,
							    buf, buf_len)) :
				      none;
	cells[TO_RELEASE] = sf_cell_size(due);
	cells[STILL] = sf_cell_mark(sf_cell_size(due - gone), failed);
	cells[MAPPINGS] = sf_cell_count(used(result));
	cells[ENDED] = sf_cell_text(
		sf_child_end_text(&run->end, buf + buf_len, buf_len));
}

static void write_result(struct sf_out *out, const struct run *runs,
			 size_t nr_runs)
{
	static const struct sf_column columns[NR_COLUMNS] = {
		[THROUGH] = { "through", "" },
		[MAPPED] = { "pages_mapped", "pages mapped" },
		[CALLS] = { "unmap_calls", "calls to unmap one" },
		[FAILED] = { "unmap_failed", "failed calls" },
		[FIRST_INDEX] = { "first_failed_index", "first failed: index" },
		[FIRST_ADDR] = { "first_failed_address", "  address" },
		[FIRST_ERROR] = { "first_failed_error", "  error" },
		[TO_RELEASE] = { "unmapped_bytes", "memory to release" },
		[STILL] = { "still_resident_bytes", "of it still resident" },
		[MAPPINGS] = { "mappings_used", "mappings used" },
		[ENDED] = { "ended", "ended" },
	};
	struct sf_cell cells[SF_NR(ways)][NR_COLUMNS];
	char bufs[SF_NR(ways)][2][24];
	struct sf_table table = {
		.key = "runs",
		.columns = columns,
		.nr_columns = NR_COLUMNS,
		.cells = cells[0],
		.nr_rows = nr_runs,
		.beside = true,
	};
	size_t i;

	for (i = 0; i < nr_runs; i++)
		make_row(&runs[i], cells[i], bufs[i][0], sizeof(bufs[i][0]));
	sf_out_table(out, &table);
}

/* Run one way. SF_EXIT_FINE, FINDING, or CANNOT after a message. */
static int run_way(struct run *run)
{
	int err = sf_child_run(work, run, &run->end);

	if (err != 0)
		return sf_experiment_cannot(NAME, err);
	if (run->result->err != 0) {
		sf_experiment_say(NAME, "cannot use up the mappings: %s",
				  sf_fill_why(run->result->err));
		return SF_EXIT_CANNOT;
	}
	if (run->result->nr_mapped < run->plan->nr_pages)
		sf_experiment_say(NAME, "only %zu of %zu pages could be mapped",
				  run->result->nr_mapped, run->plan->nr_pages);
	if (run->result->nr_failed > 0)
		return SF_EXIT_FINDING;
	return sf_experiment_ended(NAME, &run->end);
}

static int run_ways(struct sf_out *out, const struct plan *plan,
		    struct result *results)
{
	struct run runs[SF_NR(ways)];
	int code = SF_EXIT_FINE;
	size_t i;
	int one;

	for (i = 0; i < SF_NR(ways); i++) {
		runs[i] = (struct run){ plan, &ways[i], &results[i], { 0 } };
		one = run_way(&runs[i]);
		code = sf_experiment_worse(code, one);
		if (one == SF_EXIT_CANNOT)
			break;
	}
	if (i > 0)
		write_result(out, runs, i);
	return code;
}

int sf_experiment_munmap(struct sf_out *out, size_t nr_pages)
{
	size_t len = SF_NR(ways) * sizeof(struct result);
	struct result *results;
	struct plan plan;
	int code = make_plan(&plan, nr_pages);

	if (code != SF_EXIT_FINE)
		return code;
	results = sf_child_share(len);
	if (results == NULL)
		return sf_experiment_cannot(NAME, -ENOMEM);
	sf_out_section(out, "munmap",
		       "munmap: map %zu pages, unmap every second one",
		       plan.nr_pages);
	sf_out_value(out, "limit", "limit on mappings",
		     sf_cell_count(plan.limit));
	sf_out_value(out, "mappings", "mappings at the start",
		     sf_cell_count(plan.nr_mappings));
	sf_out_value(out, "spare", "spare mappings",
		     sf_cell_count(plan.spare != 0 ?
					   plan.spare :
					   plan.limit - plan.nr_mappings));
	code = run_ways(out, &plan, results);
	sf_child_unshare(results, len);
	return code;
}
