/* SPDX-License-Identifier: MIT */
/*
 * Tracing of refused memory calls: two ways to see them, one record of what was
 * seen.
 *
 *	BPF	the kernel tells of a call when it was refused; the others
 *		cost next to nothing, and the program is never stopped
 *	ptrace	needs no rights; the program stops twice at every memory call
 *
 * Each calls take() with an event, in the order in which they were seen.
 */
#ifndef SF_CLI_TRACE_H
#define SF_CLI_TRACE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "child.h"
#include "where.h"

#define SF_TRACE_COMMAND 16

struct sf_trace_event {
	uint64_t time; /* nanoseconds since 1970 */
	pid_t pid;
	pid_t tid;
	char command[SF_TRACE_COMMAND]; /* printable ASCII; of the thread */
	const char *call;
	int err; /* errno; 0: it made mappings */
	uint64_t addr;
	uint64_t len; /* asked for; of brk() 0 */
	uint64_t mappings;
	uint64_t limit;
	uint64_t leaked;     /* bytes that it was to release and are resident */
	bool leaked_at_most; /* how many of these are could not be told */
	bool is_release;
	const struct sf_where *where; /* NULL: not known */
	bool where_alike;	      /* of a call whose stack begins alike */
	uint64_t times;		      /* calls that this stands for */
	bool summed;		      /* refused ones; len, leaked: of all */
	uint64_t made;		      /* mappings made by them */
};

/* What to trace, and whom to tell. */
struct sf_trace_plan {
	pid_t pid;	  /* 0: the program, or else everything */
	const char *path; /* of a program to run; NULL: none */
	char **words;
	int out;	  /* of the program, as of sf_start_fork() */
	bool follow;	  /* children of pid; those of a program always are */
	bool splits;	  /* calls that make mappings, too */
	unsigned timeout; /* seconds until tracing ends; 0: never */
	void (*take)(void *arg, const struct sf_trace_event *event);
	void (*ready)(void *arg); /* from now on calls are seen */
	void *arg;
};

struct sf_trace_result {
	bool timed_out;
	bool has_end;
	struct sf_child_end end; /* of the program */
	uint64_t lost;		 /* calls that made mappings, not told of */
	uint64_t far;		 /* ENOMEM far from the limit: near_limit.h */
	const char *source;	 /* "fexit", "sys_exit" or "ptrace" */
};

/*
 * Trace until the program or process ends, the time is up, or a signal tells
 * us to end. 0, or -errno, and in *why one phrase with cause and remedy, or
 * NULL when it is the program that could not be run or traced.
 */
int sf_trace_bpf(const struct sf_trace_plan *plan,
		 struct sf_trace_result *result, const char **why);
int sf_trace_ptrace(const struct sf_trace_plan *plan,
		    struct sf_trace_result *result);

/* Fill in what call, addr, len and is_release are, from its arguments. */
void sf_trace_describe(struct sf_trace_event *event, const char *call,
		       const uint64_t args[6], int64_t result);

/*
 * Fill in what is still resident of what a call was to release, unless *stop is
 * set by then; stop may be NULL.
 */
void sf_trace_measure(struct sf_trace_event *event,
		      const volatile sig_atomic_t *stop);

/* Realtime in nanoseconds. */
uint64_t sf_trace_now(void);

#endif
