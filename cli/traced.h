/* SPDX-License-Identifier: MIT */
/*
 * What squeeze and trace share: a program that they run and trace, and a report
 * that does not go where its output goes.
 */
#ifndef SF_CLI_TRACED_H
#define SF_CLI_TRACED_H

#include <stdbool.h>

#include "cmd.h"

/*
 * Where the report goes: a new file at path, or, when that is NULL, standard
 * error. -1 after a message.
 */
int sf_traced_open_report(const struct sf_args *args, const char *path);

/*
 * Whether processes that we start or watch are found in /proc by their numbers;
 * false after a message: /proc is that of another pid namespace.
 */
bool sf_traced_has_proc(const struct sf_args *args);

/* Say why the program of args could not be run. Returns enum sf_exit. */
int sf_traced_cannot_run(const struct sf_args *args, int err);

#endif
