/* SPDX-License-Identifier: MIT */
/*
 * Where a thread that we trace, and that is stopped, is: its stack as modules
 * and offsets, with symbols and true unwinding where libdw is built in. Without
 * it the stack is searched for what looks like return addresses.
 */
#ifndef SF_CLI_WHERE_H
#define SF_CLI_WHERE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SF_WHERE_FRAMES 24
#define SF_WHERE_LEN	160

struct sf_where {
	size_t nr;
	char frame[SF_WHERE_FRAMES][SF_WHERE_LEN]; /* "function+0x12 (file)" */
	size_t caller; /* the first frame that is not of the C library */
};

/* What is kept of a process between two looks. */
struct sf_where_cache;

/*
 * The stack of tid, a thread of pid, into *where. *cache is made when NULL, and
 * made anew when the process runs another program; sf_where_forget() frees it.
 */
void sf_where_look(struct sf_where *where, struct sf_where_cache **cache,
		   pid_t pid, pid_t tid);
void sf_where_forget(struct sf_where_cache **cache);

/* Whether there are symbols and true unwinding. */
bool sf_where_has_symbols(void);

/*
 * With libdw: the stack's addresses into ip; returns how many. And the function
 * at an address, with the offset in it; NULL: not known. The pointer is good
 * until the next call.
 */
struct sf_unwind;
struct sf_unwind *sf_unwind_open(pid_t pid);
void sf_unwind_close(struct sf_unwind *unwind);
size_t sf_unwind_stack(struct sf_unwind *unwind, pid_t tid, uint64_t *ip,
		       size_t max);
const char *sf_unwind_name(struct sf_unwind *unwind, uint64_t ip,
			   uint64_t *offset);

#endif
