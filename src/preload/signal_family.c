// SPDX-License-Identifier: MIT
/*
 * The C library's functions that set what a signal does, for modes: a program
 * that handles faults is to get their report too. All goes on to the C library,
 * which each function is found in when it is called first; sigaction() may be
 * called before that in a handler, so the constructor finds it.
 *
 * siginterrupt() and sigignore() do the right thing as they are.
 */
#include <dlfcn.h>
#include <signal.h>
#include <string.h>

#include "base/compiler.h"
#include "malloc/actions.h"

typedef sf_handler_fn *set_fn(int signal_number, sf_handler_fn *handler);

/* Declared where others are not, or in no header. */
set_fn bsd_signal;
set_fn sysv_signal;
set_fn __sysv_signal;

static struct {
	_Atomic(set_fn *) signal;
	_Atomic(set_fn *) sysv_signal;
	_Atomic(set_fn *) sigset;
} real;

static sf_sigaction_fn *find_sigaction(void)
{
	sf_sigaction_fn *found = sf_actions_libc;
	void *symbol;

	if (SF_UNLIKELY(found == NULL)) {
		symbol = dlsym(RTLD_NEXT, "sigaction");
		memcpy(&found, &symbol, sizeof(found));
		sf_actions_libc = found;
	}
	return found;
}

static set_fn *find(_Atomic(set_fn *) *function, const char *name)
{
	set_fn *found = *function;
	void *symbol;

	if (SF_UNLIKELY(found == NULL)) {
		symbol = dlsym(RTLD_NEXT, name);
		memcpy(&found, &symbol, sizeof(found));
		*function = found;
	}
	return found;
}

__attribute__((constructor)) static void at_load(void)
{
	find_sigaction();
	find(&real.signal, "signal");
	find(&real.sysv_signal, "sysv_signal");
	find(&real.sigset, "sigset");
}

static sf_handler_fn *set(set_fn *function, int signal_number,
			  sf_handler_fn *handler)
{
	sf_handler_fn *old = function(signal_number, handler);

	sf_actions_adopt(signal_number);
	return sf_actions_handler(old);
}

SF_EXPORT int sigaction(int signal_number, const struct sigaction *action,
			struct sigaction *old)
{
	find_sigaction();
	return sf_actions_set(signal_number, action, old);
}

SF_EXPORT sf_handler_fn *signal(int signal_number, sf_handler_fn *handler)
{
	return set(find(&real.signal, "signal"), signal_number, handler);
}

SF_EXPORT sf_handler_fn *bsd_signal(int signal_number, sf_handler_fn *handler)
{
	return signal(signal_number, handler);
}

SF_EXPORT sf_handler_fn *ssignal(int signal_number, sf_handler_fn *handler)
{
	return signal(signal_number, handler);
}

SF_EXPORT sf_handler_fn *sysv_signal(int signal_number, sf_handler_fn *handler)
{
	return set(find(&real.sysv_signal, "sysv_signal"), signal_number,
		   handler);
}

SF_EXPORT sf_handler_fn *__sysv_signal(int signal_number,
				       sf_handler_fn *handler)
{
	return sysv_signal(signal_number, handler);
}

SF_EXPORT sf_handler_fn *sigset(int signal_number, sf_handler_fn *handler)
{
	return set(find(&real.sigset, "sigset"), signal_number, handler);
}
