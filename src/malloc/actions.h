/* SPDX-License-Identifier: MIT */
/*
 * What the program does on SIGSEGV and SIGBUS, and our report in front of it,
 * in modes only.
 *
 * There is no table but the kernel's. Of an action that the program sets the
 * handler alone is replaced, by a function that stands for that handler; what
 * the program asks for is translated back. So
 *
 *  - mask and flags do what they do without us;
 *  - threads, handlers and children of vfork() may set actions at any time, and
 *    a forked child has nothing to put right;
 *  - the program's handler is jumped to: it finds the stack, the arguments and
 *    the return address that the kernel made, and may return or not.
 *
 * A signal that is ignored is left to the kernel: the program is killed by a
 * fault then, without a report, and what it executes ignores it too.
 */
#ifndef SF_MALLOC_ACTIONS_H
#define SF_MALLOC_ACTIONS_H

#include <signal.h>

#include "base/compiler.h"

typedef int sf_sigaction_fn(int signal_number, const struct sigaction *action,
			    struct sigaction *old);
typedef void sf_handler_fn(int signal_number);

/*
 * The C library's sigaction(), for a library that has a function of that name:
 * it sets this when it is called first. NULL: the one of that name is meant.
 */
extern _Atomic(sf_sigaction_fn *) sf_actions_libc;

/* From here on faults are reported. */
void sf_actions_init(void);

/* Whether what the program does on it is kept here. */
bool sf_actions_is_ours(int signal_number);

/* As sigaction(). Async-signal-safe. */
int sf_actions_set(int signal_number, const struct sigaction *action,
		   struct sigaction *old);

/* The C library may have set an action: put the report in front of it. */
void sf_actions_adopt(int signal_number);

/* The program's handler that one of the kernel's table stands for, or it. */
sf_handler_fn *sf_actions_handler(sf_handler_fn *handler);

#endif
