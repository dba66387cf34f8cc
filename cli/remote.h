/* SPDX-License-Identifier: MIT */
/*
 * Makes a thread that we trace, and that is stopped, do things of our choice:
 * system calls, and the loop that uses up mappings. All signals but SIGKILL and
 * SIGSTOP wait meanwhile; registers and signal mask are put back at the end.
 *
 *	struct sf_remote remote;
 *	int err = sf_remote_begin(&remote, tid, at);
 *	if (err == 0)
 *		addr = sf_remote_call(&remote, __NR_mmap, ...);
 *	sf_remote_end(&remote);
 *
 * The thread must have the filter of filter.h, which stops it at the calls.
 */
#ifndef SF_CLI_REMOTE_H
#define SF_CLI_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#if defined(__x86_64__)
#include "arch/x86_64.h"
#else
#include "arch/aarch64.h"
#endif

/* Where the thread is stopped. */
enum sf_remote_at {
	SF_REMOTE_AT_CALL, /* by the filter; the call is made again at the end */
	SF_REMOTE_AT_TRAP, /* by sf_code_trap, which is put back */
};

struct sf_remote {
	pid_t tid;
	enum sf_remote_at at;
	struct sf_regs saved;
	uint64_t mask;	 /* of signals */
	uint64_t ip;	 /* of an instruction that makes a system call */
	uint8_t code[8]; /* what was there before */
	bool stopped;	 /* by a SIGSTOP that is sent again */
	int ended;	 /* status of waitpid() when it died, else 0 */
};

/*
 * code is what belongs at the trap, of 8 bytes; not used at a call. 0 or
 * -errno; -ESRCH: the thread died, and ended has its status if it was reaped.
 */
int sf_remote_begin(struct sf_remote *remote, pid_t tid, enum sf_remote_at at,
		    const uint8_t code[8]);
void sf_remote_end(struct sf_remote *remote);

/* Result of the system call, or -errno. */
int64_t sf_remote_call(struct sf_remote *remote, long nr,
		       const uint64_t args[6]);

/* Run sf_code_loop, which lies at ip. 0, or -ENOMEM: not to the end. */
int sf_remote_loop(struct sf_remote *remote, uint64_t ip, uint64_t addr,
		   uint64_t len, uint64_t nr, int prot, uint64_t mark);

/* Registers of a stopped thread. 0 or -errno. */
int sf_remote_get_regs(pid_t tid, struct sf_regs *regs);
int sf_remote_set_regs(pid_t tid, const struct sf_regs *regs);

/* Its memory, also where it may not write; len a multiple of 8. 0 or -errno. */
int sf_remote_peek(pid_t tid, uint64_t addr, void *buf, size_t len);
int sf_remote_poke(pid_t tid, uint64_t addr, const void *buf, size_t len);

#endif
