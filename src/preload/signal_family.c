// SPDX-License-Identifier: MIT
/*
 * The C library's functions that set what a signal does, for modes: a program
 * that handles faults is to get their report too. All goes on to the C library,
 * which each function is found in when it is called first; sigaction() may be
 * called before that in a handler, so the constructor finds it.
 *
 * signal() and sysv_signal() of those signals are sigaction(), so that the
 * report is there from the start. siginterrupt() and sigignore() do the right
 * thing as they are, but that signal() knows nothing of an earlier
 * siginterrupt().
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/compiler.h"
#include "malloc/actions.h"

typedef sf_handler_fn *set_fn(int signal_number, sf_handler_fn *handler);

/* In no header, but for older standards. */
set_fn bsd_signal;

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

/* At once, as a fault may happen at any time. */
static sf_handler_fn *set(int signal_number, sf_handler_fn *handler, int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	struct sigaction old;

	if (handler == SIG_ERR) {
		errno = EINVAL;
		return SIG_ERR;
	}
	find_sigaction();
	/* The mask is what the C library has there. */
	if ((flags & SA_NODEFER) == 0)
		sigaddset(&action.sa_mask, signal_number);
	if (sf_actions_set(signal_number, &action, &old) != 0)
		return SIG_ERR;
	return old.sa_handler;
}

SF_EXPORT int sigaction(int signal_number, const struct sigaction *action,
			struct sigaction *old)
{
	find_sigaction();
	return sf_actions_set(signal_number, action, old);
}

SF_EXPORT sf_handler_fn *signal(int signal_number, sf_handler_fn *handler)
{
	if (sf_actions_is_ours(signal_number))
		return set(signal_number, handler, SA_RESTART);
	return find(&real.signal, "signal")(signal_number, handler);
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
	if (sf_actions_is_ours(signal_number))
		return set(signal_number, handler,
			   (int)SA_RESETHAND | SA_NODEFER | SA_INTERRUPT);
	return find(&real.sysv_signal, "sysv_signal")(signal_number, handler);
}

SF_EXPORT sf_handler_fn *__sysv_signal(int signal_number,
				       sf_handler_fn *handler)
{
	return sysv_signal(signal_number, handler);
}

SF_EXPORT sf_handler_fn *sigset(int signal_number, sf_handler_fn *handler)
{
	sf_handler_fn *old = find(&real.sigset, "sigset")(signal_number,
							  handler);

	sf_actions_adopt(signal_number);
	return sf_actions_handler(old);
}
