// SPDX-License-Identifier: MIT
/*
 * One line on stderr, composed on the stack and written at once, so that lines
 * of several threads do not mix and nothing is allocated at the limit.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void write_line(const char *format, va_list args)
{
	static const char prefix[] = "surefree: ";
	char line[512];
	size_t len = sizeof(prefix) - 1;
	int saved = errno;
	int n;

	memcpy(line, prefix, len);
	n = vsnprintf(line + len, sizeof(line) - len - 1, format, args);
	if (n > 0)
		len = sf_min(len + (size_t)n, sizeof(line) - 2);
	line[len++] = '\n';
	/* There is nobody left to tell when stderr itself is gone. */
	if (write(STDERR_FILENO, line, len) < 0)
		errno = saved;
	errno = saved;
}

void sf_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(format, args);
	va_end(args);
}

void sf_fatal(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_line(format, args);
	va_end(args);
	abort();
}
