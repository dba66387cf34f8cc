/* SPDX-License-Identifier: MIT */
/* What trace.bpf.c hands to the command. */
#ifndef SF_BPF_TRACE_BPF_H
#define SF_BPF_TRACE_BPF_H

#include "process.bpf.h"

/* Registers of the user, as the kernel's pt_regs begins. */
#if defined(__x86_64__) || defined(__TARGET_ARCH_x86)
#define SF_TRACE_REGS 21
#define SF_TRACE_SP   19
#define SF_TRACE_IP   16
#else
#define SF_TRACE_REGS 34
#define SF_TRACE_SP   31
#define SF_TRACE_IP   32
#endif

#define SF_TRACE_CHUNK 1024 /* of a stack that is copied whole or not */
#define SF_TRACE_PIECE 128  /* where less than that is left */
#define SF_TRACE_SHORT SF_TRACE_CHUNK
#define SF_TRACE_LONG  (16 * SF_TRACE_CHUNK)

enum sf_trace_kind {
	SF_TRACE_REFUSED, /* a call */
	SF_TRACE_GREW,	  /* calls that made mappings */
	SF_TRACE_CODE,	  /* the process has new code; only head is filled in */
};

/* Where calls come from, as far as that can be told without unwinding. */
struct sf_trace_place {
	unsigned long long ip;
	unsigned long long caller; /* the word on top of the stack */
	unsigned int pid;	   /* of all namespaces */
	unsigned int call;	   /* enum sf_call */
	unsigned int kind;
	unsigned int err; /* of SF_TRACE_REFUSED */
};

/* What happened there and has not been told. */
struct sf_trace_count {
	unsigned long long told; /* when a long stack was, nanoseconds */
	unsigned long long nr_told;
	unsigned long long calls;
	unsigned long long mappings;   /* that they made */
	unsigned long long len;	       /* bytes that those refused asked for */
	unsigned long long unreleased; /* bytes that they were to release */
};

struct sf_trace_head {
	unsigned int kind;
	unsigned int stack_len;
	unsigned long long time; /* nanoseconds of the monotonic clock */
	unsigned int pid;	 /* as the reader sees it */
	unsigned int tid;
	unsigned int mappings; /* now */
	unsigned int pad;
	char comm[SF_COMM_LEN];
};

/* A call; of the stack SF_TRACE_SHORT or SF_TRACE_LONG bytes are there. */
struct sf_trace_record {
	struct sf_trace_head head;
	struct sf_trace_place place;
	struct sf_trace_count count; /* of SF_TRACE_GREW, this one included */
	long long result;
	unsigned long long first; /* argument */
	unsigned long long regs[SF_TRACE_REGS];
	unsigned char stack[SF_TRACE_LONG];
};

#endif
