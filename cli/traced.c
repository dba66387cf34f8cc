// SPDX-License-Identifier: MIT
/* Words and files around a program that is traced, see traced.h. */
#include "traced.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "pid_ns.h"

int sf_traced_open_report(const struct sf_args *args, const char *path)
{
	int fd = STDERR_FILENO;

	if (path != NULL)
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		sf_cmd_say(args->name, "cannot write '%s': %s", path,
			   strerror(errno));
	return fd;
}

bool sf_traced_has_proc(const struct sf_args *args)
{
	if (sf_pid_ns_above() == 0)
		return true;
	sf_cmd_say(args->name,
		   "/proc shows another pid namespace than ours; mount that "
		   "of ours (unshare --mount-proc)");
	return false;
}

int sf_traced_cannot_run(const struct sf_args *args, int err)
{
	if (err == -EPERM)
		sf_cmd_say(args->name,
			   "'%s' cannot be traced: %s; allow ptrace and "
			   "seccomp (container, kernel.yama.ptrace_scope)",
			   args->words[0], strerror(-err));
	else if (sf_files_remedy(err) != NULL)
		sf_cmd_say(args->name, "cannot run '%s': %s; %s",
			   args->words[0], strerror(-err),
			   sf_files_remedy(err));
	else
		sf_cmd_say(args->name, "cannot run '%s': %s", args->words[0],
			   strerror(-err));
	return SF_EXIT_CANNOT;
}
