// SPDX-License-Identifier: MIT
/*
 * Runs code in a stopped thread, see remote.h.
 *
 * A thread that the filter stopped is at the entry of a system call. It is made
 * to skip the call and to stop at the exit, from where it can be sent anywhere;
 * at the end it is sent back to the instruction that makes the call. Calls of
 * ours stop in the same two places, and so does the loop, whose last act is a
 * munmap() of nothing.
 */
#include "remote.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SYSCALL_STOP (SIGTRAP | 0x80)

/* NT_ARM_SYSTEM_CALL: what the number of the system call is to be. */
#define NT_CALL 0x404

int sf_remote_get_regs(pid_t tid, struct sf_regs *regs)
{
	struct iovec io = { &regs->user, sizeof(regs->user) };

	return ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &io) == 0 ? 0 :
								      -errno;
}

/* On x86_64 the number of the call is among the registers. */
static int set_call(pid_t tid, const struct sf_regs *regs)
{
#if defined(__aarch64__)
	int call = regs->call;
	struct iovec io = { &call, sizeof(call) };

	if (regs->set_call != 0 &&
	    ptrace(PTRACE_SETREGSET, tid, NT_CALL, &io) != 0)
		return -errno;
#else
	(void)tid;
	(void)regs;
#endif
	return 0;
}

int sf_remote_set_regs(pid_t tid, const struct sf_regs *regs)
{
	struct user_regs_struct user = regs->user;
	struct iovec io = { &user, sizeof(user) };

	if (ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &io) != 0)
		return -errno;
	return set_call(tid, regs);
}

int sf_remote_peek(pid_t tid, uint64_t addr, void *buf, size_t len)
{
	for (size_t at = 0; at < len; at += sizeof(long)) {
		long word;

		errno = 0;
		word = ptrace(PTRACE_PEEKTEXT, tid, addr + at, NULL);
		if (errno != 0)
			return -errno;
		memcpy((char *)buf + at, &word, sizeof(word));
	}
	return 0;
}

int sf_remote_poke(pid_t tid, uint64_t addr, const void *buf, size_t len)
{
	for (size_t at = 0; at < len; at += sizeof(long)) {
		long word;

		memcpy(&word, (const char *)buf + at, sizeof(word));
		if (ptrace(PTRACE_POKETEXT, tid, addr + at, word) != 0)
			return -errno;
	}
	return 0;
}

/* Let it run until it stops at a system call: filtered, or at its end. */
static int run_until(struct sf_remote *remote, enum __ptrace_request how,
		     bool filtered)
{
	int status;

	for (;;) {
		if (ptrace(how, remote->tid, NULL, NULL) != 0)
			return -errno;
		while (waitpid(remote->tid, &status, __WALL) < 0)
			if (errno != EINTR)
				return -errno;
		if (!WIFSTOPPED(status)) {
			remote->ended = status;
			return -ESRCH;
		}
		if (status >> 16 == PTRACE_EVENT_SECCOMP && filtered)
			return 0;
		if (WSTOPSIG(status) == SYSCALL_STOP && !filtered)
			return 0;
		if (status >> 16 == 0 && WSTOPSIG(status) == SIGSTOP)
			remote->stopped = true;
	}
}

/* From the entry of a filtered call to its end. */
static int finish_call(struct sf_remote *remote)
{
	return run_until(remote, PTRACE_SYSCALL, false);
}

static int set_mask(pid_t tid, uint64_t mask)
{
	return ptrace(PTRACE_SETSIGMASK, tid, sizeof(mask), &mask) == 0 ?
		       0 :
		       -errno;
}

/* Away from the call that it was about to make. */
static int leave_call(struct sf_remote *remote)
{
	struct sf_regs regs = remote->saved;
	int err;

	sf_regs_skip(&regs);
	err = sf_remote_set_regs(remote->tid, &regs);
	if (err == 0)
		err = finish_call(remote);
	remote->ip = sf_regs_ip(&remote->saved) - sizeof(sf_code_syscall);
	sf_regs_again(&remote->saved);
	return err;
}

/* Where the trap was, an instruction that makes a system call. */
static int leave_trap(struct sf_remote *remote, const uint8_t code[8])
{
	uint8_t call[8];

	remote->ip = sf_regs_ip(&remote->saved) - SF_TRAP_STEP;
	memcpy(remote->code, code, sizeof(remote->code));
	memcpy(call, code, sizeof(call));
	memcpy(call, sf_code_syscall, sizeof(sf_code_syscall));
	sf_regs_set_ip(&remote->saved, remote->ip);
	return sf_remote_poke(remote->tid, remote->ip, call, sizeof(call));
}

int sf_remote_begin(struct sf_remote *remote, pid_t tid, enum sf_remote_at at,
		    const uint8_t code[8])
{
	int err;

	*remote = (struct sf_remote){ .tid = tid, .at = at };
	err = sf_remote_get_regs(tid, &remote->saved);
	if (err == 0 && ptrace(PTRACE_GETSIGMASK, tid, sizeof(remote->mask),
			       &remote->mask) != 0)
		err = -errno;
	if (err == 0)
		err = set_mask(tid, ~(uint64_t)0);
	if (err != 0)
		return err;
	return at == SF_REMOTE_AT_CALL ? leave_call(remote) :
					 leave_trap(remote, code);
}

void sf_remote_end(struct sf_remote *remote)
{
	if (remote->ended != 0)
		return;
	if (remote->at == SF_REMOTE_AT_TRAP)
		sf_remote_poke(remote->tid, remote->ip, remote->code,
			       sizeof(remote->code));
	sf_remote_set_regs(remote->tid, &remote->saved);
	set_mask(remote->tid, remote->mask);
	if (remote->stopped)
		syscall(__NR_tkill, remote->tid, SIGSTOP);
}

int64_t sf_remote_call(struct sf_remote *remote, long nr,
		       const uint64_t args[6])
{
	struct sf_regs regs = remote->saved;
	int err;

	sf_regs_call(&regs, remote->ip, nr, args);
	err = sf_remote_set_regs(remote->tid, &regs);
	if (err == 0)
		err = run_until(remote, PTRACE_CONT, true);
	if (err == 0)
		err = finish_call(remote);
	if (err == 0)
		err = sf_remote_get_regs(remote->tid, &regs);
	return err == 0 ? sf_regs_result(&regs) : err;
}

int sf_remote_loop(struct sf_remote *remote, uint64_t ip, uint64_t addr,
		   uint64_t len, uint64_t nr, int prot, uint64_t mark)
{
	struct sf_regs regs = remote->saved;
	int err;

	sf_regs_loop(&regs, ip, addr, len, 2 * len, nr, (uint64_t)prot, mark);
	err = sf_remote_set_regs(remote->tid, &regs);
	if (err == 0)
		err = run_until(remote, PTRACE_CONT, true);
	if (err == 0)
		err = sf_remote_get_regs(remote->tid, &regs);
	if (err == 0)
		err = finish_call(remote);
	if (err != 0)
		return err;
	return sf_regs_loop_left(&regs) == 0 ? 0 : -ENOMEM;
}
