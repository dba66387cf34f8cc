// SPDX-License-Identifier: MIT
/* By the kernel's call: libc's would leave its own signals alone. */
#include "os/signals.h"

#include <signal.h>

#include "os/sys.h"

#define BIT(signal) ((uint64_t)1 << ((signal)-1))

#define OWN                                                       \
	(BIT(SIGSEGV) | BIT(SIGBUS) | BIT(SIGFPE) | BIT(SIGILL) | \
	 BIT(SIGTRAP) | BIT(SIGSYS) | BIT(SIGABRT))

uint64_t sf_signals_block(void)
{
	uint64_t all = ~OWN;
	uint64_t old = 0;

	sf_sys(__NR_rt_sigprocmask, SIG_BLOCK, (long)&all, (long)&old,
	       sizeof(all), 0, 0);
	return old;
}

void sf_signals_restore(uint64_t mask)
{
	sf_sys(__NR_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, sizeof(mask),
	       0, 0);
}
