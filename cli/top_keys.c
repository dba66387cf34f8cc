// SPDX-License-Identifier: MIT
/* What the keys of surefree top do. */
#include "top_view.h"

#include <curses.h>
#include <string.h>

#define KEY_ESCAPE 27

static void move_cursor(struct sf_view *view, long by)
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

static void set_sort(struct sf_view *view, int key)
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

static void show_details(struct sf_view *view)
{
	if (view->cursor >= view->top->nr)
		return;
	view->pid = view->top->row[view->cursor].p->pid;
	view->start = view->top->row[view->cursor].p->start;
	view->mode = SF_VIEW_DETAILS;
}

static void change_filter(struct sf_view *view, int key)
{
	char *filter = view->top->filter;
	size_t len = strlen(filter);

	if (key == KEY_ESCAPE)
		filter[0] = '\0';
	if (key == KEY_ESCAPE || key == '\n' || key == KEY_ENTER)
		view->mode = SF_VIEW_LIST;
	else if (key == KEY_BACKSPACE || key == 127 || key == '\b')
		filter[len > 0 ? len - 1 : 0] = '\0';
	else if (key >= ' ' && key <= '~' && len + 1 < SF_TOP_FILTER_LEN)
		memcpy(filter + len, (char[]){ (char)key, '\0' }, 2);
	sf_top_arrange(view->top);
}

static void change_delay(struct sf_view *view, int key)
{
	if (key == '+' && view->top->delay < 60)
		view->top->delay++;
	if (key == '-' && view->top->delay > 1)
		view->top->delay--;
	view->next = sf_top_now();
}

static void obey_in_list(struct sf_view *view, int key)
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
		move_cursor(view, -(long)sf_view_lines());
		break;
	case KEY_NPAGE:
		move_cursor(view, (long)sf_view_lines());
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
		view->mode = SF_VIEW_FILTER;
		break;
	case 'R':
		view->top->reverse = !view->top->reverse;
		sf_top_arrange(view->top);
		break;
	default:
		set_sort(view, key);
	}
}

void sf_view_obey(struct sf_view *view, int key)
{
	if (view->mode == SF_VIEW_FILTER) {
		change_filter(view, key);
		return;
	}
	switch (key) {
	case 'q':
		view->done = true;
		break;
	case '?':
	case 'h':
		view->mode = SF_VIEW_HELP;
		break;
	case KEY_ESCAPE:
		view->mode = SF_VIEW_LIST;
		break;
	case ' ':
		view->paused = !view->paused;
		break;
	case '+':
	case '-':
		change_delay(view, key);
		break;
	default:
		if (view->mode == SF_VIEW_LIST)
			obey_in_list(view, key);
	}
}
