/* SPDX-License-Identifier: MIT */
/* What a mode says of an error before the program ends. */
#ifndef SAID_H
#define SAID_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Run misuse() in a child and check that this signal ends it, with lines on
 * stderr that contain all of the words, of which NULL is the last.
 */
void said(void (*misuse)(void), int signal_number, ...)
	__attribute__((sentinel));

/* A block whose every byte is 1; ends the process when there is none. */
char *said_block(size_t size);

/* test_has_guard(), asked in a child: it replaces the handler of faults. */
bool said_has_guard(void);

#endif
