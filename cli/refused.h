/* SPDX-License-Identifier: MIT */
/*
 * Notes of calls that the kernel refused: how often, from where, and which
 * ranges were not released by them.
 */
#ifndef SF_CLI_REFUSED_H
#define SF_CLI_REFUSED_H

#include <signal.h>

#include "where.h"

/* A call as its tracer sees it end. */
struct sf_memory_call {
	uint64_t nr;
	uint64_t args[6];
	int64_t result; /* -errno: failed */
	uint64_t ip;
	uint64_t sp;
};

/* Calls that failed alike, from one place. */
struct sf_refused_group {
	uint64_t nr; /* of the system call */
	int err;     /* errno */
	size_t times;
	uint64_t len;	   /* bytes of all of them */
	uint64_t addr;	   /* the first one's first argument */
	uint64_t addr_len; /* and second */
	struct sf_where where;
};

struct sf_refused_key;

struct sf_refused {
	struct sf_refused_group *groups;
	size_t nr_groups;
	size_t times;
	uint64_t unmap_len;	     /* bytes of refused munmap() */
	struct sf_refused_key *keys; /* where to look no further */
	size_t nr_keys;
};

/* Ranges of one process that it tried to release. */
struct sf_ranges {
	struct sf_range *range;
	size_t nr;
	size_t space;
};

/* Whether the kernel refused this call for lack of mappings or memory. */
bool sf_refused_is(const struct sf_memory_call *call);

/*
 * Whether that is what the call gives for a range with a hole, too: far from
 * the limit it is no refusal, see near_limit.h.
 */
bool sf_refused_for_hole(const struct sf_memory_call *call);

/* Whether it failed for another reason. */
bool sf_refused_failed(const struct sf_memory_call *call);

/* Note a refused call of a stopped thread. Short of memory it counts only. */
void sf_refused_note(struct sf_refused *refused,
		     const struct sf_memory_call *call,
		     struct sf_where_cache **cache, pid_t pid, pid_t tid);
void sf_refused_free(struct sf_refused *refused);

void sf_ranges_add(struct sf_ranges *ranges, uint64_t addr, uint64_t len);
void sf_ranges_free(struct sf_ranges *ranges);

/*
 * Bytes of the ranges that are resident or swapped out in pid, a process or one
 * of its threads. 0 or -errno as sf_resident_count(), and *len is how many they
 * are at most. stop may be NULL.
 */
int sf_ranges_measure(struct sf_ranges *ranges, pid_t pid,
		      const volatile sig_atomic_t *stop, uint64_t *len);

#endif
