// SPDX-License-Identifier: MIT
/*
 * surefree top on a terminal: one thread that draws, waits for a key until the
 * next snapshot is due, and obeys. What is drawn is made by top_text.c.
 *
 * Signals only set a flag; the loop sees it, gives the terminal back and lets
 * the signal do what it does.
 */
#include "top_screen.h"

#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "cmd.h"
#include "top_text.h"

#define KEY_ESCAPE    27
#define ESCAPE_MS     25 /* until an escape is no longer the start of a key */
#define HEAD_LINES    3	 /* head, note, titles */
#define FOOT_LINES    1
#define ALARM_PERCENT 95
#define WARN_PERCENT  80
#define MS	      1000000 /* nanoseconds */

#define LIST_FOOT                                    \
	"q leave  ? help  Enter details  / filter  " \
	"sort: m g t f r p u c  R reverse"

enum mode { LIST, DETAILS, HELP, FILTER };
enum { PAIR_ALARM = 1, PAIR_WARN };

struct view {
	struct sf_top *top;
	enum mode mode;
	bool paused;
	bool done;
	size_t cursor, first; /* rows: the chosen one, the highest on screen */
	pid_t followed;	      /* the cursor stays on it; 0: on its row */
	/* The process whose details are shown. */
	pid_t pid;
	uint64_t start;
	uint64_t next; /* when the next snapshot is due */
};

static volatile sig_atomic_t ended_by;

static void note_signal(int signal)
{
	ended_by = signal;
}

/*
 * Drawing
 */

static void draw_line(int y, const char *text, chtype attribute)
{
	move(y, 0);
	clrtoeol();
	attron(attribute);
	addnstr(text, COLS);
	attroff(attribute);
}

static size_t list_lines(void)
{
	int lines = LINES - HEAD_LINES - FOOT_LINES;

	return lines > 0 ? (size_t)lines : 0;
}

/* Put the cursor on a row that there is, and that row on the screen. */
static void place_cursor(struct view *view)
{
	size_t nr = view->top->nr, lines = list_lines();

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

static chtype attribute_of(const struct view *view, size_t i)
{
	double share = sf_select_share(&view->top->all, view->top->row[i].p);
	chtype attribute = i == view->cursor ? A_REVERSE : A_NORMAL;

	if (share >= ALARM_PERCENT / 100.0)
		attribute |= COLOR_PAIR(PAIR_ALARM) | A_BOLD;
	else if (share >= WARN_PERCENT / 100.0)
		attribute |= COLOR_PAIR(PAIR_WARN) | A_BOLD;
	return attribute;
}

static void draw_list(struct view *view)
{
	size_t lines = list_lines();
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

static void draw_details(struct view *view)
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

static void draw_foot(const struct view *view)
{
	static const char *const feet[] = {
		[LIST] = LIST_FOOT,
		[DETAILS] = "Esc back to the list  q leave",
		[HELP] = "Esc back to the list  q leave",
		[FILTER] = "Enter keep the filter  Esc drop it",
	};

	/* A full last line would scroll. */
	move(LINES - 1, 0);
	clrtoeol();
	addnstr(feet[view->mode], COLS > 0 ? COLS - 1 : 0);
}

static void draw(struct view *view)
{
	sf_top_line line;

	erase();
	sf_top_text_head(view->top, (size_t)COLS, line);
	draw_line(0, line, A_BOLD);
	sf_top_text_note(view->top, (size_t)COLS, line);
	if (view->mode == FILTER)
		snprintf(line, sizeof(line), "filter: %s_", view->top->filter);
	else if (view->paused)
		snprintf(line, sizeof(line), "stopped; space goes on");
	draw_line(1, line, A_NORMAL);
	if (view->mode == DETAILS)
		draw_details(view);
	else if (view->mode == HELP)
		draw_help();
	else
		draw_list(view);
	draw_foot(view);
	refresh();
}

/*
 * Keys
 */

static void move_cursor(struct view *view, long by)
{
	long cursor = (long)view->cursor + by;

	if (cursor >= (long)view->top->nr)
		cursor = (long)view->top->nr - 1;
	view->cursor = cursor > 0 ? (size_t)cursor : 0;
	/* At the head one sees who is first, whoever that is. */
	view->followed = view->cursor > 0 ?
				 view->top->row[view->cursor].p->pid :
				 0;
}

static void set_sort(struct view *view, int key)
{
	for (size_t i = 0; i < SF_TOP_SORT_NR; i++) {
		if (sf_top_sorts[i].key != key)
			continue;
		view->top->sort = (enum sf_top_sort)i;
		view->followed = 0;
		view->cursor = 0;
		sf_top_arrange(view->top);
	}
}

static void show_details(struct view *view)
{
	if (view->cursor >= view->top->nr)
		return;
	view->pid = view->top->row[view->cursor].p->pid;
	view->start = view->top->row[view->cursor].p->start;
	view->mode = DETAILS;
}

static void change_filter(struct view *view, int key)
{
	char *filter = view->top->filter;
	size_t len = strlen(filter);

	if (key == KEY_ESCAPE)
		filter[0] = '\0';
	if (key == KEY_ESCAPE || key == '\n' || key == KEY_ENTER)
		view->mode = LIST;
	else if (key == KEY_BACKSPACE || key == 127 || key == '\b')
		filter[len > 0 ? len - 1 : 0] = '\0';
	else if (key >= ' ' && key <= '~' && len + 1 < SF_TOP_FILTER_LEN)
		memcpy(filter + len, (char[]){ (char)key, '\0' }, 2);
	sf_top_arrange(view->top);
}

static void change_delay(struct view *view, int key)
{
	if (key == '+' && view->top->delay < 60)
		view->top->delay++;
	if (key == '-' && view->top->delay > 1)
		view->top->delay--;
	view->next = sf_top_now();
}

static void obey_in_list(struct view *view, int key)
{
	switch (key) {
	case KEY_UP:
	case 'k':
		move_cursor(view, -1);
		break;
	case KEY_DOWN:
	case 'j':
		move_cursor(view, 1);
		break;
	case KEY_PPAGE:
		move_cursor(view, -(long)list_lines());
		break;
	case KEY_NPAGE:
		move_cursor(view, (long)list_lines());
		break;
	case KEY_HOME:
		move_cursor(view, -(long)view->top->nr);
		break;
	case KEY_END:
		move_cursor(view, (long)view->top->nr);
		break;
	case '\n':
	case KEY_ENTER:
		show_details(view);
		break;
	case '/':
		view->mode = FILTER;
		break;
	case 'R':
		view->top->reverse = !view->top->reverse;
		sf_top_arrange(view->top);
		break;
	default:
		set_sort(view, key);
	}
}

static void obey(struct view *view, int key)
{
	if (view->mode == FILTER) {
		change_filter(view, key);
		return;
	}
	switch (key) {
	case 'q':
		view->done = true;
		break;
	case '?':
	case 'h':
		view->mode = HELP;
		break;
	case KEY_ESCAPE:
		view->mode = LIST;
		break;
	case ' ':
		view->paused = !view->paused;
		break;
	case '+':
	case '-':
		change_delay(view, key);
		break;
	default:
		if (view->mode == LIST)
			obey_in_list(view, key);
	}
}

/*
 * The loop
 */

/* Milliseconds until the next snapshot. */
static int wait_ms(const struct view *view)
{
	uint64_t now = sf_top_now();

	if (view->paused)
		return -1;
	return now < view->next ? (int)((view->next - now) / MS) + 1 : 0;
}

/* Show until the user leaves or a signal comes. 0 or -errno. */
static int loop(struct view *view)
{
	int err = 0;

	while (!view->done && ended_by == 0 && err == 0) {
		int key;

		if (!view->paused && sf_top_now() >= view->next) {
			err = sf_top_update(view->top);
			view->next = sf_top_now() +
				     (uint64_t)view->top->delay * 1000 * MS;
		}
		draw(view);
		timeout(wait_ms(view));
		key = getch();
		if (key != ERR && key != KEY_RESIZE)
			obey(view, key);
	}
	return err;
}

static void set_signals(void (*handler)(int))
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	/* Not restarted: getch() is to return. */
	struct sigaction action = { .sa_handler = handler };

	for (size_t i = 0; i < SF_NR(signals); i++)
		sigaction(signals[i], &action, NULL);
}

static void set_up_terminal(void)
{
	const char *no_color = getenv("NO_COLOR");

	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	curs_set(0);
	if ((no_color != NULL && no_color[0] != '\0') || !has_colors())
		return;
	start_color();
	use_default_colors();
	init_pair(PAIR_ALARM, COLOR_RED, -1);
	init_pair(PAIR_WARN, COLOR_YELLOW, -1);
}

int sf_top_screen(struct sf_top *top, const char *name)
{
	struct view view = { .top = top };
	SCREEN *screen;
	int err;

	setlocale(LC_CTYPE, "");
	view.next = sf_top_now() + (uint64_t)top->delay * 1000 * MS;
	screen = newterm(NULL, stdout, stdin);
	if (screen == NULL) {
		sf_cmd_say(name, "this terminal (TERM) is not known; --once "
				 "does without");
		return SF_EXIT_CANNOT;
	}
	set_signals(note_signal);
	set_up_terminal();
	err = loop(&view);
	endwin();
	delscreen(screen);
	set_signals(SIG_DFL);
	if (ended_by != 0)
		raise(ended_by);
	return err != 0 ? sf_select_cannot(name, &top->all, err) : SF_EXIT_FINE;
}
