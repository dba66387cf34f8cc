// SPDX-License-Identifier: MIT
/*
 * Programs see of the mmap family what Linux shows them: each scenario is run
 * in a process with what this one has preloaded and in one with nothing, and
 * the transcripts are compared line by line. Without anything preloaded, this
 * shows that the scenarios tell nothing that changes from run to run.
 *
 * "same_as_linux --script WORDS" prints the transcripts of the scenarios whose
 * name contains WORDS.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "scenarios.h"
#include "test.h"

#define TEXT_LEN (64 << 10)

static const struct scenario_group *const groups[] = {
	&scenarios_map,	  &scenarios_unmap,  &scenarios_protect,
	&scenarios_remap, &scenarios_advise, &scenarios_lock,
};
#define NR_GROUPS (sizeof(groups) / sizeof(groups[0]))

extern char **environ;

/* In the child: become a process that runs the one scenario. */
static void exec_script(const char *call, const char *name, bool preloaded,
			int fd)
{
	char *args[] = { (char *)"same_as_linux", (char *)"--one", (char *)call,
			 (char *)name, NULL };

	if (!preloaded)
		unsetenv("LD_PRELOAD");
	if (dup2(fd, STDOUT_FILENO) == STDOUT_FILENO)
		execve("/proc/self/exe", args, environ);
	_exit(6);
}

/* Run it and take what it writes, as a string. */
static void transcribe(const char *call, const char *name, bool preloaded,
		       char *text)
{
	int fds[2];
	size_t len = 0;
	ssize_t n = 1;
	int status = 0;
	pid_t pid;

	if (!CHECK_OK(pipe2(fds, O_CLOEXEC)))
		return;
	pid = fork();
	if (pid == 0)
		exec_script(call, name, preloaded, fds[1]);
	close(fds[1]);
	while (n > 0 && len < TEXT_LEN - 1) {
		n = read(fds[0], text + len, TEXT_LEN - 1 - len);
		if (n > 0)
			len += (size_t)n;
	}
	text[len] = '\0';
	close(fds[0]);
	waitpid(pid, &status, 0);
	snprintf(text + len, TEXT_LEN - len, "status %d\n", status);
}

static bool may_differ(const char *name, const char *line)
{
	const struct scenario_difference *d = scenario_differences;

	for (; d->scenario != NULL; d++)
		if (strcmp(d->scenario, name) == 0 &&
		    (!d->unmarked || !memory_has_markers()) &&
		    strncmp(line, d->line, strlen(d->line)) == 0)
			return true;
	return false;
}

/* Say of each line where they part; a few are enough. */
static void compare(const char *call, const char *name, const char *ours,
		    const char *theirs)
{
	int nr = 0;

	while ((*ours != '\0' || *theirs != '\0') && nr < 5) {
		int a = (int)strcspn(ours, "\n");
		int b = (int)strcspn(theirs, "\n");

		if ((a != b || strncmp(ours, theirs, (size_t)a) != 0) &&
		    !may_differ(name, theirs)) {
			FAIL("%s: %s: \"%.*s\", Linux: \"%.*s\"", call, name, a,
			     ours, b, theirs);
			nr++;
		}
		ours += a + (ours[a] == '\n');
		theirs += b + (theirs[b] == '\n');
	}
}

static void check_group(const struct scenario_group *group)
{
	static char ours[TEXT_LEN];
	static char theirs[TEXT_LEN];

	for (size_t i = 0; i < group->nr; i++) {
		const char *name = group->scenarios[i].name;

		transcribe(group->call, name, true, ours);
		transcribe(group->call, name, false, theirs);
		if (strstr(theirs, "\nstatus 0\n") == NULL ||
		    strstr(theirs, " -> apart") != NULL)
			FAIL("%s: %s: it does not run on Linux", group->call,
			     name);
		compare(group->call, name, ours, theirs);
	}
}

static void mmap_does_what_linux_does(void)
{
	check_group(&scenarios_map);
}

static void munmap_does_what_linux_does(void)
{
	check_group(&scenarios_unmap);
}

static void mprotect_does_what_linux_does(void)
{
	check_group(&scenarios_protect);
}

static void mremap_does_what_linux_does(void)
{
	check_group(&scenarios_remap);
}

static void madvise_does_what_linux_does(void)
{
	check_group(&scenarios_advise);
}

static void mlock_does_what_linux_does(void)
{
	check_group(&scenarios_lock);
}

static int run_script(void *scenario)
{
	alarm(30);
	script_run(scenario, STDOUT_FILENO);
	return 0;
}

/* Of all groups, or of the one whose name is call. */
static int run_scripts(const char *call, const char *words)
{
	for (size_t i = 0; i < NR_GROUPS; i++) {
		const struct scenario_group *group = groups[i];

		if (call != NULL && strcmp(call, group->call) != 0)
			continue;
		for (size_t k = 0; k < group->nr; k++) {
			const char *name = group->scenarios[k].name;

			if (call == NULL && strstr(name, words) != NULL)
				test_in_child(run_script,
					      (void *)&group->scenarios[k]);
			else if (call != NULL && strcmp(name, words) == 0)
				return run_script((void *)&group->scenarios[k]);
		}
	}
	return 0;
}

static const struct test tests[] = {
	{ "mmap does what Linux does", mmap_does_what_linux_does },
	{ "munmap does what Linux does", munmap_does_what_linux_does },
	{ "mprotect does what Linux does", mprotect_does_what_linux_does },
	{ "mremap does what Linux does", mremap_does_what_linux_does },
	{ "madvise does what Linux does", madvise_does_what_linux_does },
	{ "mlock does what Linux does", mlock_does_what_linux_does },
};

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "--one") == 0)
		return run_scripts(argv[2], argv[3]);
	if (argc == 3 && strcmp(argv[1], "--script") == 0)
		return run_scripts(NULL, argv[2]);
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
