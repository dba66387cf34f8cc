/* SPDX-License-Identifier: MIT */
/*
 * One thread's fence for all: membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED),
 * Linux 4.14. When sf_fence_all() returns, every running thread of the process
 * has passed a full memory fence since it was called.
 */
#ifndef SF_OS_FENCE_H
#define SF_OS_FENCE_H

#include <stdbool.h>

/* Register the process. False where the kernel, or a filter, refuses. */
bool sf_fence_init(void);

void sf_fence_all(void);

#endif
