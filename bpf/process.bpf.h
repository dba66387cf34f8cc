/* SPDX-License-Identifier: MIT */
/* What process.bpf.c hands to the command. */
#ifndef SF_BPF_PROCESS_BPF_H
#define SF_BPF_PROCESS_BPF_H

/* The calls whose refusals are counted, by name in cli/process.c. */
enum sf_call {
	SF_CALL_MMAP,
	SF_CALL_MUNMAP,
	SF_CALL_MPROTECT,
	SF_CALL_MREMAP,
	SF_CALL_MADVISE,
	SF_CALL_BRK,
	SF_CALL_NR,
};

#define SF_COMM_LEN 16

/* Refused calls of one process, since counting began. */
struct sf_bpf_refusals {
	unsigned long long start; /* of the process, as below */
	unsigned int nr[SF_CALL_NR];
	unsigned int nr_again[SF_CALL_NR]; /* of these, with EAGAIN */
	char comm[SF_COMM_LEN];		   /* at the last one */
};

/* One process, as the iterator writes it. */
struct sf_bpf_process {
	unsigned long long start; /* nanoseconds since boot */
	unsigned long long rss_pages;
	unsigned long long tables_len;
	unsigned long long cgroups; /* equal: in the same cgroups */
	unsigned int pid;	    /* as the reader sees it */
	unsigned int proc_pid;	    /* as the reader's /proc has it */
	unsigned int tid;	    /* of the thread that it was read from */
	unsigned int uid;	    /* the effective one */
	unsigned int mappings;
	unsigned int refused[SF_CALL_NR];
	unsigned int pad;
	char comm[SF_COMM_LEN];
};

#endif
