// SPDX-License-Identifier: MIT
/* What both ways of tracing do with a call, see trace.h. */
#include "trace.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "refused.h"

uint64_t sf_trace_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void sf_trace_describe(struct sf_trace_event *event, const char *call,
		       const uint64_t args[6], int64_t result)
{
	bool is_brk = strcmp(call, "brk") == 0;
	bool is_remap = strcmp(call, "mremap") == 0;

	event->call = call;
	event->err = is_brk ? ENOMEM : (int)-result;
	event->addr = args[0];
	event->len = is_brk ? 0 : is_remap ? args[2] : args[1];
	event->times = 1;
	/* mremap() to a smaller size releases what is behind it. */
	event->is_release = strcmp(call, "munmap") == 0 ||
			    (is_remap && args[2] < args[1]);
	if (event->is_release)
		event->leaked = is_remap ? args[1] - args[2] : args[1];
}

void sf_trace_measure(struct sf_trace_event *event,
		      const volatile sig_atomic_t *stop)
{
	bool is_unmap = strcmp(event->call, "munmap") == 0;
	uint64_t start = event->addr + (is_unmap ? 0 : event->len);
	struct sf_ranges ranges = { 0 };
	int err;

	event->leaked_at_most = true;
	sf_ranges_add(&ranges, start, event->leaked);
	if (ranges.nr == 0)
		return;
	/* The first thread may have ended, or all others. */
	err = sf_ranges_measure(&ranges, event->tid, stop, &event->leaked);
	if (err != 0 && err != -EFBIG && err != -EINTR)
		err = sf_ranges_measure(&ranges, event->pid, stop,
					&event->leaked);
	event->leaked_at_most = err != 0;
	sf_ranges_free(&ranges);
}
