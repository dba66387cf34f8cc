// SPDX-License-Identifier: MIT
/*
 * Chance, see random.h: Steele's SplitMix64, started from getrandom() in each
 * thread.
 */
#include "malloc/random.h"

#include <time.h>

#include "os/sys.h"

static _Thread_local uint64_t state __attribute__((tls_model("initial-exec")));

/* Apart from it: a handler may have forked while it was changed. */
static _Thread_local bool has_forked __attribute__((tls_model("initial-exec")));

/* Never 0. */
static uint64_t seed(void)
{
	uint64_t value = 0;
	struct timespec now = { 0 };

	if (sf_sys(__NR_getrandom, (long)&value, sizeof(value), 0, 0, 0, 0) !=
	    sizeof(value)) {
		/* A filter refuses: better than the same in each process. */
		sf_sys(__NR_clock_gettime, CLOCK_MONOTONIC, (long)&now, 0, 0, 0,
		       0);
		value = (uint64_t)now.tv_nsec ^ (uint64_t)(uintptr_t)&now << 20;
	}
	return value | 1;
}

unsigned sf_random_below(unsigned bound)
{
	uint64_t z;

	if (SF_UNLIKELY(state == 0 || has_forked)) {
		has_forked = false;
		state = seed();
	}
	state += 0x9e3779b97f4a7c15;
	z = state;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	z ^= z >> 31;
	return (unsigned)((z >> 32) * bound >> 32);
}

void sf_random_fork_child(void)
{
	has_forked = true;
}
