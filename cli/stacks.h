/* SPDX-License-Identifier: MIT */
/*
 * Names for copied stacks of many processes. What a process has mapped is kept
 * from when it was last looked at, so that its stacks have names also when it
 * has ended; if it ended before that, what code.h knows of it is taken.
 * Unwinding takes a part of a millisecond: a stack that has its
 * return addresses where a former one had them is the same.
 */
#ifndef SF_CLI_STACKS_H
#define SF_CLI_STACKS_H

#include "code.h"
#include "where.h"

struct sf_stacks {
	struct sf_stacks_process *process;
	size_t nr;
	uint64_t clock; /* of looks: who was not seen for long is forgotten */
	struct sf_code *code; /* NULL: none; not ours */
};

/*
 * The process has new code, and must be looked at again; only_known: if it was
 * before.
 */
void sf_stacks_changed(struct sf_stacks *stacks, pid_t pid, bool only_known);

/* Look at those that have changed, while they live. */
void sf_stacks_refresh(struct sf_stacks *stacks);

/*
 * The names of a copied stack; NULL: no memory, or the process ended before it
 * was looked at and code.h does not know it. Good until the next call. exact:
 * else the copy was too short, and they are those of a longer one that begins
 * alike.
 */
const struct sf_where *sf_stacks_name(struct sf_stacks *stacks,
				      const struct sf_where_copy *copy,
				      bool *exact);

void sf_stacks_free(struct sf_stacks *stacks);

#endif
