/* SPDX-License-Identifier: MIT */
/*
 * A seccomp filter that hands a process's memory calls to its tracer and lets
 * all others through at full speed. It stays through fork() and exec().
 */
#ifndef SF_CLI_FILTER_H
#define SF_CLI_FILTER_H

#include <stdint.h>

/*
 * Install it in this process. mprotect() with mark as its fourth argument,
 * which the kernel ignores, is let through: a call of ours. Without the right
 * to do otherwise it sets no_new_privs. 0 or -errno.
 */
int sf_filter_install(uint64_t mark);

/* "munmap"; NULL: none of those that the filter knows. */
const char *sf_filter_name(uint64_t nr);

#endif
