// SPDX-License-Identifier: MIT
/*
 * Loads bpf/process.bpf.c and reads what its iterator writes.
 */
#include "count_bpf.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpf_load.h"
#include "os/limit.h"
#include "pid_ns.h"
#include "process.bpf.h"
#include "process.skel.h"

/* The kernel gives 8 pages at most in a read, and a whole record at least. */
#define NR_READ 512

static_assert(sizeof(struct sf_bpf_process) % 8 == 0, "read as an array");

/* Where refused calls are counted, from the cheapest. */
enum refusals { AT_THE_CALLS, AT_ANY_CALL, UNCOUNTED };

struct sf_count_bpf {
	struct process_bpf *skel;
	const char *no_refusals;
};

/* It may be changed at any time. */
static void tell_limit(const struct process_bpf *skel)
{
	size_t limit;

	sf_limit_mappings(&limit);
	skel->bss->limit = (uint32_t)limit;
}

/* 0 and a loaded program, or -errno. */
static int load(struct process_bpf **out, enum refusals how)
{
	struct process_bpf *skel = process_bpf__open();
	int err;

	if (skel == NULL)
		return -errno;
	skel->rodata->proc_above = sf_pid_ns_above();
	bpf_program__set_autoload(skel->progs.end_any, how == AT_ANY_CALL);
	err = sf_bpf_choose_calls(skel->obj, "end", how == AT_THE_CALLS);
	if (err == 0)
		err = process_bpf__load(skel);
	if (err == 0)
		tell_limit(skel);
	if (err == 0)
		err = process_bpf__attach(skel);
	if (err != 0) {
		process_bpf__destroy(skel);
		return err;
	}
	*out = skel;
	return 0;
}

int sf_count_bpf_open(struct sf_count_bpf **out, enum sf_refusals refusals,
		      const char **why)
{
	static const char *const no_refusals[] = {
		[SF_REFUSALS_NONE] = "nobody asked for them",
		[SF_REFUSALS_FREE] =
			"without BPF trampolines every call would pay",
		[SF_REFUSALS_ANYHOW] = "this kernel has no tracepoint for it",
	};
	struct sf_count_bpf *bpf = calloc(1, sizeof(*bpf));
	int err = -ENOMEM;

	sf_bpf_silence();
	if (bpf != NULL && refusals != SF_REFUSALS_NONE)
		err = load(&bpf->skel, AT_THE_CALLS);
	if (bpf != NULL && refusals == SF_REFUSALS_ANYHOW && err != 0)
		err = load(&bpf->skel, AT_ANY_CALL);
	if (bpf != NULL && (refusals == SF_REFUSALS_NONE || err != 0)) {
		bpf->no_refusals = no_refusals[refusals];
		err = load(&bpf->skel, UNCOUNTED);
	}
	if (err != 0) {
		*why = sf_bpf_explain(err);
		free(bpf);
		return err;
	}
	*out = bpf;
	return 0;
}

void sf_count_bpf_close(struct sf_count_bpf *bpf)
{
	process_bpf__destroy(bpf->skel);
	free(bpf);
}

const char *sf_count_bpf_no_refusals(const struct sf_count_bpf *bpf)
{
	return bpf->no_refusals;
}

static int take_records(const struct sf_bpf_process *processes, size_t len,
			int (*take)(void *arg, const struct sf_bpf_process *p),
			void *arg)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < len / sizeof(*processes); i++)
		err = take(arg, &processes[i]);
	return err;
}

/* What an iterator writes from here on. As sf_count_bpf_read(). */
static int read_iterator(int link_fd,
			 int (*take)(void *arg, const struct sf_bpf_process *p),
			 void *arg)
{
	struct sf_bpf_process processes[NR_READ];
	int fd = bpf_iter_create(link_fd);
	ssize_t len = 1;
	int err = 0;

	if (fd < 0)
		return -errno;
	/* The kernel never cuts a record in two. */
	while (err == 0 && len > 0) {
		len = read(fd, processes, sizeof(processes));
		if (len < 0 && (errno == EINTR || errno == EAGAIN))
			len = 1;
		else if (len < 0)
			err = -errno;
		else
			err = take_records(processes, (size_t)len, take, arg);
	}
	close(fd);
	return err;
}

/*
 * An iterator over one process. Kernels before 6.1 refuse it. The kernel's
 * struct of this is not in the headers of every system that has libbpf.
 */
static struct bpf_link *attach_to(struct sf_count_bpf *bpf, pid_t pid)
{
	struct {
		uint32_t tid, pid, pid_fd;
	} only = { .pid = (uint32_t)pid };
	struct bpf_iter_attach_opts opts = {
		.sz = sizeof(opts),
		.link_info = (void *)&only,
		.link_info_len = sizeof(only),
	};
	struct bpf_link *link = bpf_program__attach_iter(bpf->skel->progs.count,
							 &opts);

	return libbpf_get_error(link) == 0 ? link : NULL;
}

int sf_count_bpf_read(struct sf_count_bpf *bpf, const pid_t *pids,
		      size_t nr_pids,
		      int (*take)(void *arg, const struct sf_bpf_process *p),
		      void *arg)
{
	int all = bpf_link__fd(bpf->skel->links.count);
	int err = 0;

	tell_limit(bpf->skel);
	if (nr_pids == 0)
		return read_iterator(all, take, arg);
	for (size_t i = 0; err == 0 && i < nr_pids; i++) {
		struct bpf_link *link = attach_to(bpf, pids[i]);

		if (link == NULL)
			return i == 0 ? read_iterator(all, take, arg) : -errno;
		err = read_iterator(bpf_link__fd(link), take, arg);
		bpf_link__destroy(link);
	}
	return err;
}

int sf_count_bpf_read_refusals(struct sf_count_bpf *bpf,
			       int (*take)(void *arg,
					   const struct sf_bpf_refusals *r),
			       void *arg)
{
	static struct sf_bpf_refusals refusals[NR_READ];
	static uint64_t keys[NR_READ];
	int fd = bpf_map__fd(bpf->skel->maps.refused);
	uint32_t next = 0;
	int err = 0, got = 0;

	/* -ENOENT comes with the last of them. */
	for (bool first = true; err == 0 && got == 0; first = false) {
		uint32_t nr = NR_READ;

		got = bpf_map_lookup_batch(fd, first ? NULL : &next, &next,
					   keys, refusals, &nr, NULL);
		if (got != 0 && got != -ENOENT)
			return got;
		for (uint32_t i = 0; err == 0 && i < nr; i++)
			err = take(arg, &refusals[i]);
	}
	return err;
}
