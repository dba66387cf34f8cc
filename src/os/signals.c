// SPDX-License-Identifier: MIT
/* By the kernel's call: libc's would leave its own signals alone. */
#include "os/signals.h"

#include <signal.h>

#include "os/sys.h"

#define BIT(signal) ((uint64_t)1 << ((signal)-1))

#define FAULTS (BIT(SIGSEGV) | BIT(SIGBUS))
#define OWN                                                                \
	(FAULTS | BIT(SIGFPE) | BIT(SIGILL) | BIT(SIGTRAP) | BIT(SIGSYS) | \
	 BIT(SIGABRT))

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

void sf_signals_unblock_faults(void)
{
	uint64_t faults = FAULTS;

	sf_sys(__NR_rt_sigprocmask, SIG_UNBLOCK, (long)&faults, 0,
	       sizeof(faults), 0, 0);
}
