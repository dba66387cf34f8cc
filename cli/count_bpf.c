// SPDX-License-Identifier: MIT
/*
 * Loads bpf/process.bpf.c and reads what its iterator writes. libbpf's own
 * words are for developers: they are dropped, and ours name the remedy.
 */
#include "count_bpf.h"

#include <assert.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "process.bpf.h"
#include "process.skel.h"

#define BTF "/sys/kernel/btf/vmlinux"

/* The kernel gives 8 pages at most in a read, and a whole record at least. */
#define NR_READ 512

static_assert(sizeof(struct sf_bpf_process) % 8 == 0, "read as an array");

struct sf_count_bpf {
	struct process_bpf *skel;
	const char *no_refusals;
};

static int say_nothing(enum libbpf_print_level level, const char *fmt,
		       va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

/* 0 and a loaded program, or -errno. */
static int load(struct process_bpf **out, bool refusals)
{
	struct process_bpf *skel = process_bpf__open();
	int err;

	if (skel == NULL)
		return -errno;
	bpf_program__set_autoload(skel->progs.note_error, refusals);
	err = process_bpf__load(skel);
	if (err == 0)
		err = process_bpf__attach(skel);
	if (err != 0) {
		process_bpf__destroy(skel);
		return err;
	}
	*out = skel;
	return 0;
}

static const char *explain(int err)
{
	if (err == -EPERM || err == -EACCES)
		return "BPF needs root, or CAP_BPF and CAP_PERFMON";
	if (access(BTF, R_OK) != 0)
		return "BPF needs " BTF
		       " (CONFIG_DEBUG_INFO_BTF), which this kernel lacks";
	if (err == -ENOMEM)
		return "there is not enough memory for BPF";
	return "this kernel does not take our BPF program; it needs 5.11";
}

int sf_count_bpf_open(struct sf_count_bpf **out, bool refusals,
		      const char **why)
{
	struct sf_count_bpf *bpf = calloc(1, sizeof(*bpf));
	int err = -ENOMEM;

	libbpf_set_print(say_nothing);
	if (bpf != NULL && refusals)
		err = load(&bpf->skel, true);
	if (bpf != NULL && (!refusals || err != 0)) {
		bpf->no_refusals =
			refusals ? "this kernel has no tracepoint for it" :
				   "nobody asked for them";
		err = load(&bpf->skel, false);
	}
	if (err != 0) {
		*why = explain(err);
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

int sf_count_bpf_read(struct sf_count_bpf *bpf,
		      int (*take)(void *arg, const struct sf_bpf_process *p),
		      void *arg)
{
	struct sf_bpf_process processes[NR_READ];
	int fd = bpf_iter_create(bpf_link__fd(bpf->skel->links.count));
	ssize_t len;
	int err = 0;

	if (fd < 0)
		return -errno;
	/* The kernel never cuts a record in two. */
	while (err == 0) {
		len = read(fd, processes, sizeof(processes));
		if (len < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (len <= 0) {
			err = len < 0 ? -errno : 0;
			break;
		}
		for (size_t i = 0;
		     err == 0 && i < (size_t)len / sizeof(*processes); i++)
			err = take(arg, &processes[i]);
	}
	close(fd);
	return err;
}
