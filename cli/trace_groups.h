/* SPDX-License-Identifier: MIT */
/* Sums of events by call, error and stack. */
#ifndef SF_CLI_TRACE_GROUPS_H
#define SF_CLI_TRACE_GROUPS_H

#include "trace.h"

struct sf_trace_group {
	const char *call;
	int err; /* 0: calls that made mappings */
	uint64_t times;
	uint64_t len;	 /* bytes asked for, of those refused */
	uint64_t leaked; /* bytes, of refused releases */
	uint64_t made;	 /* mappings */
	uint64_t hash;
	struct sf_where where; /* without frames: not known */
};

struct sf_trace_groups {
	struct sf_trace_group *group;
	size_t nr;
	size_t space;
};

/* 0 or -ENOMEM. The last group takes what there is no room for. */
int sf_trace_groups_add(struct sf_trace_groups *groups,
			const struct sf_trace_event *event);

/* Those that made most first, then those refused most often. */
void sf_trace_groups_sort(struct sf_trace_groups *groups);

void sf_trace_groups_free(struct sf_trace_groups *groups);

#endif
