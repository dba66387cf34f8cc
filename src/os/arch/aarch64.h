/* SPDX-License-Identifier: MIT */
/* What is written in the machine language of aarch64. */
#ifndef SF_OS_ARCH_AARCH64_H
#define SF_OS_ARCH_AARCH64_H

#include <stdint.h>

/* The thread pointer: an address that no other thread has. */
static inline uintptr_t sf_arch_thread(void)
{
	uintptr_t thread;

	__asm__("mrs %0, tpidr_el0" : "=r"(thread));
	return thread;
}

/* Where addresses end that the kernel gives without being asked for more. */
#define SF_ARCH_ADDRESS_END ((uintptr_t)1 << 48)

/* Number in x8, result in x0. */
static inline long sf_arch_syscall(long nr, long a, long b, long c, long d,
				   long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

#endif
