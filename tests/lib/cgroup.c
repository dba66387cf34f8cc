// SPDX-License-Identifier: MIT
/*
 * Runs a function in a memory cgroup of its own. The cgroup is made below the
 * hierarchy's root, version 2 (/sys/fs/cgroup/NAME) or else version 1
 * (/sys/fs/cgroup/memory/NAME), entered by the child and removed when it is
 * gone. Needs the right to write there, that is root with a writable
 * hierarchy; everything else is a reason to skip.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define V1_ROOT "/sys/fs/cgroup/memory"
#define V2_ROOT "/sys/fs/cgroup"

static char path[64]; /* of the cgroup, while there is one */
static bool is_v2;
static int usage_fd = -1; /* in the child; opening fails when it is full */

/* 0 or -errno. */
static int write_text(const char *dir, const char *name, const char *text)
{
	char file[128];
	ssize_t n;
	int err = 0;
	int fd;

	snprintf(file, sizeof(file), "%s/%s", dir, name);
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	if (n < 0)
		err = -errno;
	close(fd);
	return err;
}

static bool exists(const char *file)
{
	return access(file, F_OK) == 0;
}

/* Make the cgroup with its limit. 0 or -errno. */
static int make_cgroup(size_t limit_len)
{
	char limit[32];
	int err;

	is_v2 = exists(V2_ROOT "/cgroup.controllers");
	if (!is_v2 && !exists(V1_ROOT "/memory.limit_in_bytes"))
		return -ENOENT;
	/* May be on already, or refused: the limit's file will tell. */
	if (is_v2)
		write_text(V2_ROOT, "cgroup.subtree_control", "+memory");
	snprintf(path, sizeof(path), "%s/test-%d", is_v2 ? V2_ROOT : V1_ROOT,
		 (int)getpid());
	if (mkdir(path, 0755) != 0)
		return -errno;
	snprintf(limit, sizeof(limit), "%zu", limit_len);
	err = write_text(path, is_v2 ? "memory.max" : "memory.limit_in_bytes",
			 limit);
	if (err != 0)
		rmdir(path);
	return err;
}

struct entry {
	bool killable;
	int (*fn)(void *arg);
	void *arg;
};

#define CANNOT_ENTER   120
#define CANNOT_PROTECT 121

static int enter_cgroup(void *arg)
{
	const struct entry *entry = arg;
	char file[128];

	snprintf(file, sizeof(file), "%s/%s", path,
		 is_v2 ? "memory.current" : "memory.usage_in_bytes");
	usage_fd = open(file, O_RDONLY | O_CLOEXEC);

	if (!entry->killable &&
	    write_text("/proc/self", "oom_score_adj", "-1000") != 0)
		return CANNOT_PROTECT;
	if (write_text(path, "cgroup.procs", "0") != 0)
		return CANNOT_ENTER;
	return entry->fn(entry->arg);
}

int test_in_cgroup(size_t limit_len, bool killable, int (*fn)(void *arg),
		   void *arg)
{
	struct entry entry = { killable, fn, arg };
	int err = make_cgroup(limit_len);
	int status;

	if (err != 0) {
		test_skip("no memory cgroup can be made: %s", strerror(-err));
		return -1;
	}
	status = test_in_child(enter_cgroup, &entry);
	/* The dead child may still be on its way out of the cgroup. */
	while (rmdir(path) != 0 && errno == EBUSY)
		usleep(1000);
	if (status == CANNOT_ENTER || status == CANNOT_PROTECT) {
		test_skip("%s", status == CANNOT_ENTER ?
					"the memory cgroup cannot be entered" :
					"no right to lower oom_score_adj");
		return -1;
	}
	return status;
}

size_t test_cgroup_usage(void)
{
	char text[32];
	ssize_t n = pread(usage_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtoul(text, NULL, 10);
}

bool test_cgroup_is_v2(void)
{
	return is_v2;
}
