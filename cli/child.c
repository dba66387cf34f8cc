// SPDX-License-Identifier: MIT
/* Forks, waits and names how it ended. */
#include "child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"

#define STUCK_SECONDS 600

struct name {
	int nr;
	const char *name;
};

void *sf_child_share(size_t len)
{
	void *addr = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return addr != MAP_FAILED ? addr : NULL;
}

void sf_child_unshare(void *addr, size_t len)
{
	munmap(addr, len);
}

void sf_child_settle(pid_t parent)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	alarm(STUCK_SECONDS);
}

struct sf_child_end sf_child_end_of(int status)
{
	struct sf_child_end end = { 0 };

	if (WIFSIGNALED(status))
		end.signal = WTERMSIG(status);
	else
		end.code = WEXITSTATUS(status);
	return end;
}

int sf_child_run(void (*work)(void *), void *arg, struct sf_child_end *end)
{
	pid_t parent = getpid();
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		sf_child_settle(parent);
		work(arg);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	*end = sf_child_end_of(status);
	return 0;
}

static const char *find_name(const struct name *names, size_t nr, int wanted)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (names[i].nr == wanted)
			return names[i].name;
	return NULL;
}

const char *sf_child_end_text(const struct sf_child_end *end, char *buf,
			      size_t buf_len)
{
	static const struct name signals[] = {
		{ SIGABRT, "SIGABRT" }, { SIGSEGV, "SIGSEGV" },
		{ SIGBUS, "SIGBUS" },	{ SIGKILL, "SIGKILL" },
		{ SIGTRAP, "SIGTRAP" }, { SIGILL, "SIGILL" },
		{ SIGALRM, "SIGALRM" }, { SIGSYS, "SIGSYS" },
		{ SIGTERM, "SIGTERM" }, { SIGINT, "SIGINT" },
		{ SIGHUP, "SIGHUP" },	{ SIGQUIT, "SIGQUIT" },
		{ SIGPIPE, "SIGPIPE" }, { SIGFPE, "SIGFPE" },
	};
	const char *name = find_name(signals, SF_NR(signals), end->signal);

	if (end->signal == 0 && end->code == 0)
		snprintf(buf, buf_len, "normally");
	else if (name != NULL)
		snprintf(buf, buf_len, "by %s", name);
	else if (end->signal != 0)
		snprintf(buf, buf_len, "by signal %d", end->signal);
	else
		snprintf(buf, buf_len, "with status %d", end->code);
	return buf;
}

const char *sf_errno_name(int err, char *buf, size_t buf_len)
{
	static const struct name errors[] = {
		{ ENOMEM, "ENOMEM" }, { EINVAL, "EINVAL" },
		{ EAGAIN, "EAGAIN" }, { EPERM, "EPERM" },
		{ EACCES, "EACCES" }, { ENOSYS, "ENOSYS" },
	};
	const char *name = find_name(errors, SF_NR(errors), err);

	if (name != NULL)
		return name;
	snprintf(buf, buf_len, "error %d", err);
	return buf;
}
