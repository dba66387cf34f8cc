/* SPDX-License-Identifier: MIT */
/*
 * Runs a program with its mappings used up, and notes what the kernel refuses
 * it. Unprivileged: the program, its threads and whatever it starts are traced,
 * a seccomp filter stops them at memory calls only, and each process is filled
 * from inside, anew after exec().
 */
#ifndef SF_CLI_SQUEEZE_H
#define SF_CLI_SQUEEZE_H

#include "child.h"
#include "refused.h"

enum sf_squeeze_when {
	SF_SQUEEZE_NEVER,    /* only look how it ends */
	SF_SQUEEZE_WATCH,    /* not, but refused calls are told */
	SF_SQUEEZE_AT_ENTRY, /* of the program, its libraries being loaded */
	SF_SQUEEZE_AFTER,    /* some seconds, at the next memory call */
	SF_SQUEEZE_AT_CALL,  /* before the n-th memory call of each process */
};

struct sf_task;

struct sf_squeeze_plan {
	const char *path;
	char **words;
	size_t spare;
	enum sf_squeeze_when when;
	uint64_t nr;	  /* seconds, or n */
	unsigned timeout; /* seconds until it is killed; 0: never */
	bool quiet;	  /* standard streams are /dev/null */
	int out;	  /* as of sf_start_fork() */
	/*
	 * For SF_SQUEEZE_WATCH: told in place of the result's refused. far: it
	 * is none, but see near_limit.h.
	 */
	void (*tell)(void *arg, const struct sf_task *task, bool far);
	void *arg;
};

struct sf_squeeze_result {
	struct sf_child_end end;
	bool timed_out;
	size_t nr_processes; /* programs that were run */
	size_t nr_squeezed;
	int fill_err;	    /* of the last that could not be; 0: none */
	uint64_t nr_calls;  /* memory calls of those squeezed */
	uint64_t nr_others; /* failed for another reason */
	uint64_t resident;  /* bytes of refused munmap(), at the end */
	bool resident_at_most;
	struct sf_refused refused;
};

/*
 * Run it. What it leaves running is killed when it has ended. 0 or -errno:
 * -EPERM where tracing or filters are forbidden. sf_squeeze_free() must follow
 * where it is 0.
 */
int sf_squeeze_run(const struct sf_squeeze_plan *plan,
		   struct sf_squeeze_result *result);
void sf_squeeze_free(struct sf_squeeze_result *result);

#endif
