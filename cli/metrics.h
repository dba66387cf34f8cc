/* SPDX-License-Identifier: MIT */
/*
 * A snapshot as the text that Prometheus reads (exposition format 0.0.4). Names
 * and labels are a contract; docs/monitoring.md lists them.
 */
#ifndef SF_CLI_METRICS_H
#define SF_CLI_METRICS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "group.h"
#include "process.h"

struct sf_metrics {
	struct sf_processes all;
	struct sf_groups groups;
	uint64_t nr_snapshots;
	double seconds; /* that the last snapshot took */
	double cpu;	/* seconds that this process has used */
	bool lives;	/* counters go on from one snapshot to the next */
};

/* Take a snapshot and group it. 0 or -errno. */
int sf_metrics_update(struct sf_metrics *metrics);

/* The text, to be freed; NULL: no memory. */
char *sf_metrics_text(const struct sf_metrics *metrics, size_t *len);

/* Take a snapshot, and print it as JSON. 0 or -errno. */
int sf_metrics_json(struct sf_metrics *metrics);

void sf_metrics_close(struct sf_metrics *metrics);

#endif
