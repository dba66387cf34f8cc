// SPDX-License-Identifier: MIT
/* The soft limit on open files, raised to the hard one. */
#include "files.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>

static struct rlimit before;
static bool is_raised;

void sf_files_raise(void)
{
	struct rlimit limit;

	if (is_raised || getrlimit(RLIMIT_NOFILE, &before) != 0)
		return;
	limit = before;
	limit.rlim_cur = limit.rlim_max;
	is_raised = setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

void sf_files_restore(void)
{
	if (is_raised)
		setrlimit(RLIMIT_NOFILE, &before);
}

const char *sf_files_remedy(int err)
{
	if (err == -EMFILE)
		return "raise the limit on open files (ulimit -n)";
	if (err == -ENFILE)
		return "raise fs.file-max (sysctl, needs root)";
	return NULL;
}
