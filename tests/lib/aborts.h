/* SPDX-License-Identifier: MIT */
/* Misuse: what the library says on stderr before it aborts, to the letter. */
#ifndef TEST_ABORTS_H
#define TEST_ABORTS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Run misuse() in a child and check that SIGABRT ends it, with exactly the one
 * line on stderr that misuse() announced by aborts_say() before.
 */
void aborts(void (*misuse)(void));

/* Announce the line, without its newline (printf style). */
void aborts_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Run fn() in a child; returns what it wrote to stderr, up to len - 1 bytes, as
 * a string in text. The child's end is as for test_in_child().
 */
int aborts_capture(void (*fn)(void), char *text, size_t len);

#endif
