/* SPDX-License-Identifier: MIT */
/* Starts a program in two steps: between them it exists, but does not run. */
#ifndef SF_CLI_START_H
#define SF_CLI_START_H

#include <stdbool.h>
#include <sys/types.h>

#include "child.h"

/* For a standard output: it is closed. */
#define SF_OUT_CLOSED (-1)

struct sf_start {
	pid_t pid;
	int go;	    /* written to: it may run */
	int failed; /* read from: why it could not be executed */
};

/*
 * With out as its standard output; 0: ours, SF_OUT_CLOSED: none. 0 or -errno;
 * after 0 sf_start_wait() must follow.
 */
int sf_start_fork(struct sf_start *start, const char *path, char **words,
		  int out);

/*
 * From now on we don't end when nobody reads what we write any more: the
 * program that we trace would end with us, and it has done nothing wrong.
 */
void sf_start_outlive_reader(void);

/* In a child that is to become a program: it has everything as we got it. */
void sf_start_prepare(int out);

/* 0, or -errno: it could not be executed. */
int sf_start_go(struct sf_start *start);

/* How it ends; with kill_it it is killed if it has not ended yet. */
struct sf_child_end sf_start_wait(struct sf_start *start, bool kill_it);

#endif
