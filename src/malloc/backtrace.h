/* SPDX-License-Identifier: MIT */
/* Who called: stacks for the heap profile, by the C library's unwinder. */
#ifndef SF_MALLOC_BACKTRACE_H
#define SF_MALLOC_BACKTRACE_H

#include "malloc/samples.h"

/* Room for this library's own frames, which are left out. */
#define SF_BACKTRACE_MAX (SF_SAMPLE_DEPTH + 8)

/*
 * Load what the unwinder needs, so that it does not allocate later. Allocates.
 */
void sf_backtrace_init(void);

/* The stack of the caller, from whoever called this library on. */
struct sf_stack sf_backtrace(void *frames[SF_BACKTRACE_MAX]);

#endif
