/* SPDX-License-Identifier: MIT */
/*
 * The experiments of `surefree probe`. Each writes a section to out and
 * returns enum sf_exit: FINDING when a release failed, CANNOT (after a line on
 * stderr) when it could not be tried.
 */
#ifndef SF_CLI_EXPERIMENT_H
#define SF_CLI_EXPERIMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "child.h"
#include "out.h"

struct sf_malloc_plan {
	size_t block_len; /* -s */
	size_t nr_blocks; /* -n */
	size_t spare;	  /* --spare */
};

int sf_experiment_kernel(struct sf_out *out);
/* nr_pages 0: twice the limit. */
int sf_experiment_munmap(struct sf_out *out, size_t nr_pages);
int sf_experiment_malloc(struct sf_out *out,
			 const struct sf_malloc_plan *asked);
int sf_experiment_threads(struct sf_out *out);

/* "malloc: ..." on stderr. */
void sf_experiment_say(const char *name, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Say that no child could be had, or what ended it. Returns CANNOT. */
int sf_experiment_cannot(const char *name, int err);

/*
 * FINDING when a signal ended the child, CANNOT and a line on stderr when it
 * says nothing about mappings (killed, or stuck), FINE when none did.
 */
int sf_experiment_ended(const char *name, const struct sf_child_end *end);

/* Of two results, the one to exit with: FINDING, else CANNOT, else FINE. */
int sf_experiment_worse(int a, int b);

/* Name and version of the C library, "glibc 2.36"; "unknown". */
const char *sf_experiment_libc(char *buf, size_t buf_len);

#endif
