// SPDX-License-Identifier: MIT
/*
 * Lines of text. The first columns fit 80 characters and are always there;
 * wider lines show more.
 */
#include "top_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/compiler.h"
#include "cgroup.h"
#include "os/proc.h"

#define CELL_LEN     256
#define SHORT_ID_LEN 12 /* what docker ps shows */
#define MINUTE	     60.0
#define HOUR	     (60 * MINUTE)
#define DAY	     (24 * HOUR)

struct column {
	const char *title;
	int width; /* negative: to the left */
	void (*write)(const struct sf_top *top, const struct sf_top_row *row,
		      char cell[CELL_LEN]);
};

/*
 * Numbers
 */

/* "1.5G", at most 6 characters. */
static void write_size(size_t len, char cell[CELL_LEN])
{
	static const char units[] = "KMGTPE";
	double value = (double)len / 1024;
	size_t i;

	for (i = 0; value >= 999.5; i++)
		value /= 1024;
	snprintf(cell, CELL_LEN, value < 99.5 ? "%.1f%c" : "%.0f%c", value,
		 units[i]);
}

/* "+120", "-0.5", at most 7 characters. */
static void write_growth(const struct sf_rate *rate, char cell[CELL_LEN])
{
	double value = rate->per_minute;
	double size = value < 0 ? -value : value;

	if (!rate->known)
		snprintf(cell, CELL_LEN, "-");
	else if (size < 0.05)
		snprintf(cell, CELL_LEN, "0");
	else if (size < 9.95)
		snprintf(cell, CELL_LEN, "%+.1f", value);
	else if (size < 999999.5)
		snprintf(cell, CELL_LEN, "%+.0f", value);
	else if (size < 1e9)
		snprintf(cell, CELL_LEN, "%+.1fM", value / 1e6);
	else
		snprintf(cell, CELL_LEN, "%c>1G", value < 0 ? '-' : '+');
}

/* "45s", "12m", "3h20m", "5d03h", at most 6 characters. */
static void write_time_left(double seconds, char cell[CELL_LEN])
{
	unsigned whole = seconds >= 0 && seconds < 100 * DAY ?
				 (unsigned)seconds :
				 0;

	if (seconds < 0)
		snprintf(cell, CELL_LEN, "-");
	else if (seconds < 100)
		snprintf(cell, CELL_LEN, "%us", whole);
	else if (seconds < 100 * MINUTE)
		snprintf(cell, CELL_LEN, "%um", whole / 60);
	else if (seconds < 2 * DAY)
		snprintf(cell, CELL_LEN, "%uh%02um", whole / 3600,
			 whole / 60 % 60);
	else if (seconds < 100 * DAY)
		snprintf(cell, CELL_LEN, "%ud%02uh", whole / 86400,
			 whole / 3600 % 24);
	else
		snprintf(cell, CELL_LEN, ">100d");
}

/*
 * Columns
 */

static void write_pid(const struct sf_top *top, const struct sf_top_row *row,
		      char cell[CELL_LEN])
{
	(void)top;
	snprintf(cell, CELL_LEN, "%d", (int)row->p->pid);
}

static void write_user(const struct sf_top *top, const struct sf_top_row *row,
		       char cell[CELL_LEN])
{
	(void)top;
	snprintf(cell, CELL_LEN, "%s", row->p->user);
}

static void write_command(const struct sf_top *top,
			  const struct sf_top_row *row, char cell[CELL_LEN])
{
	(void)top;
	snprintf(cell, CELL_LEN, "%s", row->p->command);
}

static void write_mappings(const struct sf_top *top,
			   const struct sf_top_row *row, char cell[CELL_LEN])
{
	(void)top;
	snprintf(cell, CELL_LEN, "%zu", row->p->mappings);
}

/* 100 % is the limit and nothing less. */
static void write_percent(const struct sf_top *top,
			  const struct sf_top_row *row, char cell[CELL_LEN])
{
	snprintf(cell, CELL_LEN, "%d%%",
		 (int)(100 * sf_select_share(&top->all, row->p)));
}

static void write_growth_of(const struct sf_top *top,
			    const struct sf_top_row *row, char cell[CELL_LEN])
{
	(void)top;
	write_growth(&row->rate, cell);
}

static void write_time_of(const struct sf_top *top,
			  const struct sf_top_row *row, char cell[CELL_LEN])
{
	(void)top;
	write_time_left(row->seconds_left, cell);
}

static void write_refused(const struct sf_top *top,
			  const struct sf_top_row *row, char cell[CELL_LEN])
{
	if (top->all.no_refused != NULL)
		snprintf(cell, CELL_LEN, "-");
	else
		snprintf(cell, CELL_LEN, "%lu", (unsigned long)row->refused);
}

static void write_rss(const struct sf_top *top, const struct sf_top_row *row,
		      char cell[CELL_LEN])
{
	(void)top;
	write_size(row->p->rss_len, cell);
}

static void write_headroom(const struct sf_top *top,
			   const struct sf_top_row *row, char cell[CELL_LEN])
{
	snprintf(cell, CELL_LEN, "%zu", sf_select_headroom(&top->all, row->p));
}

static void write_tables(const struct sf_top *top, const struct sf_top_row *row,
			 char cell[CELL_LEN])
{
	(void)top;
	write_size(row->p->tables_len, cell);
}

static void write_group(const struct sf_top *top, const struct sf_top_row *row,
			char cell[CELL_LEN])
{
	(void)top;
	if (sf_cgroup_container(row->p->cgroup, cell, CELL_LEN) == NULL)
		snprintf(cell, CELL_LEN, "%s", row->p->cgroup);
	else if (strlen(cell) == SF_CONTAINER_ID_LEN)
		cell[SHORT_ID_LEN] = '\0';
}

static const struct column columns[] = {
	{ "PID", 7, write_pid },
	{ "USER", -8, write_user },
	{ "COMMAND", -15, write_command },
	{ "MAPPINGS", 8, write_mappings },
	{ "%", 4, write_percent },
	{ "/MIN", 8, write_growth_of },
	{ "LEFT", 6, write_time_of },
	{ "REFUSED", 7, write_refused },
	{ "RSS", 6, write_rss },
	/* As far as there is room. */
	{ "HEADROOM", 8, write_headroom },
	{ "TABLES", 6, write_tables },
	{ "CONTAINER OR CGROUP", -19, write_group },
};

/* Append a cell to a line of len characters. Returns false: no room. */
static bool append(sf_top_line line, size_t *len, size_t width,
		   const struct column *column, const char *text)
{
	int wide = column->width < 0 ? -column->width : column->width;
	size_t start = *len + (*len > 0);

	width = sf_min(width, SF_TOP_LINE_LEN - 1);
	if (start + (size_t)wide > width)
		return false;
	/* The last may use what is left. */
	snprintf(line + *len, SF_TOP_LINE_LEN - *len, "%s%*.*s",
		 *len > 0 ? " " : "", column->width,
		 column == &columns[SF_NR(columns) - 1] ? (int)(width - start) :
							  wide,
		 text);
	*len += strlen(line + *len);
	return true;
}

void sf_top_text_titles(size_t width, sf_top_line line)
{
	size_t len = 0;

	line[0] = '\0';
	for (size_t i = 0; i < SF_NR(columns); i++) {
		if (!append(line, &len, width, &columns[i], columns[i].title))
			break;
	}
}

void sf_top_text_row(const struct sf_top *top, const struct sf_top_row *row,
		     size_t width, sf_top_line line)
{
	char cell[CELL_LEN];
	size_t len = 0;

	line[0] = '\0';
	for (size_t i = 0; i < SF_NR(columns); i++) {
		columns[i].write(top, row, cell);
		if (!append(line, &len, width, &columns[i], cell))
			break;
	}
}

/*
 * Around the rows
 */

static void print_line(sf_top_line line, size_t width, const char *fmt, ...)
	SF_PRINTF(3, 4);

static void print_line(sf_top_line line, size_t width, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, SF_TOP_LINE_LEN, fmt, ap);
	va_end(ap);
	if (width < SF_TOP_LINE_LEN)
		line[width] = '\0';
}

void sf_top_text_head(const struct sf_top *top, size_t width, sf_top_line line)
{
	time_t now = time(NULL);
	struct tm tm = { 0 };
	char clock[16] = "";

	if (localtime_r(&now, &tm) != NULL)
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	print_line(line, width,
		   "%s  %zu of %zu processes  limit %zu  by %s  sort: %s%s%s%s",
		   clock, top->nr, top->all.nr, top->all.limit,
		   top->all.by_bpf ? "BPF" : "/proc",
		   sf_top_sorts[top->sort].name, top->reverse ? " (r)" : "",
		   top->filter[0] != '\0' ? "  filter: " : "", top->filter);
}

void sf_top_text_note(const struct sf_top *top, size_t width, sf_top_line line)
{
	size_t nr = top->all.nr_unreadable;

	line[0] = '\0';
	if (nr > 0)
		print_line(line, width, "%zu may not be read%s%s", nr,
			   top->all.no_bpf != NULL ? "; " : "",
			   top->all.no_bpf != NULL ? top->all.no_bpf : "");
	else if (top->all.no_bpf != NULL)
		print_line(line, width, "%s", top->all.no_bpf);
	else if (top->all.no_refused != NULL)
		print_line(line, width, "refused calls are not counted: %s",
			   top->all.no_refused);
}

/* The arguments of a process with spaces between, or its command. */
static void read_arguments(const struct sf_process *p, char cell[CELL_LEN])
{
	struct sf_proc proc;
	char path[40];
	char *line;

	snprintf(cell, CELL_LEN, "%s", p->command);
	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)p->proc_pid);
	if (sf_proc_open(&proc, path) != 0)
		return;
	if (sf_proc_line(&proc, &line) == 1) {
		size_t len = sf_min(proc.pos, CELL_LEN - 1);

		memcpy(cell, line, len);
		cell[len] = '\0';
		for (size_t i = 0; i < len; i++) {
			if (cell[i] < ' ' || cell[i] > '~')
				cell[i] = cell[i] == '\0' ? ' ' : '?';
		}
	}
	sf_proc_close(&proc);
}

/* "mmap 12, munmap 3", or why that is not known. */
static void write_refused_calls(const struct sf_top *top,
				const struct sf_process *p, char cell[CELL_LEN])
{
	size_t len = 0;

	snprintf(cell, CELL_LEN, "%s",
		 top->all.no_refused != NULL ? top->all.no_refused : "none");
	for (size_t i = 0; i < SF_CALL_NR && len < CELL_LEN; i++) {
		if (p->refused[i] > 0)
			len += (size_t)snprintf(cell + len, CELL_LEN - len,
						"%s%s %u", len > 0 ? ", " : "",
						sf_call_names[i],
						p->refused[i]);
	}
}

size_t sf_top_text_details(const struct sf_top *top,
			   const struct sf_top_row *row, size_t width,
			   sf_top_line lines[SF_TOP_DETAILS])
{
	const struct sf_process *p = row->p;
	char cell[CELL_LEN];
	size_t nr = 0;

	print_line(lines[nr++], width, "process      %d, %s", (int)p->pid,
		   p->command);
	read_arguments(p, cell);
	print_line(lines[nr++], width, "arguments    %s", cell);
	print_line(lines[nr++], width, "user         %s", p->user);
	print_line(lines[nr++], width, "cgroup       %s",
		   p->cgroup[0] != '\0' ? p->cgroup : "-");
	if (sf_cgroup_container(p->cgroup, cell, sizeof(cell)) == NULL)
		snprintf(cell, sizeof(cell), "-");
	print_line(lines[nr++], width, "container    %s", cell);
	lines[nr++][0] = '\0';
	print_line(lines[nr++], width, "mappings     %zu of %zu (%.1f %%)",
		   p->mappings, top->all.limit,
		   100 * sf_select_share(&top->all, p));
	print_line(lines[nr++], width, "headroom     %zu",
		   sf_select_headroom(&top->all, p));
	write_growth(&row->rate, cell);
	if (row->rate.known)
		print_line(lines[nr++], width,
			   "growth       %s a minute, over %.0f s", cell,
			   row->rate.seconds);
	else
		print_line(lines[nr++], width, "growth       not known yet");
	write_time_left(row->seconds_left, cell);
	print_line(lines[nr++], width, "time left    %s", cell);
	write_refused_calls(top, p, cell);
	print_line(lines[nr++], width, "refused      %s", cell);
	lines[nr++][0] = '\0';
	write_size(p->rss_len, cell);
	print_line(lines[nr++], width, "resident     %s", cell);
	write_size(p->tables_len, cell);
	print_line(lines[nr++], width, "page tables  %s", cell);
	return nr;
}
