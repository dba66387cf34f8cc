// SPDX-License-Identifier: MIT
/* What surefree top puts on the screen; its lines are made by top_text.c. */
#include "top_view.h"

#include <curses.h>
#include <stdio.h>

#include "base/compiler.h"
#include "top_text.h"

#define HEAD_LINES    3 /* head, note, titles */
#define FOOT_LINES    1
#define ALARM_PERCENT 95
#define WARN_PERCENT  80

#define LIST_FOOT                                    \
	"q leave  ? help  Enter details  / filter  " \
	"sort: m g t f r p u c  R reverse"

static void draw_line(int y, const char *text, chtype attribute)
{
	move(y, 0);
	clrtoeol();
	attron(attribute);
	addnstr(text, COLS);
	attroff(attribute);
}

size_t sf_view_lines(void)
{
	int lines = LINES - HEAD_LINES - FOOT_LINES;

	return lines > 0 ? (size_t)lines : 0;
}

/* Put the cursor on a row that there is, and that row on the screen. */
static void place_cursor(struct sf_view *view)
{
	size_t nr = view->top->nr, lines = sf_view_lines();

	for (size_t i = 0; view->followed != 0 && i < nr; i++) {
		if (view->top->row[i].p->pid == view->followed)
			view->cursor = i;
	}
	if (view->cursor >= nr)
		view->cursor = nr > 0 ? nr - 1 : 0;
	if (view->cursor < view->first)
		view->first = view->cursor;
	if (lines > 0 && view->cursor >= view->first + lines)
		view->first = view->cursor - lines + 1;
	if (view->first + lines > nr)
		view->first = nr > lines ? nr - lines : 0;
}

static chtype attribute_of(const struct sf_view *view, size_t i)
{
	double share = sf_select_share(&view->top->all, view->top->row[i].p);
	chtype attribute = i == view->cursor ? A_REVERSE : A_NORMAL;

	if (share >= ALARM_PERCENT / 100.0)
		attribute |= COLOR_PAIR(SF_PAIR_ALARM) | A_BOLD;
	else if (share >= WARN_PERCENT / 100.0)
		attribute |= COLOR_PAIR(SF_PAIR_WARN) | A_BOLD;
	return attribute;
}

static void draw_list(struct sf_view *view)
{
	size_t lines = sf_view_lines();
	sf_top_line line;

	place_cursor(view);
	sf_top_text_titles((size_t)COLS, line);
	draw_line(2, line, A_UNDERLINE);
	for (size_t i = 0; i < lines; i++) {
		size_t row = view->first + i;

		line[0] = '\0';
		if (row < view->top->nr)
			sf_top_text_row(view->top, &view->top->row[row],
					(size_t)COLS, line);
		draw_line(HEAD_LINES + (int)i, line,
			  row < view->top->nr ? attribute_of(view, row) :
						A_NORMAL);
	}
}

static void draw_details(struct sf_view *view)
{
	sf_top_line lines[SF_TOP_DETAILS];
	const struct sf_top *top = view->top;
	size_t i = 0, nr;

	/* Also when the filter hides it. */
	while (i < top->all.nr && (top->row[i].p->pid != view->pid ||
				   top->row[i].p->start != view->start))
		i++;
	if (i == top->all.nr) {
		sf_top_line line;

		snprintf(line, sizeof(line), "process %d has ended",
			 (int)view->pid);
		draw_line(HEAD_LINES, line, A_BOLD);
		return;
	}
	nr = sf_top_text_details(top, &top->row[i], (size_t)COLS, lines);
	for (i = 0; i < nr; i++)
		draw_line(HEAD_LINES + (int)i, lines[i], A_NORMAL);
}

static void draw_help(void)
{
	static const char *const lines[] = {
		"q          leave              Up Down    choose a process",
		"? h        this page          PgUp PgDn  a page on",
		"Enter      its details        Home End   the first, the last",
		"Esc        back to the list   space      stop, or go on",
		"/          filter by text: command, user, cgroup, or a number",
		"+ -        longer or shorter between two snapshots",
		"",
		"sort by    m mappings  g growth   t time left  f refused calls",
		"           r resident  p pid      u user       c command",
		"R          the other way round",
		"",
		"/MIN       mappings more a minute, over the last minute",
		"LEFT       until the limit is reached, at that rate",
		"REFUSED    memory calls that failed since top was started",
	};

	for (size_t i = 0; i < SF_NR(lines); i++)
		draw_line(HEAD_LINES + (int)i, lines[i], A_NORMAL);
}

static void draw_foot(const struct sf_view *view)
{
	static const char *const feet[] = {
		[SF_VIEW_LIST] = LIST_FOOT,
		[SF_VIEW_DETAILS] = "Esc back to the list  q leave",
		[SF_VIEW_HELP] = "Esc back to the list  q leave",
		[SF_VIEW_FILTER] = "Enter keep the filter  Esc drop it",
	};

	/* A full last line would scroll. */
	move(LINES - 1, 0);
	clrtoeol();
	addnstr(feet[view->mode], COLS > 0 ? COLS - 1 : 0);
}

void sf_view_draw(struct sf_view *view)
{
	sf_top_line line;

	erase();
	sf_top_text_head(view->top, (size_t)COLS, line);
	draw_line(0, line, A_BOLD);
	sf_top_text_note(view->top, (size_t)COLS, line);
	if (view->mode == SF_VIEW_FILTER)
		snprintf(line, sizeof(line), "filter: %s_", view->top->filter);
	else if (view->paused)
		snprintf(line, sizeof(line), "stopped; space goes on");
	draw_line(1, line, A_NORMAL);
	if (view->mode == SF_VIEW_DETAILS)
		draw_details(view);
	else if (view->mode == SF_VIEW_HELP)
		draw_help();
	else
		draw_list(view);
	draw_foot(view);
	refresh();
}
