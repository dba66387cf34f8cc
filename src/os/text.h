/* SPDX-License-Identifier: MIT */
/*
 * Text to a file, a buffer at a time: no allocation, no stdio, no errno, and no
 * point where a thread is cancelled.
 */
#ifndef SF_OS_TEXT_H
#define SF_OS_TEXT_H

#include <stddef.h>

#include "base/compiler.h"

struct sf_text {
	int fd;
	int err; /* 0, or the first -errno */
	size_t len;
	char buf[2048];
};

/* Create a file, or empty it. 0 or -errno. sf_text_close() must follow. */
int sf_text_open(struct sf_text *out, const char *path);

/* Write to an open file. sf_text_flush() must follow. */
void sf_text_use(struct sf_text *out, int fd);

/* At most 512 bytes at a time. */
void sf_text_print(struct sf_text *out, const char *format, ...)
	SF_PRINTF(2, 3);

/* What a file contains, as far as it can be read. */
void sf_text_copy(struct sf_text *out, const char *path);

/* 0, or the first error of all that was written. */
int sf_text_flush(struct sf_text *out);
int sf_text_close(struct sf_text *out);

/*
 * Keep a copy of standard error, for programs that close it before they end.
 * sf_text_stderr() is standard error, or the copy if that is the same file
 * still, or -1.
 */
void sf_text_keep_stderr(void);
int sf_text_stderr(void);

#endif
