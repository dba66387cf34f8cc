/* SPDX-License-Identifier: MIT */
/* Another process's registers and machine code, on x86_64. */
#ifndef SF_CLI_ARCH_X86_64_H
#define SF_CLI_ARCH_X86_64_H

#include <linux/audit.h>
#include <stdint.h>
#include <sys/user.h>

#define SF_AUDIT_ARCH AUDIT_ARCH_X86_64

struct sf_regs {
	struct user_regs_struct user;
};

/* syscall */
static const uint8_t sf_code_syscall[] = { 0x0f, 0x05 };

/* int3. When it stops the instruction pointer is that far behind it. */
static const uint8_t sf_code_trap[] = { 0xcc };
#define SF_TRAP_STEP 1

/*
 *	1:	mov	%r12, %rdi	address
 *		mov	%rbx, %rsi	length
 *		mov	%rbp, %rdx	protection
 *		mov	%r15, %r10	mark, which mprotect() ignores
 *		mov	$10, %eax	mprotect
 *		syscall
 *		test	%rax, %rax
 *		jnz	2f
 *		add	%r13, %r12	step
 *		dec	%r14		number
 *		jnz	1b
 *	2:	xor	%edi, %edi
 *		xor	%esi, %esi
 *		mov	$11, %eax	munmap(0, 0): stops for the tracer
 *		syscall
 *	3:	jmp	3b
 */
static const uint8_t sf_code_loop[] = {
	0x4c, 0x89, 0xe7, 0x48, 0x89, 0xde, 0x48, 0x89, 0xea, 0x4d, 0x89, 0xfa,
	0xb8, 0x0a, 0x00, 0x00, 0x00, 0x0f, 0x05, 0x48, 0x85, 0xc0, 0x75, 0x08,
	0x4d, 0x01, 0xec, 0x49, 0xff, 0xce, 0x75, 0xe0, 0x31, 0xff, 0x31, 0xf6,
	0xb8, 0x0b, 0x00, 0x00, 0x00, 0x0f, 0x05, 0xeb, 0xfe,
};

static inline uint64_t sf_regs_ip(const struct sf_regs *regs)
{
	return regs->user.rip;
}

static inline uint64_t sf_regs_sp(const struct sf_regs *regs)
{
	return regs->user.rsp;
}

static inline void sf_regs_set_ip(struct sf_regs *regs, uint64_t ip)
{
	regs->user.rip = ip;
	regs->user.orig_rax = (uint64_t)-1; /* no system call to restart */
}

static inline int64_t sf_regs_result(const struct sf_regs *regs)
{
	return (int64_t)regs->user.rax;
}

/* In the order in which DWARF numbers them. */
#define SF_DWARF_REGS 17

static inline void sf_regs_to_dwarf(const struct sf_regs *regs,
				    uint64_t words[SF_DWARF_REGS])
{
	const struct user_regs_struct *user = &regs->user;

	words[0] = user->rax;
	words[1] = user->rdx;
	words[2] = user->rcx;
	words[3] = user->rbx;
	words[4] = user->rsi;
	words[5] = user->rdi;
	words[6] = user->rbp;
	words[7] = user->rsp;
	words[8] = user->r8;
	words[9] = user->r9;
	words[10] = user->r10;
	words[11] = user->r11;
	words[12] = user->r12;
	words[13] = user->r13;
	words[14] = user->r14;
	words[15] = user->r15;
	words[16] = user->rip;
}

/* Arguments of the system call that has just ended, but for the first. */
static inline void sf_regs_args(const struct sf_regs *regs, uint64_t args[6])
{
	args[1] = regs->user.rsi;
	args[2] = regs->user.rdx;
	args[3] = regs->user.r10;
	args[4] = regs->user.r8;
	args[5] = regs->user.r9;
}

/* At the entry of a system call: do none. */
static inline void sf_regs_skip(struct sf_regs *regs)
{
	regs->user.orig_rax = (uint64_t)-1;
}

/* As they were at the entry of a system call: make it once more. */
static inline void sf_regs_again(struct sf_regs *regs)
{
	regs->user.rax = regs->user.orig_rax;
	sf_regs_set_ip(regs, regs->user.rip - sizeof(sf_code_syscall));
}

/* Make this system call at ip, where the instruction is. */
static inline void sf_regs_call(struct sf_regs *regs, uint64_t ip, long nr,
				const uint64_t args[6])
{
	sf_regs_set_ip(regs, ip);
	regs->user.rax = (uint64_t)nr;
	regs->user.rdi = args[0];
	regs->user.rsi = args[1];
	regs->user.rdx = args[2];
	regs->user.r10 = args[3];
	regs->user.r8 = args[4];
	regs->user.r9 = args[5];
}

/* Run the loop that lies at ip. */
static inline void sf_regs_loop(struct sf_regs *regs, uint64_t ip,
				uint64_t addr, uint64_t len, uint64_t step,
				uint64_t nr, uint64_t prot, uint64_t mark)
{
	sf_regs_set_ip(regs, ip);
	regs->user.r12 = addr;
	regs->user.rbx = len;
	regs->user.r13 = step;
	regs->user.r14 = nr;
	regs->user.rbp = prot;
	regs->user.r15 = mark;
}

/* When it has stopped: how many are not done. */
static inline uint64_t sf_regs_loop_left(const struct sf_regs *regs)
{
	return regs->user.r14;
}

#endif
