// SPDX-License-Identifier: MIT
/*
 * surefree ps: how many mappings each process has, and how far that is from the
 * limit. A snapshot of process.h, chosen, sorted and written.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cgroup.h"
#include "cmd.h"
#include "out.h"
#include "process.h"
#include "select.h"
#include "surefree.h"

#define CONTAINER_LEN 96
#define SHORT_ID_LEN  12   /* what docker ps shows */
#define PERCENT_ROOM  1000 /* a limit may have been lowered since */

enum { PID, USER, MIN_PERCENT, TOP, SORT, REVERSE, WARN, SOURCE };

static const struct sf_opt opts[] = {
	[PID] = { "pid", 'p', SF_OPT_TEXT, "PID", "these processes, as 12,345",
		  NULL, 0, 0 },
	[USER] = { "user", 'u', SF_OPT_TEXT, "USER",
		   "those of these users, as root,1000", NULL, 0, 0 },
	[MIN_PERCENT] = { "min-percent", 0, SF_OPT_COUNT, "N",
			  "those that use N % of the limit", "0", 0,
			  PERCENT_ROOM },
	[TOP] = { "top", 'n', SF_OPT_COUNT, "N", "the first N", NULL, 1,
		  1000000000 },
	[SORT] = { "sort", 's', SF_OPT_TEXT, "KEY",
		   "mappings, rss, tables, pid, ...", "mappings", 0, 0 },
	[REVERSE] = { .name = "reverse",
		      .letter = 'r',
		      .help = "the other way round" },
	[WARN] = { "warn", 'w', SF_OPT_COUNT, "PERCENT",
		   "exit 1 when one uses so much of the limit", NULL, 1,
		   PERCENT_ROOM },
	[SOURCE] = { "source", 0, SF_OPT_TEXT, "HOW",
		     "bpf, proc: how to count (default best)", NULL, 0, 0 },
	{ 0 },
};

enum {
	COL_PID,
	COL_USER,
	COL_COMMAND,
	COL_MAPPINGS,
	COL_LIMIT,
	COL_SHARE,
	COL_HEADROOM,
	COL_RSS,
	COL_TABLES,
	COL_CGROUP,
	COL_CONTAINER, /* in JSON; text has it in place of the cgroup */
	NR_COLUMNS,
};

static const struct sf_column columns[NR_COLUMNS] = {
	[COL_PID] = { "pid", "pid" },
	[COL_USER] = { "user", "user" },
	[COL_COMMAND] = { "command", "command" },
	[COL_MAPPINGS] = { "mappings", "mappings" },
	[COL_LIMIT] = { "limit", "limit" },
	[COL_SHARE] = { "share", "percent" },
	[COL_HEADROOM] = { "headroom", "headroom" },
	[COL_RSS] = { "rss", "rss" },
	[COL_TABLES] = { "page_tables", "page tables" },
	[COL_CGROUP] = { "cgroup", "container or cgroup" },
	[COL_CONTAINER] = { "container", "" },
};

struct order {
	enum sf_sort by;
	bool reverse;
};

/* All that run() makes and has to free. */
struct ps {
	const struct sf_args *args;
	struct sf_select select;
	struct order order;
	struct sf_processes all;
	size_t nr_shown;
	bool over; /* one is over --warn */
};

static bool is_over(const struct ps *ps, const struct sf_process *p)
{
	const struct sf_arg *warn = &ps->args->opt[WARN];

	return warn->given &&
	       100 * sf_select_share(&ps->all, p) >= (double)warn->nr;
}

/*
 * Choosing
 */

static int compare(const void *a, const void *b, void *arg)
{
	const struct order *order = arg;
	int result = sf_sort_compare(order->by, a, b);

	return order->reverse ? -result : result;
}

/* Sort the rows, and leave those to be shown at their front. */
static void choose(struct ps *ps)
{
	double least = (double)ps->args->opt[MIN_PERCENT].nr;
	const struct sf_arg *top = &ps->args->opt[TOP];
	struct sf_process *row = ps->all.row;
	size_t nr = 0;

	for (size_t i = 0; i < ps->all.nr; i++) {
		ps->over |= is_over(ps, &row[i]);
		if (100 * sf_select_share(&ps->all, &row[i]) >= least)
			row[nr++] = row[i];
	}
	if (nr > 1)
		qsort_r(row, nr, sizeof(*row), compare, &ps->order);
	ps->nr_shown = top->given && top->nr < nr ? top->nr : nr;
}

static int parse_sort(const struct sf_args *args, struct order *out)
{
	const char *text = args->opt[SORT].text;
	size_t i = 0;

	/* The same order by another name. */
	if (strcmp(text, "percent") == 0 || strcmp(text, "headroom") == 0)
		text = sf_sort_names[SF_SORT_MAPPINGS];
	while (i < SF_SORT_NR && strcmp(sf_sort_names[i], text) != 0)
		i++;
	if (i == SF_SORT_NR) {
		sf_cmd_say(args->name,
			   "--sort: '%s' is not mappings, percent, headroom, "
			   "rss, tables, pid, user, command or cgroup",
			   text);
		return -EINVAL;
	}
	*out = (struct order){ (enum sf_sort)i, args->opt[REVERSE].given };
	return 0;
}

/*
 * Writing
 */

static void fill_row(const struct ps *ps, const struct sf_process *p,
		     struct sf_cell *cell, char *container)
{
	bool over = is_over(ps, p);
	const char *name = sf_cgroup_container(p->cgroup, container,
					       CONTAINER_LEN);
	const char *cgroup = p->cgroup[0] != '\0' ? p->cgroup : NULL;

	if (!ps->args->json && name != NULL) {
		if (strlen(container) == SF_CONTAINER_ID_LEN)
			container[SHORT_ID_LEN] = '\0';
		cgroup = name;
	}
	cell[COL_PID] = sf_cell_count((uint64_t)p->pid);
	cell[COL_USER] = sf_cell_text(p->user);
	cell[COL_COMMAND] = sf_cell_text(p->command);
	cell[COL_MAPPINGS] = sf_cell_count(p->mappings);
	cell[COL_LIMIT] = sf_cell_count(ps->all.limit);
	cell[COL_SHARE] = sf_cell_share(sf_select_share(&ps->all, p));
	cell[COL_HEADROOM] = sf_cell_count(sf_select_headroom(&ps->all, p));
	cell[COL_RSS] = sf_cell_size(p->rss_len);
	cell[COL_TABLES] = sf_cell_size(p->tables_len);
	cell[COL_CGROUP] = sf_cell_text(cgroup);
	if (ps->args->json)
		cell[COL_CONTAINER] = sf_cell_text(name);
	cell[COL_MAPPINGS] = sf_cell_mark(cell[COL_MAPPINGS], over);
	cell[COL_SHARE] = sf_cell_mark(cell[COL_SHARE], over);
}

/* 0 or -ENOMEM. */
static int write_rows(const struct ps *ps, struct sf_out *out)
{
	size_t nr_columns = ps->args->json ? NR_COLUMNS : COL_CONTAINER;
	struct sf_cell *cells = calloc(ps->nr_shown * nr_columns + 1,
				       sizeof(*cells));
	char(*containers)[CONTAINER_LEN] = calloc(ps->nr_shown + 1,
						  CONTAINER_LEN);
	struct sf_table table = {
		.key = "processes",
		.columns = columns,
		.nr_columns = nr_columns,
		.cells = cells,
		.nr_rows = ps->nr_shown,
	};
	int err = cells == NULL || containers == NULL ? -ENOMEM : 0;

	for (size_t i = 0; err == 0 && i < ps->nr_shown; i++)
		fill_row(ps, &ps->all.row[i], &cells[i * nr_columns],
			 containers[i]);
	if (err == 0)
		sf_out_table(out, &table);
	free(containers);
	free(cells);
	return err;
}

static int write_all(const struct ps *ps)
{
	const struct sf_processes *all = &ps->all;
	struct sf_out out;
	int err;

	sf_out_open(&out, ps->args->json);
	sf_out_section(&out, "ps", "%zu of %zu processes, counted by %s%s%s%s",
		       ps->nr_shown, all->nr,
		       all->by_bpf ? "BPF" : "reading /proc",
		       all->no_bpf != NULL ? " (" : "",
		       all->no_bpf != NULL ? all->no_bpf : "",
		       all->no_bpf != NULL ? ")" : "");
	if (ps->args->json) {
		sf_out_value(&out, "source", "",
			     sf_cell_text(all->by_bpf ? "bpf" : "proc"));
		sf_out_value(&out, "no_bpf", "", sf_cell_text(all->no_bpf));
		sf_out_value(&out, "read_us", "",
			     sf_cell_count(all->took_ns / 1000));
		sf_out_value(&out, "unreadable", "",
			     sf_cell_count(all->nr_unreadable));
		sf_out_value(&out, "limit", "", sf_cell_count(all->limit));
	}
	err = write_rows(ps, &out);
	sf_out_top(&out, "version", sf_cell_text(surefree_version()));
	sf_out_top(&out, "finding", sf_cell_bool(ps->over));
	return sf_out_close(&out) != 0 ? -ENOMEM : err;
}

/* Say what is missing from the snapshot. Returns enum sf_exit. */
static int say_missing(const struct ps *ps)
{
	const char *name = ps->args->name;
	size_t nr = ps->all.nr_unreadable;
	pid_t pid = sf_select_absent(&ps->select, &ps->all);

	if (pid == 0 || ps->select.filter.nr_uids > 0) {
		if (nr > 0)
			sf_cmd_say(name,
				   "%zu process%s may not be read; root, or "
				   "CAP_SYS_PTRACE, sees %s",
				   nr, nr > 1 ? "es" : "",
				   nr > 1 ? "them" : "it");
		return SF_EXIT_FINE;
	}
	if (kill(pid, 0) != 0 && errno == ESRCH)
		sf_cmd_say(name, "there is no process %d", (int)pid);
	else if (nr > 0)
		sf_cmd_say(name, "process %d may not be read; %s", (int)pid,
			   geteuid() != 0 ? "run as root" :
					    "it takes CAP_SYS_PTRACE, and "
					    "security modules that allow it");
	else
		sf_cmd_say(name,
			   "process %d has no mappings: it is a thread, "
			   "of the kernel perhaps, or has ended",
			   (int)pid);
	return SF_EXIT_CANNOT;
}

/* Count, choose and write; the source is open. Returns enum sf_exit. */
static int show(struct ps *ps)
{
	int err = sf_processes_read(&ps->all, &ps->select.filter);
	int code;

	if (err != 0)
		return sf_select_cannot(ps->args->name, &ps->all, err);
	code = say_missing(ps);
	choose(ps);
	err = write_all(ps);
	if (err != 0)
		return sf_select_cannot(ps->args->name, &ps->all, err);
	if (code == SF_EXIT_FINE && ps->over)
		code = SF_EXIT_FINDING;
	return code;
}

static int run(const struct sf_args *args)
{
	struct ps ps = { .args = args };
	enum sf_process_source source;
	int code, err;

	if (sf_select_parse(&ps.select, args->name, args->opt[PID].text,
			    args->opt[USER].text) != 0 ||
	    sf_select_source(args->name, args->opt[SOURCE].text, &source) !=
		    0 ||
	    parse_sort(args, &ps.order) != 0)
		return SF_EXIT_USAGE;
	err = sf_processes_open(&ps.all, source, SF_REFUSALS_NONE);
	code = err != 0 ? sf_select_cannot(args->name, &ps.all, err) :
			  show(&ps);
	sf_processes_close(&ps.all);
	return code;
}

const struct sf_cmd sf_cmd_ps = {
	.name = "ps",
	.summary = "Count the mappings of processes",
	.opts = opts,
	.examples = {
		"surefree ps --min-percent 50",
		"surefree ps -u postgres --warn 80 --json",
	},
	.run = run,
};
