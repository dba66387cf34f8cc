/* SPDX-License-Identifier: MIT */
/* Which processes ps and top show, and in which order. */
#ifndef SF_CLI_SELECT_H
#define SF_CLI_SELECT_H

#include <stdbool.h>
#include <stddef.h>

#include "process.h"

#define SF_SELECT_MAX 64 /* processes, or users, named on a command line */

/* What a command line selects; filter points into it. */
struct sf_select {
	pid_t pids[SF_SELECT_MAX];
	uid_t uids[SF_SELECT_MAX];
	struct sf_process_filter filter;
};

/*
 * Parse "12,345" and "root,1000" (NULL: all) for the command that name names.
 * 0, or -EINVAL after a message.
 */
int sf_select_parse(struct sf_select *select, const char *name,
		    const char *pids, const char *users);

/* The first process that was named and is not in the snapshot; 0: none. */
pid_t sf_select_absent(const struct sf_select *select,
		       const struct sf_processes *all);

/* "bpf", "proc" or NULL. 0 and *out, or -EINVAL after a message. */
int sf_select_source(const char *name, const char *text,
		     enum sf_process_source *out);

/*
 * What to say when the source asked for cannot be had, or /proc not be read.
 * Returns SF_EXIT_CANNOT.
 */
int sf_select_cannot(const char *name, const struct sf_processes *all, int err);

/* Orders: numbers from the largest, texts and pid from the first. */
enum sf_sort {
	SF_SORT_MAPPINGS, /* and so by percent */
	SF_SORT_RSS,
	SF_SORT_TABLES,
	SF_SORT_PID,
	SF_SORT_USER,
	SF_SORT_COMMAND,
	SF_SORT_CGROUP,
	SF_SORT_NR,
};

/* The names that a user writes, by enum sf_sort. */
extern const char *const sf_sort_names[SF_SORT_NR];

/* As for qsort(); never 0 for two processes. */
int sf_sort_compare(enum sf_sort by, const struct sf_process *a,
		    const struct sf_process *b);

/* mappings / limit. */
double sf_select_share(const struct sf_processes *all,
		       const struct sf_process *p);

/* Mappings that are left; 0 when it is over the limit. */
size_t sf_select_headroom(const struct sf_processes *all,
			  const struct sf_process *p);

#endif
