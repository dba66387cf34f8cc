/* SPDX-License-Identifier: MIT */
/*
 * What surefree top shows, without the showing: snapshots with rates, filtered
 * and sorted. top_text.c makes lines of it, top_screen.c puts them on a
 * terminal and obeys keys.
 */
#ifndef SF_CLI_TOP_H
#define SF_CLI_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process.h"
#include "rate.h"
#include "select.h"

#define SF_TOP_FILTER_LEN 32

/* Orders; those that end first, or use most, come first. */
enum sf_top_sort {
	SF_TOP_MAPPINGS,
	SF_TOP_GROWTH,
	SF_TOP_TIME,
	SF_TOP_REFUSED,
	SF_TOP_RSS,
	SF_TOP_PID,
	SF_TOP_USER,
	SF_TOP_COMMAND,
	SF_TOP_SORT_NR,
};

struct sf_top_sort_info {
	const char *name;
	char key; /* on the keyboard */
};

/* By enum sf_top_sort. */
extern const struct sf_top_sort_info sf_top_sorts[SF_TOP_SORT_NR];

struct sf_top_row {
	const struct sf_process *p; /* in all, until the next update */
	struct sf_rate rate;
	double seconds_left; /* negative: not at this rate */
	uint64_t refused;    /* calls, since top was started */
};

struct sf_top {
	/* Set by the user. */
	struct sf_select select;
	enum sf_top_sort sort;
	bool reverse;
	char filter[SF_TOP_FILTER_LEN]; /* "" : none */
	unsigned delay;			/* seconds between two snapshots */
	/* What was found. */
	struct sf_processes all; /* sorted by pid */
	struct sf_rates rates;
	struct sf_top_row *row; /* of all */
	size_t nr;		/* that pass the filter, at the front */
	size_t room;
};

/* Nanoseconds of a clock that only goes on. */
uint64_t sf_top_now(void);

/* Take a snapshot and arrange it. top->all is open. 0 or -errno. */
int sf_top_update(struct sf_top *top);

/* Filter and sort again, after the user has changed something. */
void sf_top_arrange(struct sf_top *top);

void sf_top_close(struct sf_top *top);

#endif
