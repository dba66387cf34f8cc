// SPDX-License-Identifier: MIT
/* Starts a program in two steps, see start.h. */
#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"

static struct sigaction pipe_before;
static bool is_pipe_ignored;

static void close_pair(const int pair[2])
{
	close(pair[0]);
	close(pair[1]);
}

/* The child; never returns. */
static void become(const char *path, char **words, const int go[2], int failed)
{
	char byte;
	int err;

	close(go[1]);
	/* Without a byte whoever started us has ended. */
	if (read(go[0], &byte, 1) == 1) {
		execv(path, words);
		err = errno;
		if (write(failed, &err, sizeof(err)) < 0)
			_exit(126);
	}
	_exit(127);
}

void sf_start_outlive_reader(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	is_pipe_ignored = sigaction(SIGPIPE, &ignore, &pipe_before) == 0;
}

void sf_start_prepare(int out)
{
	sf_files_restore();
	if (is_pipe_ignored)
		sigaction(SIGPIPE, &pipe_before, NULL);
	if (out == SF_OUT_CLOSED)
		close(STDOUT_FILENO);
	else if (out != 0)
		dup2(out, STDOUT_FILENO);
}

int sf_start_fork(struct sf_start *start, const char *path, char **words,
		  int out)
{
	int failed[2];
	int go[2];
	int err;

	if (pipe2(go, O_CLOEXEC) != 0)
		return -errno;
	if (pipe2(failed, O_CLOEXEC) != 0) {
		err = -errno;
		close_pair(go);
		return err;
	}
	fflush(NULL);
	start->pid = fork();
	if (start->pid < 0) {
		close_pair(go);
		close_pair(failed);
		return -EAGAIN;
	}
	if (start->pid == 0) {
		sf_start_prepare(out);
		become(path, words, go, failed[1]);
	}
	close(go[0]);
	close(failed[1]);
	start->go = go[1];
	start->failed = failed[0];
	return 0;
}

int sf_start_go(struct sf_start *start)
{
	ssize_t len;
	int err = 0;

	if (write(start->go, "", 1) != 1)
		return -errno;
	do
		len = read(start->failed, &err, sizeof(err));
	while (len < 0 && errno == EINTR);
	return len == (ssize_t)sizeof(err) ? -err : 0;
}

struct sf_child_end sf_start_wait(struct sf_start *start, bool kill_it)
{
	int status = 0;

	close(start->go);
	close(start->failed);
	if (kill_it)
		kill(start->pid, SIGKILL);
	while (waitpid(start->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return sf_child_end_of(status);
}
