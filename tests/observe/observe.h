/* SPDX-License-Identifier: MIT */
/*
 * For tests of what the drop-in tells: its calls, found at run time as the
 * program is not linked with it, and cases that run in a process of their own,
 * with options, whose words are read.
 */
#ifndef OBSERVE_H
#define OBSERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <surefree.h>

struct observe_case {
	const char *name;
	void (*fn)(void);
};

/*
 * Run the case that the arguments name, and exit; returns when they name none.
 * Call it first thing in main().
 */
void observe_cases(int argc, char **argv, const struct observe_case *cases,
		   size_t nr);

/*
 * Run a case in a process of its own with SUREFREE_OPTIONS set to options. What
 * it writes to stderr goes to text, up to len - 1 bytes. Checks that it exits
 * with 0, and returns that.
 */
bool observe_run(const char *options, const char *name, char *text, size_t len);

/* The drop-in's calls. */
int observe_stats(struct surefree_stats *out);
size_t observe_classes(struct surefree_class_stats *out, size_t nr);
int observe_set(const char *option, const char *value);

#endif
