// SPDX-License-Identifier: MIT
/*
 * Starts a program under our tracer, follows it to its end and cleans up, see
 * squeeze.h. The parent seizes the child before it installs its filter, as in
 * munmap_count.c.
 */
#include "squeeze.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "filter.h"
#include "squeeze_stops.h"
#include "start.h"

#define TRACE_OPTIONS                                                       \
	(PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | \
	 PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT |    \
	 PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)

static volatile sig_atomic_t timed_out;

static void note_timeout(int sig)
{
	(void)sig;
	timed_out = 1;
}

static void kill_all(const struct sf_squeeze *run)
{
	for (size_t i = 0; i < run->tasks.space; i++)
		if (run->tasks.by_tid[i] != NULL)
			kill((pid_t)i, SIGKILL);
}

/*
 * Until the program has ended, and then what it left behind. Whoever became us
 * by exec() may have children of its own; those are not waited for.
 */
static void follow(struct sf_squeeze *run)
{
	int status;
	pid_t tid;

	for (;;) {
		bool done = run->ended && run->tasks.nr == 0;

		tid = waitpid(-1, &status, __WALL | (done ? WNOHANG : 0));
		if (tid == 0 || (tid < 0 && errno != EINTR))
			break;
		if (tid > 0 && WIFSTOPPED(status))
			sf_squeeze_stopped(run, tid, status);
		else if (tid > 0)
			sf_squeeze_ended(run, tid, status);
		if (timed_out && !run->ended)
			run->result->timed_out = true;
		if (timed_out || run->ended)
			kill_all(run);
	}
}

static void be_quiet(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; fd >= 0 && i <= STDERR_FILENO; i++)
		dup2(fd, i);
}

/* Waits until it is traced, installs the filter, becomes the program. */
static void child(const struct sf_squeeze *run, const int go[2], int *err)
{
	char byte = 0;

	close(go[1]);
	if (read(go[0], &byte, 1) != 1)
		_exit(0);
	*err = sf_filter_install(run->mark);
	if (*err != 0)
		_exit(0);
	if (run->plan->quiet)
		be_quiet();
	sf_start_prepare(run->plan->out);
	execv(run->plan->path, run->plan->words);
	*err = -errno;
	_exit(0);
}

static int trace(struct sf_squeeze *run, const int go[2], const int *err)
{
	struct sf_task *task = sf_tasks_get(&run->tasks, run->pid);
	int result = 0;

	if (task == NULL || !sf_tasks_join(task, NULL))
		result = -ENOMEM;
	else if (ptrace(PTRACE_SEIZE, run->pid, NULL, (void *)TRACE_OPTIONS))
		result = -errno;
	if (result != 0 || write(go[1], "", 1) != 1)
		kill(run->pid, SIGKILL);
	follow(run);
	return result != 0 ? result : *err;
}

/* Again each second after: one that comes just before waitpid() is missed. */
static void set_timeout(unsigned seconds)
{
	struct itimerval timer = { { 1, 0 }, { (time_t)seconds, 0 } };
	struct sigaction action = { .sa_handler = note_timeout };

	timed_out = 0;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* Fork, trace; keys that interrupt are for the program. */
static int run_child(struct sf_squeeze *run, const int go[2], int *err)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction before[2];
	int result;

	fflush(NULL);
	run->pid = fork();
	if (run->pid == 0)
		child(run, go, err);
	if (run->pid < 0)
		return -errno;
	sigaction(SIGINT, &ignore, &before[0]);
	sigaction(SIGQUIT, &ignore, &before[1]);
	set_timeout(run->plan->timeout);
	result = trace(run, go, err);
	set_timeout(0);
	sigaction(SIGINT, &before[0], NULL);
	sigaction(SIGQUIT, &before[1], NULL);
	return result;
}

int sf_squeeze_run(const struct sf_squeeze_plan *plan,
		   struct sf_squeeze_result *result)
{
	struct sf_squeeze run = { .plan = plan, .result = result };
	int *err = sf_child_share(sizeof(*err));
	int code = err != NULL ? 0 : -ENOMEM;
	int go[2];

	*result = (struct sf_squeeze_result){ 0 };
	if (code == 0 && pipe2(go, O_CLOEXEC) != 0)
		code = -errno;
	if (code == 0) {
		if (getrandom(&run.mark, sizeof(run.mark), 0) < 0)
			run.mark = (uint64_t)getpid() << 32 | 1;
		run.deadline = sf_squeeze_seconds() + (double)plan->nr;
		code = run_child(&run, go, err);
		close(go[0]);
		close(go[1]);
	}
	sf_tasks_free(&run.tasks);
	if (err != NULL)
		sf_child_unshare(err, sizeof(*err));
	if (code != 0)
		sf_squeeze_free(result);
	return code;
}

void sf_squeeze_free(struct sf_squeeze_result *result)
{
	sf_refused_free(&result->refused);
}
