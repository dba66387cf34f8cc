// SPDX-License-Identifier: MIT
/* Snapshots with rates, filtered and sorted, see top.h. */
#include "top.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const struct sf_top_sort_info sf_top_sorts[SF_TOP_SORT_NR] = {
	[SF_TOP_MAPPINGS] = { "mappings", 'm' },
	[SF_TOP_GROWTH] = { "growth", 'g' },
	[SF_TOP_TIME] = { "time", 't' },
	[SF_TOP_REFUSED] = { "refused", 'f' },
	[SF_TOP_RSS] = { "rss", 'r' },
	[SF_TOP_PID] = { "pid", 'p' },
	[SF_TOP_USER] = { "user", 'u' },
	[SF_TOP_COMMAND] = { "command", 'c' },
};

uint64_t sf_top_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Whether the text that a user types is in what is shown of a process. */
static bool passes(const char *filter, const struct sf_process *p)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", (int)p->pid);
	return filter[0] == '\0' || strcmp(pid, filter) == 0 ||
	       strcasestr(p->command, filter) != NULL ||
	       strcasestr(p->user, filter) != NULL ||
	       strcasestr(p->cgroup, filter) != NULL;
}

/* What is not known comes last. */
static int compare_numbers(double a, double b)
{
	return (a < b) - (a > b);
}

static double growth_of(const struct sf_top_row *row)
{
	return row->rate.known ? row->rate.per_minute : -1e18;
}

static double urgency_of(const struct sf_top_row *row)
{
	return row->seconds_left < 0 ? -1e18 : -row->seconds_left;
}

static int compare(const void *x, const void *y, void *arg)
{
	const struct sf_top_row *a = x, *b = y;
	const struct sf_top *top = arg;
	int order = 0;

	switch (top->sort) {
	case SF_TOP_GROWTH:
		order = compare_numbers(growth_of(a), growth_of(b));
		break;
	case SF_TOP_TIME:
		order = compare_numbers(urgency_of(a), urgency_of(b));
		break;
	case SF_TOP_REFUSED:
		order = compare_numbers((double)a->refused, (double)b->refused);
		break;
	case SF_TOP_RSS:
		order = sf_sort_compare(SF_SORT_RSS, a->p, b->p);
		break;
	case SF_TOP_PID:
		order = sf_sort_compare(SF_SORT_PID, a->p, b->p);
		break;
	case SF_TOP_USER:
		order = sf_sort_compare(SF_SORT_USER, a->p, b->p);
		break;
	case SF_TOP_COMMAND:
		order = sf_sort_compare(SF_SORT_COMMAND, a->p, b->p);
		break;
	case SF_TOP_MAPPINGS:
	case SF_TOP_SORT_NR:
		break;
	}
	if (order == 0)
		order = sf_sort_compare(SF_SORT_MAPPINGS, a->p, b->p);
	return top->reverse ? -order : order;
}

void sf_top_arrange(struct sf_top *top)
{
	size_t nr = 0;

	/* Those that do not pass are kept behind: the filter may change. */
	for (size_t i = 0; i < top->all.nr; i++) {
		struct sf_top_row row = top->row[i];

		if (!passes(top->filter, row.p))
			continue;
		top->row[i] = top->row[nr];
		top->row[nr++] = row;
	}
	top->nr = nr;
	if (nr > 1)
		qsort_r(top->row, nr, sizeof(*top->row), compare, top);
}

static int compare_pids(const void *a, const void *b)
{
	return sf_sort_compare(SF_SORT_PID, a, b);
}

/* Have a row for each process. 0 or -ENOMEM. */
static int make_rows(struct sf_top *top)
{
	size_t room = top->all.nr + top->all.nr / 2 + 64;
	struct sf_top_row *row;

	if (top->all.nr <= top->room)
		return 0;
	row = reallocarray(top->row, room, sizeof(*row));
	if (row == NULL)
		return -ENOMEM;
	top->row = row;
	top->room = room;
	return 0;
}

static void fill_rows(struct sf_top *top, const struct sf_rate *rate)
{
	for (size_t i = 0; i < top->all.nr; i++) {
		const struct sf_process *p = &top->all.row[i];

		top->row[i] = (struct sf_top_row){
			.p = p,
			.rate = rate[i],
			.seconds_left = sf_rate_seconds_left(
				&rate[i], sf_select_headroom(&top->all, p)),
			.refused = sf_process_refused(p),
		};
	}
}

int sf_top_update(struct sf_top *top)
{
	int err = sf_processes_read(&top->all, &top->select.filter);
	struct sf_rate *rate;

	/* A snapshot that failed leaves no rows to be shown. */
	top->nr = 0;
	if (err == 0)
		err = make_rows(top);
	if (err != 0)
		return err;
	rate = calloc(top->all.nr + 1, sizeof(*rate));
	if (rate == NULL)
		return -ENOMEM;
	if (top->all.nr > 1)
		qsort(top->all.row, top->all.nr, sizeof(*top->all.row),
		      compare_pids);
	err = sf_rates_note(&top->rates, &top->all, sf_top_now(), rate);
	if (err == 0)
		fill_rows(top, rate);
	free(rate);
	if (err == 0)
		sf_top_arrange(top);
	return err;
}

void sf_top_close(struct sf_top *top)
{
	sf_rates_free(&top->rates);
	free(top->row);
	sf_processes_close(&top->all);
}
