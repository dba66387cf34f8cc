/* SPDX-License-Identifier: MIT */
/* What is written in the machine language of x86_64. */
#ifndef SF_OS_ARCH_X86_64_H
#define SF_OS_ARCH_X86_64_H

#include <stdint.h>

/* The thread pointer: an address that no other thread has. */
static inline uintptr_t sf_arch_thread(void)
{
	uintptr_t thread;

	__asm__("mov %%fs:0, %0" : "=r"(thread));
	return thread;
}

/* Where addresses end that the kernel gives without being asked for more. */
#define SF_ARCH_ADDRESS_END (((uintptr_t)1 << 47) - 4096)

/* Number in rax, result in rax. */
static inline long sf_arch_syscall(long nr, long a, long b, long c, long d,
				   long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8),
			   "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

#endif
