// SPDX-License-Identifier: MIT
/* What surefree trace prints, see trace_print.h. */
#include "trace_print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "surefree.h"

#define STACKS_SHOWN 20 /* in text, of each table */

void sf_trace_report_open(struct sf_trace_report *report)
{
	struct sf_out out;

	sf_out_open(&out, false);
	report->colour = out.colour;
}

/*
 * Events
 */

static void event_text(const struct sf_trace_report *report,
		       const struct sf_trace_event *event)
{
	time_t seconds = (time_t)(event->time / 1000000000);
	struct tm tm = { 0 };
	char clock[16];
	char name[24];
	char size[24];

	localtime_r(&seconds, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	printf("%s.%06u %s %d/%d  %s%s(0x%" PRIx64, clock,
	       (unsigned)(event->time % 1000000000 / 1000), event->command,
	       (int)event->pid, (int)event->tid,
	       report->colour ? "\033[1m" : "", event->call, event->addr);
	if (event->len > 0)
		printf(", %s",
		       sf_out_size_text(event->len, size, sizeof(size)));
	printf(") %s%s  %" PRIu64 " of %" PRIu64 " mappings",
	       sf_errno_name(event->err, name, sizeof(name)),
	       report->colour ? "\033[0m" : "", event->mappings, event->limit);
	if (event->is_release)
		printf("  leaked %s%s%s%s",
		       report->colour && event->leaked > 0 ? "\033[31m" : "",
		       event->leaked_at_most ? "at most " : "",
		       sf_out_size_text(event->leaked, size, sizeof(size)),
		       report->colour ? "\033[0m" : "");
	putchar('\n');
	if (event->where_alike)
		printf("    (a stack that begins alike)\n");
	for (size_t i = 0; event->where != NULL && i < event->where->nr; i++) {
		printf("    ");
		sf_out_text(event->where->frame[i]);
		putchar('\n');
	}
	fflush(stdout);
}

static const char *event_time(const struct sf_trace_event *event, char *buf,
			      size_t buf_len)
{
	time_t seconds = (time_t)(event->time / 1000000000);
	char clock[24];
	struct tm tm = { 0 };

	gmtime_r(&seconds, &tm);
	strftime(clock, sizeof(clock), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf, buf_len, "%s.%06uZ", clock,
		 (unsigned)(event->time % 1000000000 / 1000));
	return buf;
}

/* In the innermost frame that is not the C library's. */
static struct sf_cell where_cell(const struct sf_where *where)
{
	return where != NULL && where->nr > 0 ?
		       sf_cell_text(where->frame[where->caller]) :
		       sf_cell_none();
}

static int event_json(const struct sf_trace_event *event)
{
	static char stack[SF_WHERE_STACK_LEN];
	struct sf_out out;
	char buf[48];
	char name[24];

	sf_out_open(&out, true);
	sf_out_top(&out, "time",
		   sf_cell_text(event_time(event, buf, sizeof(buf))));
	sf_out_top(&out, "pid", sf_cell_count((uint64_t)event->pid));
	sf_out_top(&out, "tid", sf_cell_count((uint64_t)event->tid));
	sf_out_top(&out, "command", sf_cell_text(event->command));
	sf_out_top(&out, "call", sf_cell_text(event->call));
	sf_out_top(&out, "error",
		   sf_cell_text(sf_errno_name(event->err, name, sizeof(name))));
	sf_out_top(&out, "address", sf_cell_addr(event->addr));
	sf_out_top(&out, "size",
		   event->len > 0 ? sf_cell_size(event->len) : sf_cell_none());
	sf_out_top(&out, "mappings", sf_cell_count(event->mappings));
	sf_out_top(&out, "limit", sf_cell_count(event->limit));
	sf_out_top(&out, "leaked_size",
		   event->is_release ? sf_cell_size(event->leaked) :
				       sf_cell_none());
	sf_out_top(&out, "leaked_at_most", sf_cell_bool(event->leaked_at_most));
	sf_out_top(&out, "where", where_cell(event->where));
	sf_out_top(&out, "stack",
		   event->where != NULL ?
			   sf_cell_text(
				   sf_where_join(event->where, " < ", stack)) :
			   sf_cell_none());
	sf_out_top(&out, "stack_alike", sf_cell_bool(event->where_alike));
	return sf_out_close_line(&out);
}

void sf_trace_report_add(struct sf_trace_report *report,
			 const struct sf_trace_event *event)
{
	report->made += event->made;
	if (event->err != 0) {
		report->refused += event->times;
		report->leaked += event->leaked;
		report->leaked_at_most |= event->leaked_at_most;
	}
	if (report->live && event->summed) {
		report->unshown += event->times;
		return;
	}
	if (!report->live) {
		if (sf_trace_groups_add(&report->groups, event) != 0)
			report->failed = true;
		return;
	}
	/* Nobody reads it any more: that is said in the end. */
	if (ferror(stdout))
		return;
	if (!report->json)
		event_text(report, event);
	else if (event_json(event) != 0)
		report->failed = true;
}

/*
 * Sums
 */

static const struct sf_column refused_columns[] = {
	{ "call", "call" }, { "error", "error" },	 { "times", "times" },
	{ "size", "size" }, { "leaked_size", "leaked" }, { "where", "from" },
	{ "stack", "" },
};

static const struct sf_column split_columns[] = {
	{ "mappings", "mappings" }, { "share", "share" }, { "times", "calls" },
	{ "call", "call" },	    { "where", "from" },  { "stack", "" },
};

/* The texts that the cells of a row point to. */
struct texts {
	char error[24];
	char stack[SF_WHERE_STACK_LEN];
};

static void refused_row(struct sf_cell *cell, struct texts *texts,
			const struct sf_trace_group *group)
{
	const char *error = sf_errno_name(group->err, texts->error,
					  sizeof(texts->error));

	*cell++ = sf_cell_text(group->call);
	*cell++ = sf_cell_text(error);
	*cell++ = sf_cell_count(group->times);
	*cell++ = group->len > 0 ? sf_cell_size(group->len) : sf_cell_none();
	*cell++ = sf_cell_mark(sf_cell_size(group->leaked), group->leaked > 0);
	*cell = where_cell(&group->where);
}

static void split_row(struct sf_cell *cell, const struct sf_trace_group *group,
		      uint64_t made)
{
	*cell++ = sf_cell_count(group->made);
	*cell++ = sf_cell_share(made > 0 ? (double)group->made / (double)made :
					   0);
	*cell++ = sf_cell_count(group->times);
	*cell++ = sf_cell_text(group->call);
	*cell = where_cell(&group->where);
}

/* Whether a group belongs into the table of splits, or of refused calls. */
static bool belongs(const struct sf_trace_group *group, bool splits)
{
	return (group->err == 0) == splits;
}

/* In text the stacks stand below the table. */
static void print_stacks(const struct sf_out *out,
			 const struct sf_trace_report *report, bool splits)
{
	size_t shown = 0;
	char title[96];

	for (size_t i = 0; i < report->groups.nr && shown < STACKS_SHOWN; i++) {
		const struct sf_trace_group *group = &report->groups.group[i];

		if (!belongs(group, splits))
			continue;
		shown++;
		if (splits)
			snprintf(title, sizeof(title),
				 "Stack of %s, %" PRIu64 " mappings",
				 group->call, group->made);
		else
			snprintf(title, sizeof(title),
				 "Stack of %s, %" PRIu64 " time%s", group->call,
				 group->times, group->times == 1 ? "" : "s");
		sf_out_heading(out, title);
		for (size_t k = 0; k < group->where.nr; k++) {
			printf("  ");
			sf_out_text(group->where.frame[k]);
			putchar('\n');
		}
	}
}

static int print_table(struct sf_out *out, const struct sf_trace_report *report,
		       bool splits)
{
	size_t nr_columns = splits ? 5 : 6;
	size_t nr = report->groups.nr;
	struct sf_table table = { .key = splits ? "splits" : "refused_calls",
				  .columns = splits ? split_columns :
						      refused_columns };
	struct sf_cell *cells;
	struct texts *texts;

	nr_columns += out->root != NULL;
	cells = calloc(nr * nr_columns + 1, sizeof(*cells));
	texts = calloc(nr + 1, sizeof(*texts));
	table.nr_columns = nr_columns;
	table.cells = cells;
	for (size_t i = 0; cells != NULL && texts != NULL && i < nr; i++) {
		const struct sf_trace_group *group = &report->groups.group[i];
		struct sf_cell *row = cells + table.nr_rows * nr_columns;

		if (!belongs(group, splits))
			continue;
		table.nr_rows++;
		if (splits)
			split_row(row, group, report->made);
		else
			refused_row(row, &texts[i], group);
		if (out->root != NULL)
			row[nr_columns - 1] = sf_cell_text(
				sf_where_join(&group->where, " < ",
					      texts[i].stack));
	}
	if (table.nr_rows > 0)
		sf_out_heading(out, splits ? "Calls that made mappings" :
					     "Refused calls");
	if (cells != NULL && texts != NULL &&
	    (table.nr_rows > 0 || out->root != NULL))
		sf_out_table(out, &table);
	if (out->root == NULL)
		print_stacks(out, report, splits);
	free(texts);
	free(cells);
	return cells != NULL && texts != NULL ? 0 : -ENOMEM;
}

static void print_sums(struct sf_out *out, const struct sf_trace_report *report,
		       const struct sf_trace_plan *plan,
		       const struct sf_trace_result *result)
{
	uint64_t lost = report->unshown + result->lost;
	char end[32];

	sf_out_section(out, "trace", "traced %s",
		       plan->path != NULL ? plan->words[0] :
		       plan->pid != 0	  ? "a process" :
					    "all processes");
	if (result->has_end)
		sf_child_end_text(&result->end, end, sizeof(end));
	if (result->timed_out)
		snprintf(end, sizeof(end), "not in time");
	if (result->has_end || out->root != NULL)
		sf_out_value(out, "ended", "ended",
			     sf_cell_text(result->has_end ? end : NULL));
	sf_out_value(out, "source", "seen by", sf_cell_text(result->source));
	sf_out_value(out, "refused", "refused calls",
		     sf_cell_mark(sf_cell_count(report->refused),
				  report->refused > 0));
	sf_out_value(out, "leaked_size",
		     report->leaked_at_most ? "leaked at most" : "leaked",
		     sf_cell_mark(sf_cell_size(report->leaked),
				  report->leaked > 0));
	if (out->root != NULL)
		sf_out_value(out, "leaked_at_most", "",
			     sf_cell_bool(report->leaked_at_most));
	sf_out_value(out, "far_from_limit", "ENOMEM far from the limit",
		     sf_cell_count(result->far));
	if (report->splits)
		sf_out_value(out, "mappings_made", "mappings made",
			     sf_cell_count(report->made));
	sf_out_value(out, "lost", "not shown singly",
		     sf_cell_mark(sf_cell_count(lost), lost > 0));
}

int sf_trace_report_close(struct sf_trace_report *report,
			  const struct sf_trace_plan *plan,
			  const struct sf_trace_result *result)
{
	struct sf_out out;
	int err = report->failed ? -ENOMEM : 0;

	sf_trace_groups_sort(&report->groups);
	sf_out_open(&out, report->json);
	if (report->live && !report->json && report->refused > 0)
		putchar('\n');
	print_sums(&out, report, plan, result);
	if (err == 0 && report->splits)
		err = print_table(&out, report, true);
	if (err == 0 && !report->live)
		err = print_table(&out, report, false);
	sf_out_top(&out, "version", sf_cell_text(surefree_version()));
	sf_out_top(&out, "finding", sf_cell_bool(report->refused > 0));
	if (report->live)
		err |= sf_out_close_line(&out);
	else
		err |= sf_out_close(&out);
	sf_trace_groups_free(&report->groups);
	return err != 0 ? -ENOMEM : 0;
}
