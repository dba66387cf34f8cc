/* SPDX-License-Identifier: MIT */
/*
 * Where a thread is: its stack as modules and offsets, with symbols and true
 * unwinding where libdw is built in. Without it the stack is searched for what
 * looks like return addresses. The thread is one that we trace and that is
 * stopped; or there is a copy of its registers and of the top of its stack, and
 * it may run on, or have ended.
 */
#ifndef SF_CLI_WHERE_H
#define SF_CLI_WHERE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "remote.h"

#define SF_WHERE_FRAMES 24
#define SF_WHERE_LEN	160

struct sf_where {
	size_t nr;
	char frame[SF_WHERE_FRAMES][SF_WHERE_LEN]; /* "function+0x12 (file)" */
	uint64_t hash;				   /* of all frames */
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

/* What a thread of pid had when it was copied. */
struct sf_where_copy {
	pid_t pid;
	struct sf_regs regs;
	const uint8_t *stack; /* from the stack pointer on */
	size_t stack_len;
};

/*
 * Keep in *cache what pid has mapped now, in place of what was kept. Fails when
 * it has ended, and what was kept stays. 0 or -errno.
 */
int sf_where_remember(struct sf_where_cache **cache, pid_t pid);

/* The same from a text like /proc/PID/maps, also when pid has ended. */
int sf_where_recall(struct sf_where_cache **cache, pid_t pid, const char *maps);

/* Whether there is code at an address, as far as is kept. */
bool sf_where_knows(const struct sf_where_cache *cache, uint64_t ip);

/* The addresses of a copied stack into ip; returns how many. */
size_t sf_where_walk(struct sf_where_cache *cache,
		     const struct sf_where_copy *copy, uint64_t *ip,
		     size_t max);

/* Name nr addresses, at most SF_WHERE_FRAMES. */
void sf_where_describe(struct sf_where *where,
		       const struct sf_where_cache *cache, const uint64_t *ip,
		       size_t nr);

/* All frames in buf, with words between them. */
#define SF_WHERE_STACK_LEN ((size_t)SF_WHERE_FRAMES * (SF_WHERE_LEN + 4))
char *sf_where_join(const struct sf_where *where, const char *between,
		    char buf[SF_WHERE_STACK_LEN]);

/* Whether there are symbols and true unwinding. */
bool sf_where_has_symbols(void);

/*
 * With libdw: the stack's addresses into ip; returns how many. And the function
 * at an address, with the offset in it; NULL: not known. The pointer is good
 * until the next call. sf_unwind_open() is for threads that are stopped,
 * sf_unwind_open_maps() for copies, with the text of /proc/PID/maps. Both with
 * the mappings of pid, which stay until it is closed.
 */
struct sf_unwind;
struct sf_mappings;
struct sf_unwind *sf_unwind_open(pid_t pid, const struct sf_mappings *all);
struct sf_unwind *sf_unwind_open_maps(pid_t pid, const struct sf_mappings *all,
				      char *maps, size_t maps_len);
void sf_unwind_close(struct sf_unwind *unwind);
size_t sf_unwind_stack(struct sf_unwind *unwind, pid_t tid, uint64_t *ip,
		       size_t max);
size_t sf_unwind_copy(struct sf_unwind *unwind,
		      const struct sf_where_copy *copy, uint64_t *ip,
		      size_t max);
const char *sf_unwind_name(struct sf_unwind *unwind, uint64_t ip,
			   uint64_t *offset);

#endif
