// SPDX-License-Identifier: MIT
/*
 * The parent seizes the child before the child installs its filter: a filter
 * that says "trace" without a tracer makes the call fail. Order:
 *
 *	parent				child
 *	fork				waits on the pipe
 *	PTRACE_SEIZE
 *	writes whether it worked	installs the filter, or goes on without
 *	handles stops			works
 *
 * Each munmap() stops twice: when the filter sees it, and (PTRACE_SYSCALL) at
 * its exit, where PTRACE_GET_SYSCALL_INFO (5.3) has the result. Threads are
 * traced from birth; all die with the parent.
 */
#include "munmap_count.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"

#define TRACE_OPTIONS                                                       \
	(PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | \
	 PTRACE_O_TRACEVFORK | PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)
#define SYSCALL_STOP (SIGTRAP | 0x80)

/* What both sides know. */
struct plan {
	void (*work)(void *);
	void *arg;
	pid_t parent;
	int go[2];	      /* pipe: one byte, whether the tracer is there */
	atomic_int *filtered; /* shared: 0, or why there is no filter */
};

/* Stop at munmap() of this process and its threads. 0 or -errno. */
static int install_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_munmap, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { SF_NR(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0)
		return -errno;
	return 0;
}

static void child(const struct plan *plan)
{
	char traced = 0;

	sf_child_settle(plan->parent);
	close(plan->go[1]);
	if (read(plan->go[0], &traced, 1) == 1 && traced)
		atomic_store(plan->filtered, install_filter());
	close(plan->go[0]);
	plan->work(plan->arg);
	_exit(0);
}

/* At the exit of a munmap(): count it. */
static void count_exit(pid_t tid, struct sf_munmap_count *count)
{
	struct __ptrace_syscall_info info;
	size_t len = sizeof(info);

	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, len, &info) <= 0) {
		count->counted = false;
		snprintf(count->why_not, sizeof(count->why_not),
			 "the kernel has no PTRACE_GET_SYSCALL_INFO");
		return;
	}
	count->nr++;
	count->nr_failed += info.op == PTRACE_SYSCALL_INFO_EXIT &&
			    info.exit.is_error != 0;
}

static bool stops_all(int sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN ||
	       sig == SIGTTOU;
}

/* A traced thread stopped: look, and let it go on. */
static void handle_stop(pid_t tid, int status, const atomic_bool *armed,
			struct sf_munmap_count *count)
{
	enum __ptrace_request how = PTRACE_CONT;
	int event = status >> 16;
	int sig = WSTOPSIG(status);

	if (event == PTRACE_EVENT_SECCOMP) {
		how = PTRACE_SYSCALL;
		sig = 0;
	} else if (event == PTRACE_EVENT_STOP && stops_all(sig)) {
		how = PTRACE_LISTEN;
		sig = 0;
	} else if (event != 0) {
		sig = 0;
	} else if (sig == SYSCALL_STOP) {
		if (atomic_load(armed))
			count_exit(tid, count);
		sig = 0;
	}
	/* Fails only for a thread that was killed meanwhile. */
	ptrace(how, tid, NULL, (void *)(intptr_t)sig);
}

/* Follow the child until it has ended. 0 or -errno. */
static int follow(pid_t pid, const atomic_bool *armed,
		  struct sf_munmap_count *count, struct sf_child_end *end)
{
	int status;
	pid_t tid;

	for (;;) {
		tid = waitpid(-1, &status, __WALL);
		if (tid < 0 && errno == EINTR)
			continue;
		if (tid < 0)
			return -errno;
		if (WIFSTOPPED(status)) {
			handle_stop(tid, status, armed, count);
		} else if (tid == pid) {
			*end = sf_child_end_of(status);
			return 0;
		}
	}
}

static void say_why_not(struct sf_munmap_count *count, const char *what,
			int err)
{
	char buf[24];

	count->counted = false;
	snprintf(count->why_not, sizeof(count->why_not), "%s was refused (%s)",
		 what, sf_errno_name(err, buf, sizeof(buf)));
}

/* Trace the child where allowed, tell it, follow it. 0 or -errno. */
static int parent(pid_t pid, const struct plan *plan, const atomic_bool *armed,
		  struct sf_munmap_count *count, struct sf_child_end *end)
{
	char traced = 1;
	int err;

	count->counted = true;
	if (ptrace(PTRACE_SEIZE, pid, NULL, (void *)TRACE_OPTIONS) != 0) {
		traced = 0;
		say_why_not(count, "ptrace", errno);
	}
	if (write(plan->go[1], &traced, 1) != 1)
		kill(pid, SIGKILL);
	err = follow(pid, armed, count, end);
	if (count->counted && atomic_load(plan->filtered) != 0)
		say_why_not(count, "a seccomp filter",
			    -atomic_load(plan->filtered));
	return err;
}

int sf_munmap_count_run(void (*work)(void *), void *arg,
			const atomic_bool *armed, struct sf_munmap_count *count,
			struct sf_child_end *end)
{
	struct plan plan = { .work = work, .arg = arg, .parent = getpid() };
	int err = 0;
	pid_t pid;

	*count = (struct sf_munmap_count){ 0 };
	plan.filtered = sf_child_share(sizeof(*plan.filtered));
	if (plan.filtered == NULL)
		return -ENOMEM;
	if (pipe(plan.go) != 0) {
		sf_child_unshare(plan.filtered, sizeof(*plan.filtered));
		return -errno;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		child(&plan);
	if (pid < 0)
		err = -errno;
	if (pid > 0)
		err = parent(pid, &plan, armed, count, end);
	close(plan.go[0]);
	close(plan.go[1]);
	sf_child_unshare(plan.filtered, sizeof(*plan.filtered));
	return err;
}
