// SPDX-License-Identifier: MIT
/* The program's actions on faults, see actions.h. */
#include "malloc/actions.h"

#include <errno.h>
#include <stdatomic.h>
#include <ucontext.h>
#include <unistd.h>

#include "malloc/report.h"
#include "os/sys.h"

/* Of the program's flags, those that differ from the kernel's. */
#define KEPT ((unsigned)SA_SIGINFO | SA_ONSTACK)

/* Different handlers; more than that are set as they are. */
#define NR_ENTRIES 16

/* What the kernel calls; all handlers have three arguments there. */
typedef void entry_fn(int signal_number, siginfo_t *info, void *context);

enum state {
	UNUSED,
	WRITTEN, /* by somebody that a signal may have interrupted */
	READY,	 /* for ever */
};

struct entry {
	_Atomic int state;
	unsigned flags; /* of KEPT and SA_RESETHAND */
	sf_handler_fn *handler;
};

_Atomic(sf_sigaction_fn *) sf_actions_libc;

static bool is_on;
static struct entry entries[NR_ENTRIES];

static int call_libc(int signal_number, const struct sigaction *action,
		     struct sigaction *old)
{
	sf_sigaction_fn *libc = atomic_load_explicit(&sf_actions_libc,
						     memory_order_relaxed);

	if (libc == NULL)
		libc = sigaction;
	return libc(signal_number, action, old);
}

bool sf_actions_is_ours(int signal_number)
{
	return is_on && (signal_number == SIGSEGV || signal_number == SIGBUS);
}

/* From those in the kernel's table to the program's. */
static void set_flags(struct sigaction *action, const struct entry *entry)
{
	unsigned flags = (unsigned)action->sa_flags & ~KEPT;

	action->sa_flags = (int)(flags | (entry->flags & KEPT));
}

/*
 * Signals
 */

/* Whether a fault raised the signal, and no kill(). */
static bool is_fault(const siginfo_t *info)
{
	return info->si_code > 0 && info->si_code != SI_KERNEL;
}

/* As SA_RESETHAND says, the kernel has set SIG_DFL, and left all else. */
static void was_reset(const struct entry *entry, int signal_number)
{
	struct sigaction now;

	if (call_libc(signal_number, NULL, &now) != 0 ||
	    now.sa_handler != SIG_DFL)
		return;
	set_flags(&now, entry);
	sf_actions_set(signal_number, &now, NULL);
}

/* The instruction will be repeated; nothing would repeat what somebody sent. */
static void end_by(int signal_number, const siginfo_t *info)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	call_libc(signal_number, &action, NULL);
	if (!is_fault(info))
		raise(signal_number);
}

/* During a report, whose mask lets it through: have it come afterwards. */
static void put_off(int signal_number, siginfo_t *info, ucontext_t *context)
{
	sigset_t mask;

	sigemptyset(&mask);
	sigaddset(&mask, signal_number);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
	sigaddset(&context->uc_sigmask, signal_number);
	/* As it is: to itself a thread may send what others sent. */
	sf_sys(__NR_rt_tgsigqueueinfo, getpid(),
	       sf_sys(__NR_gettid, 0, 0, 0, 0, 0, 0), signal_number, (long)info,
	       0, 0);
}

/* The program's handler that is to be called now, or NULL. */
static __attribute__((noinline)) entry_fn *
arrive(int i, int signal_number, siginfo_t *info, void *context)
{
	const struct entry *entry = &entries[i];
	int saved = errno;

	if ((entry->flags & SA_RESETHAND) != 0)
		was_reset(entry, signal_number);
	if (SF_UNLIKELY(sf_report_is_under_way())) {
		if (info->si_code > 0)
			sf_report_break();
		put_off(signal_number, info, context);
		errno = saved;
		return NULL;
	}
	if (is_fault(info))
		sf_report_signal(info, context);
	if (entry->handler == SIG_DFL)
		end_by(signal_number, info);
	errno = saved;
	/* SIG_DFL is NULL. */
	return (entry_fn *)(void *)entry->handler;
}

/* The call is a jump: the kernel's frame is the program's handler's. */
#define ENTRY(i)                                                             \
	static void enter_##i(int signal_number, siginfo_t *info,            \
			      void *context)                                 \
	{                                                                    \
		entry_fn *handler = arrive(i, signal_number, info, context); \
                                                                             \
		if (handler != NULL)                                         \
			handler(signal_number, info, context);               \
	}

ENTRY(0)
ENTRY(1)
ENTRY(2)
ENTRY(3)
ENTRY(4)
ENTRY(5)
ENTRY(6)
ENTRY(7)
ENTRY(8)
ENTRY(9)
ENTRY(10)
ENTRY(11)
ENTRY(12)
ENTRY(13)
ENTRY(14)
ENTRY(15)

static entry_fn *const functions[NR_ENTRIES] = {
	enter_0,  enter_1,  enter_2,  enter_3,	enter_4,  enter_5,
	enter_6,  enter_7,  enter_8,  enter_9,	enter_10, enter_11,
	enter_12, enter_13, enter_14, enter_15,
};

/*
 * Translating
 */

/* The entry whose function it is, or -1. */
static int entry_of(entry_fn *function)
{
	for (int i = 0; i < NR_ENTRIES; i++)
		if (functions[i] == function)
			return i;
	return -1;
}

/* The entry that stands for a handler, made if there is none; -1: no room. */
static int entry_for(sf_handler_fn *handler, unsigned flags)
{
	flags &= KEPT | SA_RESETHAND;
	for (int i = 0; i < NR_ENTRIES; i++) {
		struct entry *entry = &entries[i];
		int state = UNUSED;

		/* Acquire: pairs with the release below. */
		if (atomic_compare_exchange_strong_explicit(
			    &entry->state, &state, WRITTEN,
			    memory_order_acquire, memory_order_acquire)) {
			entry->handler = handler;
			entry->flags = flags;
			atomic_store_explicit(&entry->state, READY,
					      memory_order_release);
			return i;
		}
		if (state == READY && entry->handler == handler &&
		    entry->flags == flags)
			return i;
	}
	return -1;
}

/* What the program wants, as it is set. */
static struct sigaction to_kernel(const struct sigaction *action)
{
	struct sigaction out = *action;
	int i;

	if (action->sa_handler == SIG_IGN ||
	    entry_of(action->sa_sigaction) >= 0)
		return out;
	i = entry_for(action->sa_handler, (unsigned)action->sa_flags);
	if (i < 0)
		return out;
	out.sa_sigaction = functions[i];
	out.sa_flags |= SA_SIGINFO;
	/* To tell of it where a stack is at its end. */
	if (action->sa_handler == SIG_DFL)
		out.sa_flags |= SA_ONSTACK;
	return out;
}

static void to_program(struct sigaction *action)
{
	int i = entry_of(action->sa_sigaction);

	if (i < 0)
		return;
	action->sa_handler = entries[i].handler;
	set_flags(action, &entries[i]);
}

int sf_actions_set(int signal_number, const struct sigaction *action,
		   struct sigaction *old)
{
	struct sigaction set;
	int result;

	if (!sf_actions_is_ours(signal_number))
		return call_libc(signal_number, action, old);
	if (action != NULL)
		set = to_kernel(action);
	result = call_libc(signal_number, action != NULL ? &set : NULL, old);
	if (result == 0 && old != NULL)
		to_program(old);
	return result;
}

void sf_actions_adopt(int signal_number)
{
	struct sigaction now;

	if (sf_actions_is_ours(signal_number) &&
	    call_libc(signal_number, NULL, &now) == 0 &&
	    entry_of(now.sa_sigaction) < 0)
		sf_actions_set(signal_number, &now, NULL);
}

sf_handler_fn *sf_actions_handler(sf_handler_fn *handler)
{
	int i = entry_of((entry_fn *)(void *)handler);

	return i < 0 ? handler : entries[i].handler;
}

void sf_actions_init(void)
{
	struct sigaction now;

	/* Where that is the drop-in's, it finds the C library's. */
	call_libc(SIGSEGV, NULL, &now);
	is_on = true;
	sf_actions_adopt(SIGSEGV);
	sf_actions_adopt(SIGBUS);
}
