// SPDX-License-Identifier: MIT
/*
 * surefree top: ps, live. On a terminal by top_screen.c; --once prints the
 * first screen as text, --json everything, after two snapshots, since one tells
 * nothing of growth.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "cmd.h"
#include "out.h"
#include "surefree.h"
#include "top.h"
#include "top_screen.h"
#include "top_text.h"

#define CONTAINER_LEN 96
#define LINES	      24 /* of a screen, where there is none */
#define COLUMNS	      80

enum { PID, USER, FILTER, SORT, REVERSE, DELAY, ONCE, SOURCE };

static const struct sf_opt opts[] = {
	[PID] = { "pid", 'p', SF_OPT_TEXT, "PID", "these processes, as 12,345",
		  NULL, 0, 0 },
	[USER] = { "user", 'u', SF_OPT_TEXT, "USER",
		   "those of these users, as root,1000", NULL, 0, 0 },
	[FILTER] = { "filter", 'f', SF_OPT_TEXT, "TEXT",
		     "those with this in command, user or cgroup", NULL, 0, 0 },
	[SORT] = { "sort", 's', SF_OPT_TEXT, "KEY",
		   "mappings, growth, time, ...", "mappings", 0, 0 },
	[REVERSE] = { .name = "reverse",
		      .letter = 'r',
		      .help = "the other way round" },
	[DELAY] = { "delay", 'd', SF_OPT_COUNT, "SECONDS",
		    "between two snapshots", "2", 1, 3600 },
	[ONCE] = { .name = "once", .help = "print one screen and end" },
	[SOURCE] = { "source", 0, SF_OPT_TEXT, "HOW",
		     "bpf, proc: how to count (default best)", NULL, 0, 0 },
	{ 0 },
};

enum {
	COL_PID,
	COL_USER,
	COL_COMMAND,
	COL_MAPPINGS,
	COL_SHARE,
	COL_HEADROOM,
	COL_GROWTH,
	COL_SECONDS_LEFT,
	COL_REFUSED,
	COL_CALLS, /* SF_CALL_NR of them */
	COL_RSS = COL_CALLS + SF_CALL_NR,
	COL_TABLES,
	COL_CGROUP,
	COL_CONTAINER,
	NR_COLUMNS,
};

static const struct sf_column columns[NR_COLUMNS] = {
	[COL_PID] = { "pid", "" },
	[COL_USER] = { "user", "" },
	[COL_COMMAND] = { "command", "" },
	[COL_MAPPINGS] = { "mappings", "" },
	[COL_SHARE] = { "share", "" },
	[COL_HEADROOM] = { "headroom", "" },
	[COL_GROWTH] = { "growth_per_minute", "" },
	[COL_SECONDS_LEFT] = { "seconds_left", "" },
	[COL_REFUSED] = { "refused", "" },
	[COL_CALLS + SF_CALL_MMAP] = { "refused_mmap", "" },
	[COL_CALLS + SF_CALL_MUNMAP] = { "refused_munmap", "" },
	[COL_CALLS + SF_CALL_MPROTECT] = { "refused_mprotect", "" },
	[COL_CALLS + SF_CALL_MREMAP] = { "refused_mremap", "" },
	[COL_CALLS + SF_CALL_MADVISE] = { "refused_madvise", "" },
	[COL_CALLS + SF_CALL_BRK] = { "refused_brk", "" },
	[COL_RSS] = { "rss", "" },
	[COL_TABLES] = { "page_tables", "" },
	[COL_CGROUP] = { "cgroup", "" },
	[COL_CONTAINER] = { "container", "" },
};

/*
 * JSON
 */

static void fill_row(const struct sf_top *top, const struct sf_top_row *row,
		     struct sf_cell *cell, char *container)
{
	const struct sf_process *p = row->p;
	bool counted = top->all.no_refused == NULL;

	cell[COL_PID] = sf_cell_count((uint64_t)p->pid);
	cell[COL_USER] = sf_cell_text(p->user);
	cell[COL_COMMAND] = sf_cell_text(p->command);
	cell[COL_MAPPINGS] = sf_cell_count(p->mappings);
	cell[COL_SHARE] = sf_cell_share(sf_select_share(&top->all, p));
	cell[COL_HEADROOM] = sf_cell_count(sf_select_headroom(&top->all, p));
	if (row->rate.known)
		cell[COL_GROWTH] = sf_cell_number(row->rate.per_minute);
	if (row->seconds_left >= 0)
		cell[COL_SECONDS_LEFT] = sf_cell_number(row->seconds_left);
	if (counted)
		cell[COL_REFUSED] = sf_cell_count(row->refused);
	for (size_t i = 0; counted && i < SF_CALL_NR; i++)
		cell[COL_CALLS + i] = sf_cell_count(p->refused[i]);
	cell[COL_RSS] = sf_cell_size(p->rss_len);
	cell[COL_TABLES] = sf_cell_size(p->tables_len);
	cell[COL_CGROUP] = sf_cell_text(p->cgroup[0] != '\0' ? p->cgroup :
							       NULL);
	cell[COL_CONTAINER] = sf_cell_text(
		sf_cgroup_container(p->cgroup, container, CONTAINER_LEN));
}

/* 0 or -ENOMEM. */
static int write_rows(const struct sf_top *top, struct sf_out *out)
{
	struct sf_cell *cells = calloc(top->nr * NR_COLUMNS + 1,
				       sizeof(*cells));
	char(*containers)[CONTAINER_LEN] = calloc(top->nr + 1, CONTAINER_LEN);
	struct sf_table table = {
		.key = "processes",
		.columns = columns,
		.nr_columns = NR_COLUMNS,
		.cells = cells,
		.nr_rows = top->nr,
	};
	int err = cells == NULL || containers == NULL ? -ENOMEM : 0;

	for (size_t i = 0; err == 0 && i < top->nr; i++)
		fill_row(top, &top->row[i], &cells[i * NR_COLUMNS],
			 containers[i]);
	if (err == 0)
		sf_out_table(out, &table);
	free(containers);
	free(cells);
	return err;
}

static int print_json(const struct sf_top *top)
{
	const struct sf_processes *all = &top->all;
	struct sf_out out;
	int err;

	sf_out_open(&out, true);
	sf_out_section(&out, "top", "%s", "");
	sf_out_value(&out, "source", "",
		     sf_cell_text(all->by_bpf ? "bpf" : "proc"));
	sf_out_value(&out, "no_bpf", "", sf_cell_text(all->no_bpf));
	sf_out_value(&out, "no_refused", "", sf_cell_text(all->no_refused));
	sf_out_value(&out, "read_us", "", sf_cell_count(all->took_ns / 1000));
	sf_out_value(&out, "unreadable", "", sf_cell_count(all->nr_unreadable));
	sf_out_value(&out, "limit", "", sf_cell_count(all->limit));
	err = write_rows(top, &out);
	sf_out_top(&out, "version", sf_cell_text(surefree_version()));
	sf_out_top(&out, "finding", sf_cell_bool(false));
	return sf_out_close(&out) != 0 ? -ENOMEM : err;
}

/*
 * Text
 */

/* A number from the environment, or fallback. */
static size_t from_environment(const char *name, size_t fallback)
{
	const char *text = getenv(name);
	long nr = text != NULL ? strtol(text, NULL, 10) : 0;

	return nr > 0 && nr < 10000 ? (size_t)nr : fallback;
}

static void print_screen(const struct sf_top *top)
{
	struct winsize size = { .ws_row = 0 };
	size_t columns_nr, lines;
	sf_top_line line;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 ||
	    size.ws_col == 0)
		size = (struct winsize){ .ws_row = LINES, .ws_col = COLUMNS };
	lines = from_environment("LINES", size.ws_row);
	columns_nr = from_environment("COLUMNS", size.ws_col);

	sf_top_text_head(top, columns_nr, line);
	puts(line);
	sf_top_text_note(top, columns_nr, line);
	if (line[0] != '\0')
		puts(line);
	sf_top_text_titles(columns_nr, line);
	puts(line);
	/* The last line is for the prompt. */
	for (size_t i = 0; i < top->nr && i + 4 < lines; i++) {
		sf_top_text_row(top, &top->row[i], columns_nr, line);
		puts(line);
	}
}

/*
 * Running
 */

static int parse_sort(const struct sf_args *args, enum sf_top_sort *out)
{
	const char *text = args->opt[SORT].text;

	for (size_t i = 0; i < SF_TOP_SORT_NR; i++) {
		if (strcmp(sf_top_sorts[i].name, text) != 0)
			continue;
		*out = (enum sf_top_sort)i;
		return 0;
	}
	sf_cmd_say(args->name,
		   "--sort: '%s' is not mappings, growth, time, refused, rss, "
		   "pid, user or command",
		   text);
	return -EINVAL;
}

/* 0, or -EINVAL after a message. */
static int parse(const struct sf_args *args, struct sf_top *top,
		 enum sf_process_source *source)
{
	const char *filter = args->opt[FILTER].text;

	top->delay = (unsigned)args->opt[DELAY].nr;
	top->reverse = args->opt[REVERSE].given;
	if (filter != NULL && strlen(filter) >= sizeof(top->filter)) {
		sf_cmd_say(args->name,
			   "--filter: '%s' is longer than %zu characters",
			   filter, sizeof(top->filter) - 1);
		return -EINVAL;
	}
	snprintf(top->filter, sizeof(top->filter), "%s",
		 filter != NULL ? filter : "");
	if (sf_select_parse(&top->select, args->name, args->opt[PID].text,
			    args->opt[USER].text) != 0 ||
	    sf_select_source(args->name, args->opt[SOURCE].text, source) != 0)
		return -EINVAL;
	return parse_sort(args, &top->sort);
}

/* The second snapshot, and what came of it. 0 or -errno. */
static int print_once(const struct sf_args *args, struct sf_top *top)
{
	struct timespec delay = { .tv_sec = top->delay };
	int err;

	nanosleep(&delay, NULL);
	err = sf_top_update(top);
	if (err == 0 && args->json)
		err = print_json(top);
	else if (err == 0)
		print_screen(top);
	return err;
}

static int run(const struct sf_args *args)
{
	bool once = args->json || args->opt[ONCE].given;
	enum sf_process_source source;
	struct sf_top top = { 0 };
	int code = SF_EXIT_FINE;
	int err;

	if (parse(args, &top, &source) != 0)
		return SF_EXIT_USAGE;
	if (!once && (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))) {
		sf_cmd_say(args->name,
			   "this is not a terminal; --once prints one screen");
		return SF_EXIT_CANNOT;
	}
	err = sf_processes_open(&top.all, source, SF_REFUSALS_ANYHOW);
	if (err == 0)
		err = sf_top_update(&top);
	if (err == 0 && once)
		err = print_once(args, &top);
	else if (err == 0)
		code = sf_top_screen(&top, args->name);
	if (err != 0)
		code = sf_select_cannot(args->name, &top.all, err);
	sf_top_close(&top);
	return code;
}

const struct sf_cmd sf_cmd_top = {
	.name = "top",
	.summary = "Watch the mappings of processes grow",
	.opts = opts,
	.examples = {
		"surefree top --sort time",
		"surefree top --once --filter postgres",
	},
	.run = run,
};
