/* SPDX-License-Identifier: MIT */
/*
 * Runs an experiment in a forked child: what crashes, leaks or runs out of
 * mappings there does no harm here. Results come back through memory from
 * sf_child_share(), which the child writes and never allocates.
 */
#ifndef SF_CLI_CHILD_H
#define SF_CLI_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* How a child ended. */
struct sf_child_end {
	int signal; /* that killed it, or 0 */
	int code;   /* exit status, 0 when work() returned */
};

/* len zeroed bytes shared with later children; NULL: no memory. */
void *sf_child_share(size_t len);
void sf_child_unshare(void *addr, size_t len);

/* Run work(arg) in a child and wait for it. 0, or -errno: no child. */
int sf_child_run(void (*work)(void *), void *arg, struct sf_child_end *end);

/*
 * For the child: no core file, death with the parent, death by SIGALRM when
 * it takes too long to be anything but stuck.
 */
void sf_child_settle(pid_t parent);

/* Take a status of waitpid() apart. */
struct sf_child_end sf_child_end_of(int status);

/* "normally", "by SIGABRT" or "with status 1", in buf. */
const char *sf_child_end_text(const struct sf_child_end *end, char *buf,
			      size_t buf_len);

/* "ENOMEM", or "error 123" in buf. */
const char *sf_errno_name(int err, char *buf, size_t buf_len);

#endif
