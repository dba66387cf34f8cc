// SPDX-License-Identifier: MIT
/*
 * Tracing by ptrace: the tracer of squeeze, which fills nothing up here. The
 * thread is stopped while it is looked at.
 */
#include <string.h>

#include "count_proc.h"
#include "filter.h"
#include "os/limit.h"
#include "os/maps.h"
#include "squeeze.h"
#include "tasks.h"
#include "trace.h"

/* Counting 65,000 mappings takes 50 ms: at most a tenth of the time. */
#define COUNT_SHARE 10

struct count {
	pid_t pid;
	size_t mappings;
	uint64_t again; /* not before */
};

struct trace {
	const struct sf_trace_plan *plan;
	struct count count; /* of the process that was counted last */
	uint64_t far;	    /* calls */
};

/* Calls that BPF traces too. */
static bool is_traced(const char *call)
{
	static const char *const calls[] = { "mmap",   "munmap",  "mprotect",
					     "mremap", "madvise", "brk" };

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(call, calls[i]) == 0)
			return true;
	return false;
}

static size_t count_mappings(struct count *count, pid_t pid)
{
	uint64_t start = sf_trace_now();

	if (count->pid == pid && start < count->again)
		return count->mappings;
	count->pid = pid;
	if (sf_maps_count(pid, &count->mappings) != 0)
		count->mappings = 0;
	count->again = start + COUNT_SHARE * (sf_trace_now() - start);
	return count->mappings;
}

static void tell(void *arg, const struct sf_task *task, bool far)
{
	const char *call = sf_filter_name(task->call.nr);
	struct trace *trace = arg;
	struct sf_trace_event event = {
		.time = sf_trace_now(),
		.pid = task->process->pid,
		.tid = task->tid,
	};
	char name[SF_TRACE_COMMAND];
	struct sf_where where;
	size_t limit;

	if (!is_traced(call))
		return;
	if (far) {
		trace->far++;
		return;
	}
	sf_trace_describe(&event, call, task->call.args, task->call.result);
	if (event.is_release)
		sf_trace_measure(&event, NULL);
	sf_process_read_name(task->tid, name, sizeof(name));
	sf_process_copy_name(event.command, sizeof(event.command), name);
	event.mappings = count_mappings(&trace->count, event.pid);
	sf_limit_mappings(&limit);
	event.limit = limit;
	sf_where_look(&where, &task->process->where, event.pid, task->tid);
	event.where = where.nr > 0 ? &where : NULL;
	trace->plan->take(trace->plan->arg, &event);
}

int sf_trace_ptrace(const struct sf_trace_plan *plan,
		    struct sf_trace_result *result)
{
	struct trace trace = { .plan = plan };
	struct sf_squeeze_plan squeeze = {
		.path = plan->path,
		.words = plan->words,
		.out = plan->out,
		.when = SF_SQUEEZE_WATCH,
		.timeout = plan->timeout,
		.tell = tell,
		.arg = &trace,
	};
	struct sf_squeeze_result ended;
	int err = sf_squeeze_run(&squeeze, &ended);

	*result = (struct sf_trace_result){ .source = "ptrace" };
	if (err != 0)
		return err;
	result->has_end = true;
	result->end = ended.end;
	result->timed_out = ended.timed_out;
	result->far = trace.far;
	sf_squeeze_free(&ended);
	return 0;
}
