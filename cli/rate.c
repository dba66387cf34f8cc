// SPDX-License-Identifier: MIT
/*
 * Keeps a few counts of each process, spread over the last minute. The rate is
 * the straight line from the oldest of them to now: steady enough to read,
 * quick enough to see a leak start.
 */
#include "rate.h"

#include <errno.h>
#include <stdlib.h>

#define NR_SAMPLES 16
#define SECOND	   1e9

struct sample {
	uint64_t at; /* nanoseconds */
	size_t mappings;
};

/* sample[(first + i) % NR_SAMPLES], i < nr, from the oldest to the newest. */
struct sf_track {
	pid_t pid;
	uint64_t start;
	unsigned first, nr;
	struct sample sample[NR_SAMPLES];
};

static struct sample *sample_at(struct sf_track *track, unsigned i)
{
	return &track->sample[(track->first + i) % NR_SAMPLES];
}

static double seconds_between(uint64_t from, uint64_t to)
{
	return (double)(to - from) / SECOND;
}

/* Keep a new count, unless the last one is too young to need another. */
static void add_sample(struct sf_track *track, uint64_t now, size_t mappings)
{
	if (track->nr > 0 &&
	    seconds_between(sample_at(track, track->nr - 1)->at, now) <
		    (double)SF_RATE_SECONDS / (NR_SAMPLES - 1))
		return;
	if (track->nr == NR_SAMPLES) {
		track->first = (track->first + 1) % NR_SAMPLES;
		track->nr--;
	}
	*sample_at(track, track->nr++) = (struct sample){ now, mappings };
}

/* The rate from the oldest count that is not too old. */
static struct sf_rate measure(struct sf_track *track, uint64_t now,
			      size_t mappings)
{
	const struct sample *old;
	struct sf_rate rate = { 0 };

	while (track->nr > 1 && seconds_between(sample_at(track, 0)->at, now) >
					SF_RATE_SECONDS) {
		track->first = (track->first + 1) % NR_SAMPLES;
		track->nr--;
	}
	if (track->nr == 0)
		return rate;
	old = sample_at(track, 0);
	rate.seconds = seconds_between(old->at, now);
	rate.known = rate.seconds > 0;
	if (rate.known)
		rate.per_minute = ((double)mappings - (double)old->mappings) /
				  rate.seconds * 60;
	return rate;
}

int sf_rates_note(struct sf_rates *rates, const struct sf_processes *all,
		  uint64_t now, struct sf_rate *rate)
{
	struct sf_track *track = calloc(all->nr + 1, sizeof(*track));
	size_t old = 0;

	if (track == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < all->nr; i++) {
		const struct sf_process *p = &all->row[i];

		while (old < rates->nr && rates->track[old].pid < p->pid)
			old++;
		if (old < rates->nr && rates->track[old].pid == p->pid &&
		    rates->track[old].start == p->start)
			track[i] = rates->track[old];
		track[i].pid = p->pid;
		track[i].start = p->start;
		rate[i] = measure(&track[i], now, p->mappings);
		add_sample(&track[i], now, p->mappings);
	}
	free(rates->track);
	*rates = (struct sf_rates){ track, all->nr };
	return 0;
}

void sf_rates_free(struct sf_rates *rates)
{
	free(rates->track);
	*rates = (struct sf_rates){ 0 };
}

double sf_rate_seconds_left(const struct sf_rate *rate, size_t headroom)
{
	if (!rate->known || rate->per_minute <= 0)
		return -1;
	return (double)headroom / rate->per_minute * 60;
}
