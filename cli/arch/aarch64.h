/* SPDX-License-Identifier: MIT */
/* Another process's registers and machine code, on aarch64. */
#ifndef SF_CLI_ARCH_AARCH64_H
#define SF_CLI_ARCH_AARCH64_H

#include <linux/audit.h>
#include <stdint.h>
#include <sys/user.h>

#define SF_AUDIT_ARCH AUDIT_ARCH_AARCH64

/* The number of a system call is no register that x8 would still hold. */
struct sf_regs {
	struct user_regs_struct user;
	int call; /* to be written when set_call */
	int set_call;
};

/* svc #0 */
static const uint8_t sf_code_syscall[] = { 0x01, 0x00, 0x00, 0xd4 };

/* brk #0. It stops on the instruction itself. */
static const uint8_t sf_code_trap[] = { 0x00, 0x00, 0x20, 0xd4 };
#define SF_TRAP_STEP 0

/*
 *	1:	mov	x0, x20		address
 *		mov	x1, x21		length
 *		mov	x2, x22		protection
 *		mov	x3, x23		mark, which mprotect() ignores
 *		mov	x8, #226	mprotect
 *		svc	#0
 *		cbnz	x0, 2f
 *		add	x20, x20, x24	step
 *		sub	x25, x25, #1	number
 *		cbnz	x25, 1b
 *	2:	mov	x0, #0
 *		mov	x1, #0
 *		mov	x8, #215	munmap(0, 0): stops for the tracer
 *		svc	#0
 *	3:	b	3b
 */
static const uint8_t sf_code_loop[] = {
	0xe0, 0x03, 0x14, 0xaa, 0xe1, 0x03, 0x15, 0xaa, 0xe2, 0x03, 0x16, 0xaa,
	0xe3, 0x03, 0x17, 0xaa, 0x48, 0x1c, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4,
	0x80, 0x00, 0x00, 0xb5, 0x94, 0x02, 0x18, 0x8b, 0x39, 0x07, 0x00, 0xd1,
	0xf9, 0xfe, 0xff, 0xb5, 0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x80, 0xd2,
	0xe8, 0x1a, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, 0x00, 0x00, 0x00, 0x14,
};

static inline uint64_t sf_regs_ip(const struct sf_regs *regs)
{
	return regs->user.pc;
}

static inline uint64_t sf_regs_sp(const struct sf_regs *regs)
{
	return regs->user.sp;
}

static inline void sf_regs_set_ip(struct sf_regs *regs, uint64_t ip)
{
	regs->user.pc = ip;
	regs->set_call = 0;
}

static inline int64_t sf_regs_result(const struct sf_regs *regs)
{
	return (int64_t)regs->user.regs[0];
}

/* In the order in which DWARF numbers them; the last is the stack pointer. */
#define SF_DWARF_REGS 32

static inline void sf_regs_to_dwarf(const struct sf_regs *regs,
				    uint64_t words[SF_DWARF_REGS])
{
	for (int i = 0; i < 31; i++)
		words[i] = regs->user.regs[i];
	words[31] = regs->user.sp;
}

/* Arguments of the system call that has just ended, but for the first. */
static inline void sf_regs_args(const struct sf_regs *regs, uint64_t args[6])
{
	for (int i = 1; i < 6; i++)
		args[i] = regs->user.regs[i];
}

/* At the entry of a system call: do none. */
static inline void sf_regs_skip(struct sf_regs *regs)
{
	regs->call = -1;
	regs->set_call = 1;
}

/* As they were at the entry of a system call: make it once more. */
static inline void sf_regs_again(struct sf_regs *regs)
{
	sf_regs_set_ip(regs, regs->user.pc - sizeof(sf_code_syscall));
}

/* Make this system call at ip, where the instruction is. */
static inline void sf_regs_call(struct sf_regs *regs, uint64_t ip, long nr,
				const uint64_t args[6])
{
	sf_regs_set_ip(regs, ip);
	regs->user.regs[8] = (uint64_t)nr;
	for (int i = 0; i < 6; i++)
		regs->user.regs[i] = args[i];
}

/* Run the loop that lies at ip. */
static inline void sf_regs_loop(struct sf_regs *regs, uint64_t ip,
				uint64_t addr, uint64_t len, uint64_t step,
				uint64_t nr, uint64_t prot, uint64_t mark)
{
	sf_regs_set_ip(regs, ip);
	regs->user.regs[20] = addr;
	regs->user.regs[21] = len;
	regs->user.regs[22] = prot;
	regs->user.regs[23] = mark;
	regs->user.regs[24] = step;
	regs->user.regs[25] = nr;
}

/* When it has stopped: how many are not done. */
static inline uint64_t sf_regs_loop_left(const struct sf_regs *regs)
{
	return regs->user.regs[25];
}

#endif
