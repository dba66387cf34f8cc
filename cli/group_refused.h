/* SPDX-License-Identifier: MIT */
/*
 * The calls that were refused to the processes of each group, between group.c
 * and group_refused.c. BPF counts by process; a process may have ended before
 * the snapshot that tells of its calls.
 */
#ifndef SF_CLI_GROUP_REFUSED_H
#define SF_CLI_GROUP_REFUSED_H

#include "group.h"

/* The name of the group of such a process. */
const char *sf_group_name(const struct sf_groups *groups, const char *command,
			  const char *cgroup);

/* The group with this name; NULL: it has no place. */
struct sf_group *sf_group_find(struct sf_groups *groups, const char *name);

/*
 * The same, with a place made for it where one is free; "other" where none is.
 * NULL: no memory.
 */
struct sf_group *sf_group_add(struct sf_groups *groups, const char *name);

/* Take over the members of this snapshot, in any order. */
void sf_group_set_members(struct sf_groups *groups,
			  struct sf_group_member *member, size_t nr);

/* Add what was refused since the last snapshot. 0 or -errno. */
int sf_group_count_refused(struct sf_groups *groups, struct sf_processes *all);

bool sf_group_was_refused(const struct sf_group *group);

#endif
