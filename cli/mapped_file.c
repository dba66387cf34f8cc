// SPDX-License-Identifier: MIT
/*
 * Opens the file of a mapping, see mapped_file.h. It is found without being
 * opened (O_PATH), looked at, and only then opened, through that descriptor.
 */
#include "mapped_file.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The mapping's own link, for root. A number of a process is used again. */
static int find_by_mapping(const struct sf_mapped_file *file)
{
	char name[PATH_MAX];
	char path[96];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx",
		 (int)file->pid, (unsigned long long)file->start,
		 (unsigned long long)file->end);
	len = readlink(path, name, sizeof(name));
	if (len < 0 || (size_t)len != strlen(file->name) ||
	    memcmp(name, file->name, (size_t)len) != 0)
		return -1;
	return open(path, O_PATH | O_CLOEXEC);
}

/*
 * Whether a name leads to the file that is mapped. On a file system without a
 * device of its own (btrfs, overlayfs) fstat() may give another one than maps:
 * there the inode alone must do.
 */
static bool is_mapped(const struct sf_mapped_file *file, const struct stat *st)
{
	return st->st_ino == file->inode &&
	       (major(st->st_dev) == 0 || (major(st->st_dev) == file->major &&
					   minor(st->st_dev) == file->minor));
}

/* Open what fd, a path, stands for, if it is what is wanted. */
static int reopen(const struct sf_mapped_file *file, int fd, bool by_name)
{
	char path[40];
	struct stat st;
	int opened = -1;

	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    (!by_name || is_mapped(file, &st)))
		opened = open(path,
			      O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	close(fd);
	return opened;
}

int sf_mapped_file_open(const struct sf_mapped_file *file)
{
	char path[PATH_MAX + 32];
	int fd;

	if (file->name[0] != '/')
		return -1;
	fd = reopen(file, find_by_mapping(file), false);
	/* As the process sees it while it lives, which is in another root. */
	snprintf(path, sizeof(path), "/proc/%d/root%s", (int)file->pid,
		 file->name);
	if (fd < 0)
		fd = reopen(file, open(path, O_PATH | O_CLOEXEC), true);
	if (fd < 0)
		fd = reopen(file, open(file->name, O_PATH | O_CLOEXEC), true);
	return fd;
}
