// SPDX-License-Identifier: MIT
/* What is done at each stop of a squeezed program, see squeeze_stops.h. */
#include "squeeze_stops.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fill_other.h"
#include "near_limit.h"
#include "os/limit.h"
#include "os/maps.h"
#include "remote.h"

#define SYSCALL_STOP (SIGTRAP | 0x80)
#define MADE_MAX     4	/* mappings, by one call: mremap() in the middle */
#define COUNT_SHARE  10 /* of the time that one count took */

double sf_squeeze_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void resume(pid_t tid, enum __ptrace_request how, int sig)
{
	/* Fails only for a thread that was killed meanwhile. */
	ptrace(how, tid, NULL, (void *)(intptr_t)sig);
}

/*
 * Filling
 */

/* Fill it. False: the thread died of something meanwhile. */
static bool squeeze(struct sf_squeeze *run, const struct sf_task *task,
		    enum sf_remote_at at)
{
	struct sf_traced *process = task->process;
	struct sf_remote remote;
	pid_t tid = task->tid;
	int err = sf_remote_begin(&remote, task->tid, at, process->code);

	if (err == 0)
		err = sf_fill_other(&remote, process->pid, run->plan->spare,
				    run->mark);
	sf_remote_end(&remote);
	process->trap = 0;
	process->squeezed = err == 0;
	process->missed = err != 0;
	if (err == 0)
		run->result->nr_squeezed++;
	else if (err != -ESRCH)
		run->result->fill_err = err;
	if (remote.ended != 0)
		sf_squeeze_ended(run, tid, remote.ended);
	return remote.ended == 0;
}

static bool is_due(const struct sf_squeeze *run,
		   const struct sf_traced *process)
{
	if (process->squeezed || process->missed || process->trap != 0)
		return false;
	if (run->plan->when == SF_SQUEEZE_AT_CALL)
		return process->nr_calls >= run->plan->nr;
	return run->plan->when == SF_SQUEEZE_AFTER &&
	       sf_squeeze_seconds() >= run->deadline;
}

/* Where a program's own code begins, behind the dynamic linker's. */
static uint64_t read_entry(pid_t pid)
{
	uint64_t entry = 0;
	uint64_t pair[2];
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/auxv", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	while (entry == 0 && read(fd, pair, sizeof(pair)) == sizeof(pair))
		if (pair[0] == AT_ENTRY)
			entry = pair[1];
	close(fd);
	return entry;
}

static void set_trap(struct sf_squeeze *run, struct sf_traced *process,
		     pid_t tid)
{
	uint64_t entry = read_entry(process->pid);
	uint8_t code[sizeof(process->code)];
	int err = entry == 0 ? -EACCES :
			       sf_remote_peek(tid, entry, process->code,
					      sizeof(process->code));

	memcpy(code, process->code, sizeof(code));
	memcpy(code, sf_code_trap, sizeof(sf_code_trap));
	if (err == 0)
		err = sf_remote_poke(tid, entry, code, sizeof(code));
	if (err == 0)
		process->trap = entry;
	else
		run->result->fill_err = err;
	process->missed = err != 0;
}

/* A program for another machine than we are built for can't be filled. */
static bool is_foreign(pid_t tid)
{
	struct __ptrace_syscall_info info;

	return ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) > 0 &&
	       info.arch != SF_AUDIT_ARCH;
}

static void on_exec(struct sf_squeeze *run, struct sf_task *task)
{
	struct sf_traced *process = task->process;
	unsigned long former;
	struct sf_traced *gone = NULL;

	/* A thread that calls exec() becomes the first of its process. */
	if (ptrace(PTRACE_GETEVENTMSG, task->tid, NULL, &former) == 0 &&
	    (pid_t)former != task->tid)
		gone = sf_tasks_drop(&run->tasks, (pid_t)former);
	if (gone != NULL && gone != process)
		sf_process_free(gone);
	task->again = false;
	/* It has the number of the first, which may have ended before. */
	process->nr_exiting -= task->exiting;
	task->exiting = false;
	sf_process_reset(process);
	run->result->nr_processes++;
	/* Its calls are looked at as if it were. */
	process->squeezed = run->plan->when == SF_SQUEEZE_WATCH;
	if (process->squeezed || run->plan->when == SF_SQUEEZE_NEVER)
		return;
	if (is_foreign(task->tid)) {
		process->missed = true;
		run->result->fill_err = -ENOEXEC;
	} else if (run->plan->when == SF_SQUEEZE_AT_ENTRY ||
		   (run->plan->when == SF_SQUEEZE_AFTER &&
		    sf_squeeze_seconds() >= run->deadline)) {
		set_trap(run, process, task->tid);
	}
}

/* A signal; true: it was the trap, and the thread goes on, or is dead. */
static bool on_trap(struct sf_squeeze *run, struct sf_task *task)
{
	struct sf_regs regs;

	if (task->process->trap == 0 ||
	    sf_remote_get_regs(task->tid, &regs) != 0 ||
	    sf_regs_ip(&regs) - SF_TRAP_STEP != task->process->trap)
		return false;
	if (squeeze(run, task, SF_REMOTE_AT_TRAP))
		resume(task->tid, PTRACE_CONT, 0);
	return true;
}

/*
 * Calls
 */

static void on_call(struct sf_squeeze *run, struct sf_task *task)
{
	struct sf_traced *process = task->process;
	struct __ptrace_syscall_info info;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, task->tid, sizeof(info), &info) <=
	    0) {
		resume(task->tid, PTRACE_CONT, 0);
		return;
	}
	process->nr_calls += !task->again;
	task->again = false;
	if (is_due(run, process)) {
		task->again = true;
		if (squeeze(run, task, SF_REMOTE_AT_CALL))
			resume(task->tid, PTRACE_CONT, 0);
		return;
	}
	if (!process->squeezed) {
		resume(task->tid, PTRACE_CONT, 0);
		return;
	}
	run->result->nr_calls++;
	task->call.nr = info.seccomp.nr;
	memcpy(task->call.args, info.seccomp.args, sizeof(task->call.args));
	task->call.ip = info.instruction_pointer;
	task->call.sp = info.stack_pointer;
	resume(task->tid, PTRACE_SYSCALL, 0);
}

/*
 * Whether a process is near the limit of mappings, of which each call makes few.
 * Counting 65,000 takes 10 ms: near the limit it is done a tenth of the time.
 */
static bool is_near_limit(struct sf_traced *process, pid_t tid)
{
	struct sf_counted *counted = &process->counted;
	uint64_t since = process->nr_calls - counted->nr_calls;
	double start = sf_squeeze_seconds();
	size_t limit;

	sf_limit_mappings(&limit);
	if (counted->known && start < counted->again)
		return sf_is_near_limit(counted->mappings, limit);
	if (counted->known &&
	    !sf_is_near_limit(counted->mappings + since * MADE_MAX, limit))
		return false;
	counted->known = sf_maps_count(tid, &counted->mappings) == 0;
	counted->nr_calls = process->nr_calls;
	counted->again = 0;
	if (!counted->known || !sf_is_near_limit(counted->mappings, limit))
		return !counted->known;
	counted->again = start + COUNT_SHARE * (sf_squeeze_seconds() - start);
	return true;
}

static void note_refused(struct sf_squeeze *run, struct sf_task *task)
{
	const struct sf_memory_call *call = &task->call;
	struct sf_traced *process = task->process;
	bool far = sf_refused_for_hole(call) &&
		   !is_near_limit(process, task->tid);

	if (run->plan->tell != NULL) {
		run->plan->tell(run->plan->arg, task, far);
		return;
	}
	if (far) {
		run->result->nr_others++;
		return;
	}
	sf_refused_note(&run->result->refused, call, &process->where,
			process->pid, task->tid);
	if (call->nr == __NR_munmap)
		sf_ranges_add(&process->ranges, call->args[0], call->args[1]);
}

static void on_call_end(struct sf_squeeze *run, struct sf_task *task)
{
	struct __ptrace_syscall_info info;
	struct sf_memory_call *call = &task->call;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, task->tid, sizeof(info), &info) <=
		    0 ||
	    info.op != PTRACE_SYSCALL_INFO_EXIT)
		return;
	call->result = info.exit.rval;
	if (sf_refused_is(call))
		note_refused(run, task);
	else if (sf_refused_failed(call))
		run->result->nr_others++;
}

/*
 * Births and deaths
 */

static void on_birth(struct sf_squeeze *run, const struct sf_task *task)
{
	unsigned long tid;
	struct sf_task *born;
	bool waits;

	if (ptrace(PTRACE_GETEVENTMSG, task->tid, NULL, &tid) != 0)
		return;
	waits = sf_tasks_find(&run->tasks, (pid_t)tid) != NULL;
	born = sf_tasks_get(&run->tasks, (pid_t)tid);
	if (born == NULL || born->process != NULL)
		return;
	if (sf_tasks_join(born, task->process) && waits)
		resume(born->tid, PTRACE_CONT, 0);
}

/*
 * The last moment at which the memory of a process can be looked at, if no
 * other thread is left. The first thread is there, without memory, until all
 * others have ended; that of all is looked at when it ends, too.
 */
static void on_exit_begin(struct sf_task *task)
{
	struct sf_traced *process = task->process;
	uint64_t len;
	int err;

	process->nr_exiting += !task->exiting;
	task->exiting = true;
	if (process->ranges.nr == 0 ||
	    (task->tid != process->pid &&
	     process->nr_exiting < process->nr_tasks))
		return;
	err = sf_ranges_measure(&process->ranges, task->tid, NULL, &len);
	if (err != 0 && err != -EFBIG)
		return;
	process->resident = len;
	process->resident_at_most = err != 0;
}

void sf_squeeze_ended(struct sf_squeeze *run, pid_t tid, int status)
{
	struct sf_traced *process = sf_tasks_drop(&run->tasks, tid);

	if (process != NULL) {
		run->result->resident += process->resident;
		run->result->resident_at_most |= process->resident_at_most;
		sf_process_free(process);
	}
	if (tid == run->pid) {
		run->result->end = sf_child_end_of(status);
		run->ended = true;
	}
}

static bool stops_all(int sig)
{
	return sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN ||
	       sig == SIGTTOU;
}

/* An event of ptrace. The thread goes on. */
static void on_event(struct sf_squeeze *run, struct sf_task *task, int event,
		     int sig)
{
	switch (event) {
	case PTRACE_EVENT_SECCOMP:
		on_call(run, task);
		return;
	case PTRACE_EVENT_STOP:
		resume(task->tid, stops_all(sig) ? PTRACE_LISTEN : PTRACE_CONT,
		       0);
		return;
	case PTRACE_EVENT_FORK:
	case PTRACE_EVENT_VFORK:
	case PTRACE_EVENT_CLONE:
		on_birth(run, task);
		break;
	case PTRACE_EVENT_EXEC:
		on_exec(run, task);
		break;
	case PTRACE_EVENT_EXIT:
		on_exit_begin(task);
		break;
	default:
		break;
	}
	resume(task->tid, PTRACE_CONT, 0);
}

void sf_squeeze_stopped(struct sf_squeeze *run, pid_t tid, int status)
{
	struct sf_task *task = sf_tasks_get(&run->tasks, tid);
	int event = status >> 16;
	int sig = WSTOPSIG(status);

	if (task == NULL) {
		resume(tid, PTRACE_CONT, 0);
		return;
	}
	/* Born before its parent told of it: it waits until then. */
	if (task->process == NULL)
		return;
	if (event != 0) {
		on_event(run, task, event, sig);
		return;
	}
	if (sig == SYSCALL_STOP) {
		on_call_end(run, task);
		sig = 0;
	} else if (sig == SIGTRAP && on_trap(run, task)) {
		return;
	}
	resume(tid, PTRACE_CONT, sig);
}
