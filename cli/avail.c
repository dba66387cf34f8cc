// SPDX-License-Identifier: MIT
/*
 * Reads what bounds a process's memory. Page cache counts as used in a cgroup
 * although it would go: the answer errs on the small side.
 */
#include "avail.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "os/limit.h"
#include "os/proc.h"

#define CGROUP_ROOT "/sys/fs/cgroup"
#define PATH_LEN    512

/* A line "Key:   123 kB" of /proc/meminfo in bytes; SIZE_MAX: not there. */
static size_t meminfo(const char *key)
{
	size_t value = SIZE_MAX;
	struct sf_proc proc;
	char *line, *rest;

	if (sf_proc_open(&proc, "/proc/meminfo") != 0)
		return SIZE_MAX;
	while (sf_proc_line(&proc, &line) == 1) {
		if (!sf_proc_starts(line, key, &rest))
			continue;
		rest += strspn(rest, " ");
		value = (size_t)sf_proc_digits(&rest, 10) * 1024;
		break;
	}
	sf_proc_close(&proc);
	return value;
}

/* What one cgroup leaves; SIZE_MAX where it has no limit. */
static size_t cgroup_left(const char *dir, const char *limit, const char *used)
{
	char path[PATH_LEN + 64];
	size_t max, now;

	snprintf(path, sizeof(path), "%s/%s", dir, limit);
	if (sf_proc_number(path, &max) != 0)
		return SIZE_MAX; /* "max" is no number */
	snprintf(path, sizeof(path), "%s/%s", dir, used);
	if (sf_proc_number(path, &now) != 0)
		return SIZE_MAX;
	return max > now ? max - now : 0;
}

/* The least that a cgroup and those above it leave. */
static size_t cgroups_left(const char *root, const char *path,
			   const char *limit, const char *used)
{
	size_t root_len = strlen(root);
	size_t left = SIZE_MAX;
	char dir[PATH_LEN];
	char *slash;

	if ((size_t)snprintf(dir, sizeof(dir), "%s%s", root, path) >=
	    sizeof(dir))
		return SIZE_MAX;
	for (;;) {
		left = sf_min(left, cgroup_left(dir, limit, used));
		slash = strrchr(dir, '/');
		if (slash == NULL || (size_t)(slash - dir) < root_len)
			return left;
		*slash = '\0';
	}
}

/* Lines "0::/path" (v2) and "4:memory:/path" (v1) of /proc/self/cgroup. */
static size_t cgroup_memory(void)
{
	size_t left = SIZE_MAX;
	struct sf_proc proc;
	char *line, *path, *path2;

	if (sf_proc_open(&proc, "/proc/self/cgroup") != 0)
		return SIZE_MAX;
	while (sf_proc_line(&proc, &line) == 1) {
		if (sf_proc_starts(line, "0::", &path))
			left = sf_min(left, cgroups_left(CGROUP_ROOT, path,
							 "memory.max",
							 "memory.current"));
		path2 = strstr(line, ":memory:");
		if (path2 != NULL)
			left = sf_min(left,
				      cgroups_left(CGROUP_ROOT "/memory",
						   path2 + strlen(":memory:"),
						   "memory.limit_in_bytes",
						   "memory.usage_in_bytes"));
	}
	sf_proc_close(&proc);
	return left;
}

static size_t commit_left(void)
{
	size_t limit, used;

	if (!sf_limit_overcommit_strict())
		return SIZE_MAX;
	limit = meminfo("CommitLimit:");
	used = meminfo("Committed_AS:");
	return limit > used ? limit - used : 0;
}

/* What RLIMIT_AS leaves when every mapping is used up with a page each. */
static size_t address_space_left(void)
{
	size_t limit = sf_limit_address_space();
	size_t page_len = (size_t)sysconf(_SC_PAGESIZE);
	size_t used, nr;

	/* statm begins with the size of the process in pages. */
	if (limit == SIZE_MAX || sf_limit_mappings(&nr) != 0 ||
	    sf_proc_number("/proc/self/statm", &used) != 0)
		return limit;
	used += nr;
	return limit / page_len > used ? limit - used * page_len : 0;
}

size_t sf_avail_memory(void)
{
	size_t avail = meminfo("MemAvailable:");

	avail = sf_min(avail, cgroup_memory());
	avail = sf_min(avail, commit_left());
	/* Regions of surefree are reserved by halves of what is left. */
	avail = sf_min(avail, address_space_left() / 4);
	avail = sf_min(avail, sf_limit_data() / 2);
	return avail / 5 * 4;
}
