// SPDX-License-Identifier: MIT
/*
 * surefree top on a terminal: one thread that draws, waits for a key until the
 * next snapshot is due, and obeys.
 *
 * Signals only set a flag; the loop sees it, gives the terminal back and lets
 * the signal do what it does.
 */
#include "top_screen.h"

#include <curses.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "cmd.h"
#include "top_view.h"

#define ESCAPE_MS 25 /* until an escape is no longer the start of a key */
#define WAIT_MS	  500
#define MS	  1000000 /* nanoseconds */

static volatile sig_atomic_t ended_by;

static void note_signal(int signal)
{
	ended_by = signal;
}

/*
 * Milliseconds to wait for a key, at most until the next snapshot. Not for
 * long: a signal that comes just before getch() does not interrupt it.
 */
static int wait_ms(const struct sf_view *view)
{
	uint64_t now = sf_top_now();
	uint64_t ms = now < view->next ? (view->next - now) / MS + 1 : 0;

	return view->paused || ms > WAIT_MS ? WAIT_MS : (int)ms;
}

/* Show until the user leaves or a signal comes. 0 or -errno. */
static int loop(struct sf_view *view)
{
	int err = 0;

	while (!view->done && ended_by == 0 && err == 0) {
		int key;

		if (!view->paused && sf_top_now() >= view->next) {
			err = sf_top_update(view->top);
			view->next = sf_top_now() +
				     (uint64_t)view->top->delay * 1000 * MS;
		}
		sf_view_draw(view);
		timeout(wait_ms(view));
		key = getch();
		if (key != ERR && key != KEY_RESIZE)
			sf_view_obey(view, key);
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
	init_pair(SF_PAIR_ALARM, COLOR_RED, -1);
	init_pair(SF_PAIR_WARN, COLOR_YELLOW, -1);
}

int sf_top_screen(struct sf_top *top, const char *name)
{
	struct sf_view view = { .top = top };
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
