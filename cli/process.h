/* SPDX-License-Identifier: MIT */
/*
 * What ps, top and export know of processes: a snapshot of all, or of some.
 * Mappings are counted in one of two ways:
 *
 *	BPF	the kernel's own count of each process; holds up nobody, costs
 *		the same whatever the count, and tells of refused calls
 *	/proc	lines of /proc/PID/maps, a few at a time with pauses between,
 *		since reading them holds a lock that mmap() wants; needs the
 *		right to trace the process
 *
 * Kernel threads and processes that have ended have no mappings and are left
 * out. Not for several threads at once.
 */
#ifndef SF_CLI_PROCESS_H
#define SF_CLI_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "process.bpf.h"

struct sf_process {
	pid_t pid;
	pid_t proc_pid; /* its name in /proc, of another pid namespace maybe */
	pid_t proc_tid; /* a thread that has not ended, likewise */
	uid_t uid;	/* the effective one */
	uint64_t start; /* with pid: tells a process from a later one */
	size_t mappings;
	size_t rss_len;
	size_t tables_len; /* page tables */
	uint32_t refused[SF_CALL_NR];
	char command[SF_COMM_LEN]; /* printable ASCII */
	const char *user;	   /* name, or number as text */
	const char *cgroup;	   /* path; "" where there is none */
};

/* The texts of rows last until the next sf_processes_read(). */
struct sf_processes {
	struct sf_process *row;
	size_t nr;
	size_t limit;		/* vm.max_map_count */
	size_t nr_unreadable;	/* left out: we may not read them */
	uint64_t took_ns;	/* the last read */
	bool by_bpf;		/* else by /proc */
	const char *no_bpf;	/* why, one phrase; NULL: not asked for */
	const char *no_refused; /* why refused[] is empty; NULL: it is not */
	struct sf_process_state *state;
};

/* A row must pass all that is set. */
struct sf_process_filter {
	const pid_t *pids; /* each once */
	size_t nr_pids;	   /* 0: any */
	const uid_t *uids;
	size_t nr_uids; /* 0: any */
};

enum sf_process_source {
	SF_PROCESS_ANY, /* BPF where that is possible */
	SF_PROCESS_BPF,
	SF_PROCESS_PROC,
};

/* "mmap" and so on, by enum sf_call. */
extern const char *const sf_call_names[SF_CALL_NR];

/* Whether calls that are refused from now on are counted. */
enum sf_refusals {
	SF_REFUSALS_NONE,
	SF_REFUSALS_FREE,   /* where that costs other calls nothing */
	SF_REFUSALS_ANYHOW, /* also where each of them costs 90 ns more */
};

/* Choose the source. 0, or -errno, where all->no_bpf says why not. */
int sf_processes_open(struct sf_processes *all, enum sf_process_source source,
		      enum sf_refusals refusals);
void sf_processes_close(struct sf_processes *all);

/* Take a snapshot of the processes that pass, in no order. 0 or -errno. */
int sf_processes_read(struct sf_processes *all,
		      const struct sf_process_filter *filter);

/*
 * Have take(arg, refusals) called for each process that had calls refused since
 * all was opened, also for those that have ended. 0, or -errno, or what take()
 * returned if that was not 0; -ENOSYS where all->no_refused says why.
 */
int sf_processes_read_refusals(struct sf_processes *all,
			       int (*take)(void *arg,
					   const struct sf_bpf_refusals *r),
			       void *arg);

/* Calls of a process that were refused. */
uint64_t sf_process_refused(const struct sf_process *p);

#endif
