// SPDX-License-Identifier: MIT
/* In place of unwind_dw.c where libdw is not built in. */
#include "where.h"

bool sf_where_has_symbols(void)
{
	return false;
}

struct sf_unwind *sf_unwind_open(pid_t pid, const struct sf_mappings *all)
{
	(void)pid;
	(void)all;
	return NULL;
}

/* As the other one has them. */
// NOLINTBEGIN(readability-non-const-parameter)

struct sf_unwind *sf_unwind_open_maps(pid_t pid, const struct sf_mappings *all,
				      char *maps, size_t maps_len)
{
	(void)pid;
	(void)all;
	(void)maps;
	(void)maps_len;
	return NULL;
}

void sf_unwind_close(struct sf_unwind *unwind)
{
	(void)unwind;
}

size_t sf_unwind_stack(struct sf_unwind *unwind, pid_t tid, uint64_t *ip,
		       size_t max)
{
	(void)unwind;
	(void)tid;
	(void)ip;
	(void)max;
	return 0;
}

size_t sf_unwind_copy(struct sf_unwind *unwind,
		      const struct sf_where_copy *copy, uint64_t *ip,
		      size_t max)
{
	(void)unwind;
	(void)copy;
	(void)ip;
	(void)max;
	return 0;
}

const char *sf_unwind_name(struct sf_unwind *unwind, uint64_t ip,
			   uint64_t *offset)
{
	(void)unwind;
	(void)ip;
	(void)offset;
	return NULL;
}

// NOLINTEND(readability-non-const-parameter)
