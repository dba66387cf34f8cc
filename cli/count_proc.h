/* SPDX-License-Identifier: MIT */
/*
 * Counting by reading /proc, see process.h. Never reads more of a process's
 * maps than a few dozen lines at a time, and rests nine times as long as it
 * read, so that whoever wants the same lock gets it.
 */
#ifndef SF_CLI_COUNT_PROC_H
#define SF_CLI_COUNT_PROC_H

#include <stddef.h>

#include "process.h"

/* Whether a process passes the filter. */
bool sf_process_passes(const struct sf_process_filter *filter, pid_t pid,
		       uid_t uid);

/*
 * Have take(arg, process) called for each process that passes, without user
 * and cgroup, and in *nr_unreadable how many may not be read. 0, or -errno
 * when /proc itself cannot be read, or what take() returned if that was not 0.
 */
int sf_count_proc_read(const struct sf_process_filter *filter,
		       int (*take)(void *arg, const struct sf_process *p),
		       void *arg, size_t *nr_unreadable);

/*
 * A thread of a process, not its first: that tells no memory when it has ended
 * before the others. 0: there is none.
 */
pid_t sf_process_other_thread(pid_t pid);

/* The name of a thread, with whatever bytes it has; "": there is none. */
void sf_process_read_name(pid_t tid, char *to, size_t to_len);

/* Copy a name, with '?' for what is not printable ASCII. */
void sf_process_copy_name(char *to, size_t to_len, const char *from);

#endif
