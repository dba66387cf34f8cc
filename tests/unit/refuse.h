/* SPDX-License-Identifier: MIT */
/*
 * Refuses system calls of the library, for fault_* programs: the calls of one
 * number, some time after now, for some time. All threads count together.
 */
#ifndef UNIT_REFUSE_H
#define UNIT_REFUSE_H

#include <stdatomic.h>

#include "os/sys.h"

#define REFUSE_MAX    4
#define REFUSE_ALWAYS 1000000

struct refusal {
	long nr;
	long error;
	int skip;  /* let so many pass */
	int times; /* then refuse so many */
	_Atomic int seen;
};

static struct refusal refusals[REFUSE_MAX];
static int nr_refusals;

static inline long refuse_hook(long nr)
{
	for (int i = 0; i < nr_refusals; i++) {
		struct refusal *refusal = &refusals[i];
		int at;

		if (refusal->nr != nr)
			continue;
		at = atomic_fetch_add(&refusal->seen, 1) - refusal->skip;
		if (at >= 0 && at < refusal->times)
			return -refusal->error;
	}
	return 0;
}

/* Let everything pass again. */
static inline void refuse_nothing(void)
{
	sf_fault_hook = 0;
	nr_refusals = 0;
}

/*
 * Besides what is refused already: calls nr, with a positive errno. Of those
 * that an earlier one of the same number lets pass.
 */
static inline void refuse(long nr, long error, int skip, int times)
{
	refusals[nr_refusals] = (struct refusal){ nr, error, skip, times, 0 };
	nr_refusals++;
	sf_fault_hook = refuse_hook;
}

/* How often the calls of the first refuse() were made since. */
static inline int refuse_seen(void)
{
	return refusals[0].seen;
}

#endif
