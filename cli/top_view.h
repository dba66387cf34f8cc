/* SPDX-License-Identifier: MIT */
/*
 * The state of surefree top's screen: top_draw.c draws it, top_keys.c changes
 * it, top_screen.c has the loop.
 */
#ifndef SF_CLI_TOP_VIEW_H
#define SF_CLI_TOP_VIEW_H

#include "top.h"

enum sf_view_mode {
	SF_VIEW_LIST,
	SF_VIEW_DETAILS,
	SF_VIEW_HELP,
	SF_VIEW_FILTER, /* the list, while a filter is typed */
};

/* Pairs of colours. */
enum { SF_PAIR_ALARM = 1, SF_PAIR_WARN };

struct sf_view {
	struct sf_top *top;
	enum sf_view_mode mode;
	bool paused;
	bool done;
	size_t cursor, first; /* rows: the chosen one, the highest on screen */
	pid_t followed;	      /* the cursor stays on it; 0: on its row */
	/* The process whose details are shown. */
	pid_t pid;
	uint64_t start;
	uint64_t next; /* when the next snapshot is due */
};

/* Rows of the list that the screen has room for. */
size_t sf_view_lines(void);

void sf_view_draw(struct sf_view *view);
void sf_view_obey(struct sf_view *view, int key);

#endif
