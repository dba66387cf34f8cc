/* SPDX-License-Identifier: MIT */
/* Threads that are traced, and the processes that they belong to. */
#ifndef SF_CLI_TASKS_H
#define SF_CLI_TASKS_H

#include "refused.h"

/* How many mappings a process had when they were counted. */
struct sf_counted {
	bool known;
	size_t mappings;
	uint64_t nr_calls; /* by then */
	double again;	   /* not before */
};

/* A process from fork() or exec() on. */
struct sf_traced {
	pid_t pid;
	size_t nr_tasks;
	size_t nr_exiting; /* of these */
	uint64_t nr_calls; /* memory calls */
	struct sf_counted counted;
	bool squeezed;
	bool missed;	   /* could not be squeezed, is not tried again */
	uint64_t trap;	   /* where sf_code_trap is; 0: nowhere */
	uint8_t code[8];   /* what belongs there */
	uint64_t resident; /* bytes not released, when last looked at */
	bool resident_at_most;
	struct sf_ranges ranges;
	struct sf_where_cache *where;
};

/* A thread. */
struct sf_task {
	pid_t tid;
	struct sf_traced *process;  /* NULL: not known yet; it waits */
	struct sf_memory_call call; /* that it is in */
	bool again;		    /* makes the call once more */
	bool exiting;		    /* has no memory from here on */
};

struct sf_tasks {
	struct sf_task **by_tid;
	size_t space;
	size_t nr;
};

/* The task of tid, made when there is none; NULL: no memory. */
struct sf_task *sf_tasks_get(struct sf_tasks *tasks, pid_t tid);
struct sf_task *sf_tasks_find(const struct sf_tasks *tasks, pid_t tid);

/*
 * Put a task into a process: that of parent if it is a thread of it, else a new
 * one that has inherited what parent has. parent may be NULL. False: no memory.
 */
bool sf_tasks_join(struct sf_task *task, struct sf_traced *parent);

/* The process runs another program. */
void sf_process_reset(struct sf_traced *process);

/* Forget a task; returns the process if that was its last one, to be freed. */
struct sf_traced *sf_tasks_drop(struct sf_tasks *tasks, pid_t tid);
void sf_process_free(struct sf_traced *process);
void sf_tasks_free(struct sf_tasks *tasks);

#endif
