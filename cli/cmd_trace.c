// SPDX-License-Identifier: MIT
/*
 * surefree trace: tell of each memory call that the kernel refuses, as it
 * happens or summed up by stack; or which stacks make the mappings.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cmd.h"
#include "files.h"
#include "program.h"
#include "start.h"
#include "trace_print.h"
#include "traced.h"

enum { PID, FOLLOW, SUMMARY, SPLITS, PTRACE, TIMEOUT, OUTPUT };

static const struct sf_opt opts[] = {
	[PID] = { "pid", 'p', SF_OPT_COUNT, "PID", "a process that runs", NULL,
		  1, 1 << 22 },
	[FOLLOW] = { .name = "follow",
		     .letter = 'f',
		     .help = "its later children, too (of a program: always)" },
	[SUMMARY] = { .name = "summary",
		      .letter = 's',
		      .help = "no single calls: sums by stack, at the end" },
	[SPLITS] = { .name = "splits",
		     .help = "which stacks make mappings, most first" },
	[PTRACE] = { .name = "ptrace",
		     .help = "without BPF, slowly; needs no rights" },
	[TIMEOUT] = { "timeout", 't', SF_OPT_COUNT, "SECONDS",
		      "end after so long, and kill the program", NULL, 1,
		      1000000 },
	[OUTPUT] = { "output", 'o', SF_OPT_TEXT, "FILE",
		     "write there (else: of a program to stderr)", NULL, 0, 0 },
	{ 0 },
};

/* What else there is where BPF cannot be had. */
static int cannot_bpf(const struct sf_args *args, const char *why)
{
	sf_cmd_say(args->name, "%s; %s", why,
		   args->opt[SPLITS].given ?
			   "--splits takes it" :
		   args->nr_words > 0 ?
			   "or give --ptrace, which is slow" :
			   "or let 'surefree trace --ptrace -- PROGRAM' run "
			   "it, which is slow");
	return SF_EXIT_CANNOT;
}

static int cannot_run(const struct sf_args *args, int err)
{
	if (args->nr_words == 0)
		sf_cmd_say(args->name, "process %s cannot be traced: %s",
			   args->opt[PID].text, strerror(-err));
	else
		return sf_traced_cannot_run(args, err);
	return SF_EXIT_CANNOT;
}

/* FINE, or USAGE after a message. */
static int check(const struct sf_args *args)
{
	if (args->opt[PID].given && args->nr_words > 0)
		return sf_cmd_usage(args,
				    "-p and a program exclude each other");
	if (args->opt[PTRACE].given && args->nr_words == 0)
		return sf_cmd_usage(args,
				    "--ptrace is for a program that it starts");
	if (args->opt[PTRACE].given && args->opt[SPLITS].given)
		return sf_cmd_usage(args, "--splits takes BPF, not --ptrace");
	if (args->opt[FOLLOW].given && !args->opt[PID].given)
		return sf_cmd_usage(args, "-f is for -p");
	return SF_EXIT_FINE;
}

/* A report, and whose. */
struct job {
	const struct sf_args *args;
	struct sf_trace_report report;
};

static void take(void *arg, const struct sf_trace_event *event)
{
	struct job *job = arg;

	sf_trace_report_add(&job->report, event);
}

/* Whoever starts a program sees that it runs. */
static void ready(void *arg)
{
	const struct sf_args *args = ((const struct job *)arg)->args;

	if (args->nr_words == 0)
		sf_cmd_say(args->name, "tracing; Ctrl-C ends it");
}

/*
 * From here on standard output is the report; what it was is the program's.
 * False after a message.
 */
static bool turn_to_report(const struct sf_args *args,
			   struct sf_trace_plan *plan)
{
	const char *path = args->opt[OUTPUT].text;
	int fd;

	if (path == NULL && args->nr_words == 0)
		return true;
	fd = sf_traced_open_report(args, path);
	if (fd < 0)
		return false;
	fflush(stdout);
	if (sf_cmd_is_closed(STDOUT_FILENO))
		plan->out = SF_OUT_CLOSED;
	else
		plan->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (plan->out < 0)
		plan->out = SF_OUT_CLOSED;
	dup2(fd, STDOUT_FILENO);
	if (path != NULL)
		close(fd);
	return true;
}

static int trace(const struct sf_args *args, const struct sf_trace_plan *given)
{
	struct sf_trace_plan plan = *given;
	struct job job = { .args = args };
	struct sf_trace_report *report = &job.report;
	struct sf_trace_result result;
	const char *why = NULL;
	bool finding;
	int err;

	report->json = args->json;
	report->splits = args->opt[SPLITS].given;
	report->live = !args->opt[SUMMARY].given && !report->splits;
	plan.take = take;
	plan.ready = ready;
	plan.arg = &job;
	sf_trace_report_open(report);
	sf_files_raise();
	if (plan.path != NULL)
		sf_start_outlive_reader();
	if (args->opt[PTRACE].given)
		err = sf_trace_ptrace(&plan, &result);
	else
		err = sf_trace_bpf(&plan, &result, &why);
	if (err != 0)
		sf_trace_groups_free(&report->groups);
	if (why != NULL)
		return cannot_bpf(args, why);
	if (err != 0)
		return cannot_run(args, err);
	finding = report->refused > 0;
	if (sf_trace_report_close(report, &plan, &result) != 0) {
		sf_cmd_say(args->name, "out of memory; free some");
		return SF_EXIT_CANNOT;
	}
	return finding ? SF_EXIT_FINDING : SF_EXIT_FINE;
}

/* Also a thread has a number, of which only tgkill() can tell. */
static bool is_process(pid_t pid)
{
	return syscall(SYS_tgkill, pid, pid, 0) == 0 || errno != ESRCH;
}

static int run(const struct sf_args *args)
{
	struct sf_trace_plan plan = {
		.pid = args->opt[PID].given ? (pid_t)args->opt[PID].nr : 0,
		.words = args->words,
		.follow = args->opt[FOLLOW].given,
		.splits = args->opt[SPLITS].given,
		.timeout = (unsigned)args->opt[TIMEOUT].nr,
	};
	char path[PATH_MAX];
	int code = check(args);
	int err = 0;

	if (code != SF_EXIT_FINE)
		return code;
	if (!sf_traced_has_proc(args))
		return SF_EXIT_CANNOT;
	if (args->nr_words > 0) {
		err = sf_program_find(args->words[0], path);
		plan.path = path;
	} else if (plan.pid != 0 && !is_process(plan.pid)) {
		err = -ESRCH;
	}
	if (err != 0)
		return cannot_run(args, err);
	if (!turn_to_report(args, &plan))
		return SF_EXIT_CANNOT;
	return trace(args, &plan);
}

const struct sf_cmd sf_cmd_trace = {
	.name = "trace",
	.summary = "Tell of memory calls that the kernel refuses",
	.operands = "[[--] PROGRAM [ARGUMENT ...]]",
	.opts = opts,
	.examples = {
		"sudo surefree trace -p 1234",
		"surefree trace --ptrace -- php server.php",
	},
	.run = run,
};
