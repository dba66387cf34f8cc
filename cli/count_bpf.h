/* SPDX-License-Identifier: MIT */
/*
 * Counting by BPF, see bpf/process.bpf.c. Needs Linux 5.11 with BTF, and the
 * capabilities CAP_BPF and CAP_PERFMON (or root). Built without BPF,
 * count_none.c stands in and says so.
 */
#ifndef SF_CLI_COUNT_BPF_H
#define SF_CLI_COUNT_BPF_H

#include <stddef.h>
#include <sys/types.h>

#include "process.h"

struct sf_count_bpf;

/*
 * Load the programs; also those that count refused calls, if they are wanted
 * and as far as this kernel has what they need. 0 and *out, to be closed, or
 * -errno and in *why one phrase with the cause and the remedy.
 */
int sf_count_bpf_open(struct sf_count_bpf **out, enum sf_refusals refusals,
		      const char **why);
void sf_count_bpf_close(struct sf_count_bpf *bpf);

/* Why refusals are not counted, one phrase; NULL: they are. */
const char *sf_count_bpf_no_refusals(const struct sf_count_bpf *bpf);

/*
 * Have take(arg, process) called for each of nr_pids processes, or with 0 for
 * every process there is. Before Linux 6.1 others come too; and a process whose
 * first thread has ended comes once for each that is left. 0, or -errno, or
 * what take() returned if that was not 0.
 */
int sf_count_bpf_read(struct sf_count_bpf *bpf, const pid_t *pids,
		      size_t nr_pids,
		      int (*take)(void *arg, const struct sf_bpf_process *p),
		      void *arg);

/*
 * Have take(arg, refusals) called for each process that had calls refused, also
 * for those that have ended, as far as there is room to remember them. 0, or
 * -errno, or what take() returned if that was not 0.
 */
int sf_count_bpf_read_refusals(struct sf_count_bpf *bpf,
			       int (*take)(void *arg,
					   const struct sf_bpf_refusals *r),
			       void *arg);

#endif
