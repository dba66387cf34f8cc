/* SPDX-License-Identifier: MIT */
/*
 * Processes by group, for surefree export: by command, by cgroup, or by what
 * regular expressions say. Names are few however many there are: when more
 * groups come than have room, those with the largest processes have it, and the
 * rest is one group, "other".
 *
 * A group keeps its place while it has processes and nobody needs it twice as
 * much, so that who is named does not change with every snapshot. One whose
 * calls were refused keeps it longer: what was counted is told after the
 * process has ended. When it goes its count goes too, as what it is, a count of
 * that name: in "other" it would look as if calls were refused now.
 */
#ifndef SF_CLI_GROUP_H
#define SF_CLI_GROUP_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "process.h"

enum sf_group_by {
	SF_GROUP_COMM,
	SF_GROUP_CGROUP,
	SF_GROUP_REGEX,
};

/* Errors of refused calls: ENOMEM, EAGAIN. */
#define SF_GROUP_ERRORS 2

struct sf_group {
	char *name;  /* printable ASCII */
	uint64_t id; /* of those that had this place, each has its own */
	size_t nr;   /* processes */
	size_t mappings, rss_len, tables_len; /* of them all */
	size_t largest;			      /* mappings of one */
	uint64_t refused[SF_CALL_NR][SF_GROUP_ERRORS];
	bool is_untold; /* some of these are of this snapshot */
};

struct sf_group_rule {
	char *name;
	regex_t regex;
};

/* Where the group of a process is found after it has ended. */
struct sf_group_member {
	uint64_t start;
	uint64_t id;
};

/* Calls of a process that are counted already; sorted by start. */
struct sf_group_seen {
	struct sf_bpf_refusals *at;
	size_t nr, room;
};

struct sf_groups {
	enum sf_group_by by;
	struct sf_group_rule *rule;
	size_t nr_rules;
	struct sf_group *group; /* the first is "other" */
	size_t nr, max;
	size_t nr_folded; /* groups that are in "other" */
	uint64_t next_id;
	struct sf_group_member *member[2]; /* now, before; sorted by start */
	size_t nr_members[2];
	struct sf_group_seen seen, next_seen;
};

/* max: how many beside "other". 0 or -ENOMEM. */
int sf_groups_open(struct sf_groups *groups, enum sf_group_by by, size_t max);
void sf_groups_close(struct sf_groups *groups);

/*
 * Have a group for processes whose command or cgroup matches "NAME=REGEX", an
 * extended regular expression; the first that matches counts. 0, or -errno and
 * in why (of why_len) one phrase.
 */
int sf_groups_add_rule(struct sf_groups *groups, const char *text, char *why,
		       size_t why_len);

/* Group a snapshot, and add what was refused since the last. 0 or -errno. */
int sf_groups_update(struct sf_groups *groups, struct sf_processes *all);

/* Mappings that the largest process of a group has left. */
size_t sf_group_headroom(const struct sf_group *group, size_t limit);

#endif
