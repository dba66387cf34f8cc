/* SPDX-License-Identifier: MIT */
/*
 * How fast the mappings of processes grow: over the last minute, or since they
 * were first seen. Processes may come, go, and take each other's numbers.
 */
#ifndef SF_CLI_RATE_H
#define SF_CLI_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "process.h"

#define SF_RATE_SECONDS 60

struct sf_rate {
	bool known;	   /* seen at two times */
	double per_minute; /* mappings; negative when they get fewer */
	double seconds;	   /* that this is measured over */
};

/* All zeros at first. */
struct sf_rates {
	struct sf_track *track; /* sorted by pid */
	size_t nr;
};

/*
 * Note a snapshot whose rows are sorted by pid, taken at now (nanoseconds);
 * rate[i] is that of row i. 0 or -ENOMEM.
 */
int sf_rates_note(struct sf_rates *rates, const struct sf_processes *all,
		  uint64_t now, struct sf_rate *rate);
void sf_rates_free(struct sf_rates *rates);

/* Seconds until headroom is used up at this rate; negative: never. */
double sf_rate_seconds_left(const struct sf_rate *rate, size_t headroom);

#endif
