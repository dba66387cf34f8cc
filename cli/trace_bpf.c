// SPDX-License-Identifier: MIT
/*
 * Tracing by BPF: loads bpf/trace.bpf.c, starts the program if there is one,
 * and makes events of the records.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpf_load.h"
#include "count_proc.h"
#include "os/limit.h"
#include "stacks.h"
#include "start.h"
#include "trace.bpf.h"
#include "trace.h"
#include "trace.skel.h"
#include "trace_places.h"

#define POLL_MS 500

struct trace {
	const struct sf_trace_plan *plan;
	struct trace_bpf *skel;
	struct sf_stacks stacks;
	struct sf_places places;
	uint64_t realtime; /* minus the monotonic clock */
	size_t limit;
	uint64_t deadline; /* of the monotonic clock; 0: none */
	bool timed_out;
	bool ended; /* what is left is taken, however much it is */
};

static volatile sig_atomic_t stopped;

static void note_stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static uint64_t monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/*
 * Loading
 */

/* At the six calls, or at all. With splits where they begin, too. */
static int choose(const struct trace_bpf *skel, bool at_any_call, bool splits)
{
	int err = sf_bpf_choose_calls(skel->obj, "end", !at_any_call);

	if (err == 0)
		err = sf_bpf_choose_calls(skel->obj, "begin",
					  !at_any_call && splits);
	bpf_program__set_autoload(skel->progs.end_any, at_any_call);
	bpf_program__set_autoload(skel->progs.begin_any, at_any_call && splits);
	return err;
}

/* It may be changed at any time. */
static void read_limit(struct trace *trace)
{
	sf_limit_mappings(&trace->limit);
	trace->skel->bss->limit = (uint32_t)trace->limit;
}

/* 0 or -errno. */
static int load(struct trace *trace, bool at_any_call)
{
	const struct sf_trace_plan *plan = trace->plan;
	struct trace_bpf *skel = trace_bpf__open();
	struct stat ns;
	int err;

	if (skel == NULL)
		return -errno;
	skel->rodata->everything = plan->path == NULL && plan->pid == 0;
	skel->rodata->follow = plan->follow || plan->path != NULL;
	skel->rodata->splits = plan->splits;
	skel->rodata->reader_ns = stat("/proc/self/ns/pid", &ns) == 0 ?
					  (uint32_t)ns.st_ino :
					  0;
	skel->bss->target = (uint32_t)plan->pid;
	bpf_program__set_autoload(skel->progs.note_fork,
				  skel->rodata->follow != 0);
	err = choose(skel, at_any_call, plan->splits);
	if (err == 0)
		err = trace_bpf__load(skel);
	if (err == 0) {
		trace->skel = skel;
		read_limit(trace);
		err = trace_bpf__attach(skel);
	}
	if (err != 0)
		trace_bpf__destroy(skel);
	return err;
}

/*
 * Records
 */

/* The stack's names, from itself or from one of the same place. */
static void name_stack(struct trace *trace, struct sf_trace_event *event,
		       const struct sf_trace_record *record)
{
	struct sf_where_copy copy = { .pid = event->pid };
	bool exact;

	if (record->head.stack_len == 0) {
		event->where = sf_places_find(&trace->places, &record->place);
		event->where_alike = event->where != NULL;
		return;
	}
	memcpy(&copy.regs.user, record->regs, sizeof(record->regs));
	copy.stack = record->stack;
	copy.stack_len = record->head.stack_len;
	event->where = sf_stacks_name(&trace->stacks, &copy, &exact);
	event->where_alike = !exact;
	if (event->where != NULL)
		sf_places_note(&trace->places, &record->place, event->where);
}

static void take_call(struct trace *trace, const struct sf_trace_record *record)
{
	const struct sf_trace_head *head = &record->head;
	struct sf_trace_event event = {
		.time = head->time + trace->realtime,
		.pid = (pid_t)head->pid,
		.tid = (pid_t)head->tid,
		.mappings = head->mappings,
		.limit = trace->limit,
	};
	uint64_t args[6] = { record->first };
	struct sf_regs regs = { 0 };

	memcpy(&regs.user, record->regs, sizeof(record->regs));
	sf_regs_args(&regs, args);
	sf_trace_describe(&event, sf_call_names[record->place.call], args,
			  record->result);
	sf_process_copy_name(event.command, sizeof(event.command), head->comm);
	if (record->place.kind == SF_TRACE_GREW) {
		event.err = 0;
		event.times = record->count.calls;
		event.made = record->count.mappings;
	} else if (event.is_release) {
		/* First of all: it may be released at any moment. */
		sf_trace_measure(&event, &stopped);
	}
	name_stack(trace, &event, record);
	trace->plan->take(trace->plan->arg, &event);
}

/* Whether a signal came, or the time is up. */
static bool is_over(struct trace *trace)
{
	if (!stopped && trace->deadline != 0 && monotonic() >= trace->deadline)
		trace->timed_out = true;
	return stopped || trace->timed_out;
}

static int take_record(void *arg, void *data, size_t len)
{
	const struct sf_trace_head *head = data;
	struct trace *trace = arg;

	(void)len;
	/* 0: in no pid namespace that we see. */
	if (head->kind == SF_TRACE_CODE && head->pid != 0)
		sf_stacks_changed(&trace->stacks, (pid_t)head->pid,
				  trace->skel->rodata->everything != 0);
	else if (head->pid != 0)
		take_call(trace, data);
	/* They may come faster than they are taken. */
	return is_over(trace) && !trace->ended ? -EINTR : 0;
}

/* Calls of a place that have not been told of yet. */
static void take_sum(struct trace *trace, const struct sf_trace_place *place,
		     const struct sf_trace_count *count)
{
	struct sf_trace_event event = {
		.time = sf_trace_now(),
		.call = sf_call_names[place->call],
		.err = (int)place->err,
		.len = count->len,
		.is_release = count->unreleased > 0,
		.leaked = count->unreleased,
		.leaked_at_most = count->unreleased > 0,
		.where = sf_places_find(&trace->places, place),
		.where_alike = true,
		.times = count->calls,
		.made = count->mappings,
		.summed = place->kind == SF_TRACE_REFUSED,
	};

	if (count->calls > 0)
		trace->plan->take(trace->plan->arg, &event);
}

static void take_rest(struct trace *trace)
{
	int fd = bpf_map__fd(trace->skel->maps.places);
	struct sf_trace_place place, *before = NULL;
	struct sf_trace_place none = { .kind = SF_TRACE_REFUSED,
				       .err = ENOMEM };
	struct sf_trace_count count;

	while (bpf_map_get_next_key(fd, before, &place) == 0) {
		before = &place;
		if (bpf_map_lookup_elem(fd, &place, &count) == 0)
			take_sum(trace, &place, &count);
	}
	for (none.call = 0; none.call < SF_CALL_NR; none.call++)
		take_sum(trace, &none, &trace->skel->bss->rest[none.call]);
}

/*
 * Running
 */

/* Until the process behind fd ends (-1: none), the time is up, or a signal. */
static void follow(struct trace *trace, struct ring_buffer *ring, int fd)
{
	struct pollfd wait[2] = {
		{ .fd = ring_buffer__epoll_fd(ring), .events = POLLIN },
		{ .fd = fd, .events = POLLIN },
	};

	while (!is_over(trace) && wait[1].revents == 0) {
		poll(wait, 2, POLL_MS);
		read_limit(trace);
		ring_buffer__consume(ring);
		if (trace->stacks.code != NULL)
			sf_code_read(trace->stacks.code);
		sf_stacks_refresh(&trace->stacks);
	}
}

/* Keys that interrupt are for the program, if there is one. */
static void listen_to_signals(bool program)
{
	struct sigaction action = { .sa_handler = note_stop };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	stopped = 0;
	sigaction(SIGINT, program ? &ignore : &action, NULL);
	sigaction(SIGQUIT, program ? &ignore : &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static void set_clock(struct trace *trace)
{
	uint64_t now = monotonic();

	trace->realtime = sf_trace_now() - now;
	if (trace->plan->timeout != 0)
		trace->deadline = now +
				  (uint64_t)trace->plan->timeout * 1000000000;
}

/* 0 or -errno: the program or process is not there. */
static int run(struct trace *trace, struct ring_buffer *ring,
	       struct sf_trace_result *result)
{
	const struct sf_trace_plan *plan = trace->plan;
	struct sf_start program = { .pid = plan->pid };
	int fd = -1;
	int err = 0;

	set_clock(trace);
	if (plan->path != NULL)
		err = sf_start_fork(&program, plan->path, plan->words,
				    plan->out);
	if (err != 0)
		return err;
	trace->skel->bss->target = (uint32_t)program.pid;
	listen_to_signals(plan->path != NULL);
	if (program.pid != 0) {
		fd = (int)syscall(SYS_pidfd_open, program.pid, 0);
		if (fd < 0)
			err = -errno;
		sf_stacks_changed(&trace->stacks, program.pid, false);
	}
	/* Where that is not to be had, those that end at once have no names. */
	if (plan->path != NULL && err == 0)
		sf_code_open(&trace->stacks.code, program.pid);
	if (plan->path != NULL && err == 0)
		err = sf_start_go(&program);
	if (err == 0) {
		plan->ready(plan->arg);
		follow(trace, ring, fd);
		result->timed_out = trace->timed_out;
	}
	if (plan->path != NULL) {
		result->end = sf_start_wait(&program,
					    stopped != 0 || result->timed_out ||
						    err != 0);
		result->has_end = true;
	}
	if (fd >= 0)
		close(fd);
	return err;
}

int sf_trace_bpf(const struct sf_trace_plan *plan,
		 struct sf_trace_result *result, const char **why)
{
	struct trace trace = { .plan = plan };
	struct ring_buffer *ring;
	int err;

	*result = (struct sf_trace_result){ 0 };
	*why = NULL;
	sf_bpf_silence();
	result->source = "fexit";
	err = load(&trace, false);
	if (err != 0) {
		result->source = "sys_exit";
		err = load(&trace, true);
	}
	if (err != 0) {
		*why = sf_bpf_explain(err);
		return err;
	}
	ring = ring_buffer__new(bpf_map__fd(trace.skel->maps.ring), take_record,
				&trace, NULL);
	if (ring == NULL) {
		err = -errno;
		*why = "there is not enough memory for BPF";
	} else {
		err = run(&trace, ring, result);
		/* Nothing is added to what is left, and none of it measured. */
		trace_bpf__detach(trace.skel);
		stopped = 1;
		trace.ended = true;
		ring_buffer__consume(ring);
		take_rest(&trace);
		result->lost = trace.skel->bss->lost;
		result->far = trace.skel->bss->far;
		ring_buffer__free(ring);
	}
	if (trace.stacks.code != NULL)
		sf_code_close(trace.stacks.code);
	sf_stacks_free(&trace.stacks);
	sf_places_free(&trace.places);
	trace_bpf__destroy(trace.skel);
	return err;
}
