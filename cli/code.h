/* SPDX-License-Identifier: MIT */
/*
 * What code a program and its children have mapped, as the kernel tells it when
 * they map it (perf events): known also of those that lived for so short a time
 * that nobody has read their /proc/PID/maps. They are not held up by it.
 *
 * Kept are the last 8,192 mappings of code, executions and forks of all of them
 * together. Not for several threads at once.
 */
#ifndef SF_CLI_CODE_H
#define SF_CLI_CODE_H

#include <sys/types.h>

struct sf_code;

/*
 * Of pid, and of children that it starts from now on. Needs CAP_PERFMON, or the
 * kernel's leave. 0 and *out, to be closed, or -errno.
 */
int sf_code_open(struct sf_code **out, pid_t pid);
void sf_code_close(struct sf_code *code);

/* Take over what was told; to be called before there is too much of it. */
void sf_code_read(struct sf_code *code);

/*
 * What a process had mapped when it ended, or has now, as /proc/PID/maps has
 * it: code alone, and what lies below it of the same file. To be freed; NULL:
 * nothing is known.
 */
char *sf_code_maps(struct sf_code *code, pid_t pid);

#endif
