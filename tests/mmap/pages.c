// SPDX-License-Identifier: MIT
/*
 * Asks about pages.
 *
 * A byte goes from the page into a pipe by write(), which says EFAULT where
 * the page can't be read, and back by read(), which says so where it can't be
 * written. The pipe is the thread's own, and empty between two questions.
 */
#include "pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "test.h"

static __thread int byte_pipe[2] = { -1, -1 };

bool pages_mapped(const char *addr)
{
	/* Kernels without swap say EBADF of anonymous memory. */
	return madvise((void *)(uintptr_t)addr, test_page(), MADV_WILLNEED) ==
		       0 ||
	       errno != ENOMEM;
}

enum pages_access pages_access(char *addr)
{
	char byte;

	if (byte_pipe[0] < 0 && pipe2(byte_pipe, O_CLOEXEC) != 0) {
		FAIL("no pipe: %s", strerror(errno));
		return PAGES_NONE;
	}
	if (write(byte_pipe[1], addr, 1) != 1)
		return PAGES_NONE;
	if (read(byte_pipe[0], addr, 1) == 1)
		return PAGES_WRITE;
	CHECK_EQ(read(byte_pipe[0], &byte, 1), 1);
	return PAGES_READ;
}

int pages_byte(const char *addr)
{
	size_t page = test_page();

	if (memcmp(addr, addr + 1, page - 1) != 0)
		return -1;
	return (unsigned char)*addr;
}

void pages_fill(char *addr, size_t nr, int byte)
{
	memset(addr, byte, nr * test_page());
}

/* Read all of /proc/self/smaps; its length, always less than size. */
static size_t read_smaps(char *text, size_t size)
{
	size_t len = 0;
	ssize_t n = 1;
	int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);

	if (!CHECK(fd >= 0))
		return 0;
	while (n > 0 && len < size - 1) {
		n = read(fd, text + len, size - 1 - len);
		if (n > 0)
			len += (size_t)n;
	}
	close(fd);
	return len;
}

/* The line of flags of the mapping that addr lies in, or NULL. */
static char *find_flags(char *text, uintptr_t addr)
{
	bool found = false;

	for (char *line = text; line != NULL; line = strchr(line, '\n')) {
		unsigned long start;
		unsigned long end;

		line += *line == '\n';
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			found = addr >= start && addr < end;
		else if (found && strncmp(line, "VmFlags:", 8) == 0)
			return line + 8;
	}
	return NULL;
}

void pages_flags(const char *addr, const char *wanted, char *text, size_t len)
{
	static char smaps[256 << 10];
	char *line;

	text[0] = '\0';
	smaps[read_smaps(smaps, sizeof(smaps))] = '\0';
	line = find_flags(smaps, (uintptr_t)addr);
	if (line == NULL)
		return;
	for (; *line == ' ' && line[1] != '\n' && line[1] != '\0'; line += 3) {
		char word[5] = { ' ', line[1], line[2], ' ', '\0' };
		size_t used = strlen(text);

		if (strstr(wanted, word) != NULL && used + 4 < len)
			snprintf(text + used, len - used, "%s", word + 1);
	}
}
