/* SPDX-License-Identifier: MIT */
/*
 * A system call as its registers show it, in a program on the raw tracepoint
 * sys_exit. To be included after vmlinux.h and bpf_helpers.h; built for one CPU.
 */
#ifndef SF_BPF_SYSCALL_BPF_H
#define SF_BPF_SYSCALL_BPF_H

#include "near_limit.h"
#include "process.bpf.h"

#define ENOMEM 12
#define EAGAIN 11

#if defined(__TARGET_ARCH_x86)

/* 32-bit programs have other numbers; theirs are not looked at. */
#define USER32_CS 0x23

static __always_inline long syscall_number(const struct pt_regs *regs)
{
	return (regs->cs & 0xffff) == USER32_CS ? -1 : (long)regs->orig_ax;
}

static __always_inline unsigned long syscall_first(const struct pt_regs *regs)
{
	return regs->di;
}

static __always_inline unsigned long syscall_second(const struct pt_regs *regs)
{
	return regs->si;
}

static __always_inline unsigned long syscall_third(const struct pt_regs *regs)
{
	return regs->dx;
}

static __always_inline void syscall_where(const struct pt_regs *regs, __u64 *ip,
					  unsigned long *sp)
{
	*ip = regs->ip;
	*sp = regs->sp;
}

#define NR_MMAP	    9
#define NR_MPROTECT 10
#define NR_MUNMAP   11
#define NR_BRK	    12
#define NR_MREMAP   25
#define NR_MADVISE  28

#elif defined(__TARGET_ARCH_arm64)

#define PSR_MODE32_BIT 0x10

static __always_inline long syscall_number(const struct pt_regs *regs)
{
	return (regs->pstate & PSR_MODE32_BIT) != 0 ? -1 : regs->syscallno;
}

/* The register itself holds the result by now. */
static __always_inline unsigned long syscall_first(const struct pt_regs *regs)
{
	return regs->orig_x0;
}

static __always_inline unsigned long syscall_second(const struct pt_regs *regs)
{
	return regs->regs[1];
}

static __always_inline unsigned long syscall_third(const struct pt_regs *regs)
{
	return regs->regs[2];
}

static __always_inline void syscall_where(const struct pt_regs *regs, __u64 *ip,
					  unsigned long *sp)
{
	*ip = regs->pc;
	*sp = regs->sp;
}

#define NR_BRK	    214
#define NR_MUNMAP   215
#define NR_MREMAP   216
#define NR_MMAP	    222
#define NR_MPROTECT 226
#define NR_MADVISE  233

#endif

/* Which of the memory calls this is; SF_CALL_NR: none. */
static __always_inline enum sf_call syscall_kind(const struct pt_regs *regs)
{
	switch (syscall_number(regs)) {
	case NR_MMAP:
		return SF_CALL_MMAP;
	case NR_MUNMAP:
		return SF_CALL_MUNMAP;
	case NR_MPROTECT:
		return SF_CALL_MPROTECT;
	case NR_MREMAP:
		return SF_CALL_MREMAP;
	case NR_MADVISE:
		return SF_CALL_MADVISE;
	case NR_BRK:
		return SF_CALL_BRK;
	}
	return SF_CALL_NR;
}

enum syscall_end {
	SYSCALL_DONE, /* or failed for another reason */
	SYSCALL_REFUSED,
	SYSCALL_FAR, /* failed with ENOMEM, far from the limit: near_limit.h */
};

/*
 * How the current thread's call ended. brk() has no error: it returns where the
 * break is, moved or not.
 */
static __always_inline enum syscall_end syscall_end(const struct pt_regs *regs,
						    long result,
						    enum sf_call call,
						    __u32 limit)
{
	struct task_struct *task;

	if (call == SF_CALL_BRK)
		return syscall_first(regs) > (unsigned long)result ?
			       SYSCALL_REFUSED :
			       SYSCALL_DONE;
	if (result != -ENOMEM && result != -EAGAIN)
		return SYSCALL_DONE;
	if (result == -EAGAIN ||
	    (call != SF_CALL_MPROTECT && call != SF_CALL_MADVISE))
		return SYSCALL_REFUSED;
	task = bpf_get_current_task_btf();
	if (task->mm == 0 || sf_is_near_limit(task->mm->map_count, limit))
		return SYSCALL_REFUSED;
	return SYSCALL_FAR;
}

#endif
