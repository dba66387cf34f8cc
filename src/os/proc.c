// SPDX-License-Identifier: MIT
/* A line reader on raw system calls, see proc.h. */
#include "os/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "os/sys.h"

int sf_proc_open(struct sf_proc *proc, const char *path)
{
	long fd;

	do {
		fd = sf_sys(__NR_openat, AT_FDCWD, (long)path,
			    O_RDONLY | O_CLOEXEC, 0, 0, 0);
	} while (fd == -EINTR);
	if (fd < 0)
		return (int)fd;
	proc->fd = (int)fd;
	proc->pos = 0;
	proc->len = 0;
	proc->is_cut = false;
	return 0;
}

void sf_proc_close(struct sf_proc *proc)
{
	sf_sys(__NR_close, proc->fd, 0, 0, 0, 0, 0);
}

/* Move what is left to the front and read more. Bytes read, 0 or -errno. */
static long refill(struct sf_proc *proc)
{
	size_t left = proc->len - proc->pos;
	long n;

	memmove(proc->buf, proc->buf + proc->pos, left);
	proc->pos = 0;
	proc->len = left;
	do {
		n = sf_sys(__NR_read, proc->fd, (long)(proc->buf + left),
			   (long)(sizeof(proc->buf) - 1 - left), 0, 0, 0);
	} while (n == -EINTR);
	if (n > 0)
		proc->len += (size_t)n;
	return n;
}

/* Step over what is left of a line that was cut. 1, 0 at the end or -errno. */
static int skip_rest(struct sf_proc *proc)
{
	while (proc->is_cut) {
		char *start = proc->buf + proc->pos;
		char *end = memchr(start, '\n', proc->len - proc->pos);
		long n;

		if (end != NULL) {
			proc->pos += (size_t)(end - start) + 1;
			proc->is_cut = false;
			break;
		}
		proc->pos = proc->len;
		n = refill(proc);
		if (n <= 0)
			return (int)n;
	}
	return 1;
}

int sf_proc_line(struct sf_proc *proc, char **line)
{
	int got = skip_rest(proc);

	if (got != 1)
		return got;
	for (;;) {
		char *start = proc->buf + proc->pos;
		size_t left = proc->len - proc->pos;
		char *end = memchr(start, '\n', left);
		long n;

		if (end != NULL) {
			*end = '\0';
			proc->pos += (size_t)(end - start) + 1;
			*line = start;
			return 1;
		}
		n = left < sizeof(proc->buf) - 1 ? refill(proc) : 0;
		if (n < 0)
			return (int)n;
		if (n == 0) {
			/* A last line without newline, or one too long. */
			proc->buf[proc->len] = '\0';
			*line = proc->buf + proc->pos;
			proc->pos = proc->len;
			proc->is_cut = left == sizeof(proc->buf) - 1;
			return left > 0;
		}
	}
}

int sf_proc_starts(char *line, const char *prefix, char **rest)
{
	size_t len = strlen(prefix);

	if (strncmp(line, prefix, len) != 0)
		return 0;
	*rest = line + len;
	return 1;
}

/* The value of a digit, or a number above every base. */
static unsigned digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned)(c - 'a') + 10;
	return 255;
}

uint64_t sf_proc_digits(char **at, unsigned base)
{
	uint64_t value = 0;

	while (digit(**at) < base) {
		value = value * base + digit(**at);
		(*at)++;
	}
	return value;
}

int sf_proc_number(const char *path, size_t *out)
{
	struct sf_proc proc;
	char *line = NULL;
	int got;
	int err = sf_proc_open(&proc, path);

	if (err != 0)
		return err;
	got = sf_proc_line(&proc, &line);
	/* NOLINTNEXTLINE: read() wrote it, unseen */
	if (got == 1 && digit(*line) < 10)
		*out = sf_proc_digits(&line, 10);
	else
		err = got < 0 ? got : -EINVAL;
	sf_proc_close(&proc);
	return err;
}
