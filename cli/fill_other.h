/* SPDX-License-Identifier: MIT */
/*
 * Uses up the mappings of another process, from inside: it is made to reserve
 * address space, and to make every second page of it readable.
 *
 *	| page | page |  page  | page |  page  | ... |  page  | page |
 *	| code | NONE | island | NONE | island | ... |  tail  | code |
 *
 * The pages of code at both ends keep strangers from merging with the rest.
 */
#ifndef SF_CLI_FILL_OTHER_H
#define SF_CLI_FILL_OTHER_H

#include "remote.h"

/*
 * Leave the process pid, whose thread remote holds, exactly spare mappings. 0,
 * or an error of fill.h or of a system call, and nothing is held. mark is that
 * of the filter.
 */
int sf_fill_other(struct sf_remote *remote, pid_t pid, size_t spare,
		  uint64_t mark);

#endif
