// SPDX-License-Identifier: MIT
/* Writing text, see text.h. */
#include "os/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/sys.h"

#define LINE_LEN 512
#define NEW_MODE 0666

/* Where the copy of standard error goes: far from what a program counts on. */
#define COPY_FD	    900
#define COPY_FD_LOW 100

static struct {
	int fd;
	dev_t dev;
	ino_t ino;
} copy = { .fd = -1 };

static int open_file(const char *path, int flags)
{
	return (int)sf_sys(__NR_openat, AT_FDCWD, (long)path, flags | O_CLOEXEC,
			   NEW_MODE, 0, 0);
}

int sf_text_open(struct sf_text *out, const char *path)
{
	int fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC);

	sf_text_use(out, fd);
	return fd < 0 ? fd : 0;
}

void sf_text_use(struct sf_text *out, int fd)
{
	out->fd = fd;
	out->err = 0;
	out->len = 0;
}

int sf_text_flush(struct sf_text *out)
{
	size_t done = 0;

	while (out->err == 0 && done < out->len) {
		long n = sf_sys(__NR_write, out->fd, (long)(out->buf + done),
				(long)(out->len - done), 0, 0, 0);

		if (n >= 0)
			done += (size_t)n;
		else if (n != -EINTR)
			out->err = (int)n;
	}
	out->len = 0;
	return out->err;
}

int sf_text_close(struct sf_text *out)
{
	int err = sf_text_flush(out);
	int close_err = (int)sf_sys(__NR_close, out->fd, 0, 0, 0, 0, 0);

	return err != 0 ? err : close_err;
}

void sf_text_print(struct sf_text *out, const char *format, ...)
{
	int saved = errno;
	va_list args;
	int n;

	if (out->len + LINE_LEN > sizeof(out->buf))
		sf_text_flush(out);
	va_start(args, format);
	n = vsnprintf(out->buf + out->len, LINE_LEN, format, args);
	va_end(args);
	if (n > 0)
		out->len += sf_min((size_t)n, LINE_LEN - 1);
	errno = saved;
}

void sf_text_copy(struct sf_text *out, const char *path)
{
	int fd = open_file(path, O_RDONLY);
	long n = fd;

	while (n >= 0) {
		sf_text_flush(out);
		n = sf_sys(__NR_read, fd, (long)out->buf,
			   (long)sizeof(out->buf), 0, 0, 0);
		if (n == 0)
			break;
		if (n > 0)
			out->len = (size_t)n;
		else if (n == -EINTR)
			n = 0;
	}
	if (fd >= 0)
		sf_sys(__NR_close, fd, 0, 0, 0, 0, 0);
}

/*
 * Standard error
 */

void sf_text_keep_stderr(void)
{
	int saved = errno;
	struct stat at;

	if (copy.fd >= 0 || fstat(STDERR_FILENO, &at) != 0)
		return;
	copy.fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, COPY_FD);
	if (copy.fd < 0)
		copy.fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, COPY_FD_LOW);
	copy.dev = at.st_dev;
	copy.ino = at.st_ino;
	errno = saved;
}

int sf_text_stderr(void)
{
	int saved = errno;
	struct stat at;
	int fd = -1;

	if (fstat(STDERR_FILENO, &at) == 0)
		fd = STDERR_FILENO;
	else if (copy.fd >= 0 && fstat(copy.fd, &at) == 0 &&
		 at.st_dev == copy.dev && at.st_ino == copy.ino)
		fd = copy.fd;
	errno = saved;
	return fd;
}
