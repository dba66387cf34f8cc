/* SPDX-License-Identifier: MIT */
/*
 * A squeezed program while it runs. Who stops, and what happens then:
 *
 *	fork, clone		the new thread is put into a process
 *	exec			a trap is set where the program begins
 *	the trap		the process is filled
 *	a memory call		it is filled now if it is due; a process that
 *				is filled stops once more at the call's end
 *	the call's end		a refusal is noted, with the stack
 *	exit			memory that was not released is measured
 */
#ifndef SF_CLI_SQUEEZE_STOPS_H
#define SF_CLI_SQUEEZE_STOPS_H

#include "squeeze.h"
#include "tasks.h"

struct sf_squeeze {
	const struct sf_squeeze_plan *plan;
	struct sf_squeeze_result *result;
	struct sf_tasks tasks;
	pid_t pid;	 /* of the program */
	uint64_t mark;	 /* of our own calls */
	double deadline; /* for SF_SQUEEZE_AFTER */
	bool ended;
};

double sf_squeeze_seconds(void);

/* A thread stopped: look, and let it go on. */
void sf_squeeze_stopped(struct sf_squeeze *run, pid_t tid, int status);

/* A thread ended. */
void sf_squeeze_ended(struct sf_squeeze *run, pid_t tid, int status);

#endif
