/* SPDX-License-Identifier: MIT */
/* What surefree trace prints: each refused call as it happens, and sums. */
#ifndef SF_CLI_TRACE_PRINT_H
#define SF_CLI_TRACE_PRINT_H

#include "out.h"
#include "trace_groups.h"

struct sf_trace_report {
	bool json;
	bool live;   /* else sums by stack, at the end */
	bool splits; /* also of calls that made mappings */
	bool colour;
	struct sf_trace_groups groups;
	uint64_t refused; /* calls */
	uint64_t unshown; /* of these not one by one */
	uint64_t leaked;  /* bytes */
	bool leaked_at_most;
	uint64_t made; /* mappings */
	bool failed;   /* for want of memory */
};

/* The colour of the stream that is standard output now. */
void sf_trace_report_open(struct sf_trace_report *report);

/* Count an event, and print it if that is to be. */
void sf_trace_report_add(struct sf_trace_report *report,
			 const struct sf_trace_event *event);

/* The end of the report. 0 or -ENOMEM. */
int sf_trace_report_close(struct sf_trace_report *report,
			  const struct sf_trace_plan *plan,
			  const struct sf_trace_result *result);

#endif
