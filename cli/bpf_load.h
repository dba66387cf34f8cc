/* SPDX-License-Identifier: MIT */
/* What all loaders of BPF programs share. Only where BPF is built in. */
#ifndef SF_CLI_BPF_LOAD_H
#define SF_CLI_BPF_LOAD_H

#include <bpf/libbpf.h>
#include <stdbool.h>

#include "process.bpf.h"

/* libbpf's own words are for developers: they are dropped. */
void sf_bpf_silence(void);

/* Why a program could not be loaded, one phrase with the remedy. */
const char *sf_bpf_explain(int err);

/*
 * Have the six programs "WHEN_mmap" and so on loaded, to be attached at the
 * call of that name, or not loaded at all. 0 or -errno.
 */
int sf_bpf_choose_calls(const struct bpf_object *object, const char *when,
			bool wanted);

#endif
