/* SPDX-License-Identifier: MIT */
/*
 * Reads files of /proc line by line through a buffer on the caller's stack:
 * no allocation, no stdio, no errno.
 */
#ifndef SF_OS_PROC_H
#define SF_OS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sf_proc {
	int fd;
	size_t pos;  /* first byte of buf not handed out yet */
	size_t len;  /* bytes in buf */
	bool is_cut; /* the rest of the last line is still to come */
	char buf[8192];
};

/* 0 or -errno. Closed by sf_proc_close(). */
int sf_proc_open(struct sf_proc *proc, const char *path);
void sf_proc_close(struct sf_proc *proc);

/*
 * The next line without its newline, in place and ended by a NUL; of one that
 * is longer than the buffer only the beginning. 1, 0 at the end, or -errno.
 */
int sf_proc_line(struct sf_proc *proc, char **line);

/* Whether line starts with prefix; *rest is what follows. */
int sf_proc_starts(char *line, const char *prefix, char **rest);

/* Parse digits of base 10 or 16 at *at and step over them. */
uint64_t sf_proc_digits(char **at, unsigned base);

/* The number that a file consists of. 0 or -errno. */
int sf_proc_number(const char *path, size_t *out);

#endif
