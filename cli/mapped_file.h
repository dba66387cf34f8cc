/* SPDX-License-Identifier: MIT */
/*
 * Opens the file of a mapping of another process. Its name is what that process
 * makes of it: by now a FIFO, on which open() waits for ever, or a link to a
 * file of somebody else may have it.
 */
#ifndef SF_CLI_MAPPED_FILE_H
#define SF_CLI_MAPPED_FILE_H

#include <stdint.h>
#include <sys/types.h>

/* As a line of /proc/PID/maps has it. */
struct sf_mapped_file {
	pid_t pid; /* may have ended */
	uint64_t start;
	uint64_t end;
	const char *name;
	uint64_t inode;
	unsigned major;
	unsigned minor;
};

/* A descriptor to read from, of a regular file; -1: it is not to be had. */
int sf_mapped_file_open(const struct sf_mapped_file *file);

#endif
