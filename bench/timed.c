// SPDX-License-Identifier: MIT
/*
 * Run a command with an allocator preloaded, and say what it took:
 *
 *	bench-timed OUT PRELOAD COMMAND [ARGUMENT]...
 *
 * OUT gets one line: seconds passed, CPU seconds, and the peak of resident
 * memory in KiB of the largest process that the command was or waited for.
 * PRELOAD is a library, or - for none. Exits as the command did.
 *
 * A program of its own because the peak that the kernel reports of a child
 * begins with that of whoever started it: this one is small.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static double seconds(struct timeval tv)
{
	return (double)tv.tv_sec + (double)tv.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
	struct rusage usage;
	double start;
	FILE *out;
	pid_t pid;
	int status;

	if (argc < 4) {
		fprintf(stderr, "usage: bench-timed OUT PRELOAD COMMAND...\n");
		return 2;
	}
	out = fopen(argv[1], "we");
	if (out == NULL)
		err(3, "%s", argv[1]);
	start = now();
	pid = fork();
	if (pid < 0)
		err(3, "fork");
	if (pid == 0) {
		if (strcmp(argv[2], "-") != 0)
			setenv("LD_PRELOAD", argv[2], 1);
		execvp(argv[3], argv + 3);
		err(127, "%s", argv[3]);
	}
	if (waitpid(pid, &status, 0) != pid)
		err(3, "waitpid");
	start = now() - start;
	getrusage(RUSAGE_CHILDREN, &usage);
	fprintf(out, "%.4f\t%.4f\t%ld\n", start,
		seconds(usage.ru_utime) + seconds(usage.ru_stime),
		usage.ru_maxrss);
	if (fclose(out))
		err(3, "%s", argv[1]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
