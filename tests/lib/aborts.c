// SPDX-License-Identifier: MIT
/*
 * Runs misuse in a child whose stderr is a pipe, see aborts.h. The line that
 * the child announces reaches the parent in shared memory, since it holds
 * addresses that only the child knows.
 */
#include "aborts.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define LINE_LEN 512

static char *announced; /* shared with the child */

void aborts_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(announced, LINE_LEN, format, args);
	va_end(args);
}

static void read_all(int fd, char *text, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len - 1 &&
	       ((n = read(fd, text + done, len - 1 - done)) > 0 ||
		(n < 0 && errno == EINTR)))
		done += n > 0 ? (size_t)n : 0;
	text[done] = '\0';
}

int aborts_capture(void (*fn)(void), char *text, size_t len)
{
	struct rlimit no_core = { 0, 0 };
	int fds[2];
	int status;
	pid_t pid;

	text[0] = '\0';
	if (!CHECK_OK(pipe(fds)))
		return TEST_CHILD_FAILED;
	pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		dup2(fds[1], STDERR_FILENO);
		fn();
		_exit(test_failed() ? TEST_CHILD_FAILED : 0);
	}
	close(fds[1]);
	read_all(fds[0], text, len);
	close(fds[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

void aborts(void (*misuse)(void))
{
	char text[LINE_LEN];
	char line[LINE_LEN + 1];

	announced = mmap(NULL, LINE_LEN, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!CHECK(announced != MAP_FAILED))
		return;
	CHECK_EQ(aborts_capture(misuse, text, sizeof(text)), -SIGABRT);
	/* An emulator adds a line of its own about the signal. */
	if (test_emulated() && strchr(text, '\n') != NULL)
		strchr(text, '\n')[1] = '\0';
	snprintf(line, sizeof(line), "%s\n", announced);
	CHECK_STR(text, line);
	munmap(announced, LINE_LEN);
}
