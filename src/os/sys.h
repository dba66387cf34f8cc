/* SPDX-License-Identifier: MIT */
/*
 * Raw system calls: the result, or -errno. errno is never touched, and no
 * interposed libc function stands between us and the kernel.
 */
#ifndef SF_OS_SYS_H
#define SF_OS_SYS_H

#include <asm/unistd.h>

#if defined(__x86_64__)
#include "os/arch/x86_64.h"
#elif defined(__aarch64__)
#include "os/arch/aarch64.h"
#else
#error "surefree runs on x86_64 and aarch64"
#endif

#ifdef SF_FAULT
/* Tests: asked before every call; 0 to go on, -errno to fail it. */
extern long (*sf_fault_hook)(long nr);
#endif

static inline long sf_sys(long nr, long a, long b, long c, long d, long e,
			  long f)
{
#ifdef SF_FAULT
	long fault = sf_fault_hook != 0 ? sf_fault_hook(nr) : 0;

	if (fault != 0)
		return fault;
#endif
	return sf_arch_syscall(nr, a, b, c, d, e, f);
}

#endif
