// SPDX-License-Identifier: MIT
/* In place of count_bpf.c where BPF was left out of the build. */
#include "count_bpf.h"

#include <errno.h>

int sf_count_bpf_open(struct sf_count_bpf **out, enum sf_refusals refusals,
		      const char **why)
{
	(void)out;
	(void)refusals;
	*why = "surefree was built without BPF";
	return -ENOSYS;
}

void sf_count_bpf_close(struct sf_count_bpf *bpf)
{
	(void)bpf;
}

const char *sf_count_bpf_no_refusals(const struct sf_count_bpf *bpf)
{
	(void)bpf;
	return "surefree was built without BPF";
}

int sf_count_bpf_read(struct sf_count_bpf *bpf, const pid_t *pids,
		      size_t nr_pids,
		      int (*take)(void *arg, const struct sf_bpf_process *p),
		      void *arg)
{
	(void)bpf;
	(void)pids;
	(void)nr_pids;
	(void)take;
	(void)arg;
	return -ENOSYS;
}

int sf_count_bpf_read_refusals(struct sf_count_bpf *bpf,
			       int (*take)(void *arg,
					   const struct sf_bpf_refusals *r),
			       void *arg)
{
	(void)bpf;
	(void)take;
	(void)arg;
	return -ENOSYS;
}
