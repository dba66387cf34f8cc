/* SPDX-License-Identifier: MIT */
/*
 * Runs an experiment in a child and counts the munmap() calls that it and its
 * threads make, without privileges and whatever library makes them: a seccomp
 * filter stops the child at munmap() only, and ptrace tells how it ended.
 */
#ifndef SF_CLI_MUNMAP_COUNT_H
#define SF_CLI_MUNMAP_COUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "child.h"

struct sf_munmap_count {
	bool counted;
	char why_not[80]; /* when not counted, one phrase */
	size_t nr;
	size_t nr_failed;
};

/*
 * As sf_child_run(). Calls are counted while *armed is true; it lies in shared
 * memory. Where ptrace or seccomp is refused the work is done all the same,
 * and count->counted is false.
 */
int sf_munmap_count_run(void (*work)(void *), void *arg,
			const atomic_bool *armed, struct sf_munmap_count *count,
			struct sf_child_end *end);

#endif
