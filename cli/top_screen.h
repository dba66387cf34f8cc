/* SPDX-License-Identifier: MIT */
/*
 * surefree top on a terminal, with ncursesw. Built without it,
 * top_screen_none.c stands in and says so.
 */
#ifndef SF_CLI_TOP_SCREEN_H
#define SF_CLI_TOP_SCREEN_H

#include "top.h"

/*
 * Show, and obey keys, until the user leaves; the first snapshot is taken. A
 * signal that ends the program does so after the terminal is as it was. name is
 * for messages. Returns enum sf_exit.
 */
int sf_top_screen(struct sf_top *top, const char *name);

#endif
