/* SPDX-License-Identifier: MIT */
/* The system call instruction of x86_64: number in rax, result in rax. */
#ifndef SF_OS_ARCH_X86_64_H
#define SF_OS_ARCH_X86_64_H

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
