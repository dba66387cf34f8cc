// SPDX-License-Identifier: MIT
/*
 * surefree squeeze: run a program with few mappings left and report what it
 * did; or with more and more of them, to find out what it needs.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "fill.h"
#include "program.h"
#include "squeeze_print.h"
#include "start.h"
#include "surefree.h"
#include "traced.h"

#define SWEEP_TIMEOUT 60
#define SWEEP_MAX     4096

enum { SPARE, AFTER, AT_CALL, SWEEP, TIMEOUT, OUTPUT };

static const struct sf_opt opts[] = {
	[SPARE] = { "spare", 'n', SF_OPT_COUNT, "SPARE", "mappings to leave",
		    "0", 0, SF_FILL_MAX },
	[AFTER] = { "after", 0, SF_OPT_COUNT, "SECONDS",
		    "squeeze after so long, not at the start", NULL, 0,
		    1000000 },
	[AT_CALL] = { "at-call", 0, SF_OPT_COUNT, "N",
		      "before the Nth memory call of a process", NULL, 1,
		      (uint64_t)1 << 60 },
	[SWEEP] = { "sweep", 0, SF_OPT_TEXT, "A..B",
		    "try every headroom; which does it need?", NULL, 0, 0 },
	[TIMEOUT] = { "timeout", 't', SF_OPT_COUNT, "SECONDS",
		      "kill it when it takes longer", NULL, 1, 1000000 },
	[OUTPUT] = { "output", 'o', SF_OPT_TEXT, "FILE",
		     "write the report there, not to stderr", NULL, 0, 0 },
	{ 0 },
};

/* What is not in the plan of a run. */
struct bounds {
	size_t from;
	size_t to;
};

/*
 * Words
 */

static int cannot_run(const struct sf_args *args, int err)
{
	if (err == -EINTR)
		sf_cmd_say(args->name, "interrupted; '%s' is not judged",
			   args->words[0]);
	else if (err == -ETIMEDOUT)
		sf_cmd_say(args->name,
			   "'%s' does not end in time; --timeout gives it more",
			   args->words[0]);
	else
		return sf_traced_cannot_run(args, err);
	return SF_EXIT_CANNOT;
}

/* It ran, but was never squeezed. */
static int cannot_squeeze(const struct sf_args *args, int err)
{
	if (err == -ETIME)
		sf_cmd_say(args->name,
			   "'%s' was killed by --timeout before it was to be "
			   "squeezed; give it more time",
			   args->words[0]);
	else if (err == 0)
		sf_cmd_say(args->name,
			   "'%s' ended before it was to be squeezed; give a "
			   "smaller number",
			   args->words[0]);
	else if (err == -ENOEXEC)
		sf_cmd_say(args->name,
			   "'%s' is for another machine; use the surefree "
			   "that is built for it",
			   args->words[0]);
	else if (err == -EACCES)
		sf_cmd_say(args->name,
			   "/proc/PID/auxv of '%s' cannot be read; mount "
			   "/proc, or run it as root",
			   args->words[0]);
	else
		sf_cmd_say(args->name,
			   "the mappings of '%s' cannot be used up: %s",
			   args->words[0], sf_fill_why(err));
	return SF_EXIT_CANNOT;
}

/*
 * Running
 */

static int finish(const struct sf_args *args, struct sf_out *out, int err,
		  bool finding)
{
	sf_out_top(out, "version", sf_cell_text(surefree_version()));
	sf_out_top(out, "finding", sf_cell_bool(finding));
	if (sf_out_close(out) != 0 || err != 0) {
		sf_cmd_say(args->name, "out of memory; free some");
		return SF_EXIT_CANNOT;
	}
	return finding ? SF_EXIT_FINDING : SF_EXIT_FINE;
}

/* From here on standard output is the report. */
static void turn_to_report(int fd)
{
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
}

static int run_once(const struct sf_args *args,
		    const struct sf_squeeze_plan *plan, int report)
{
	struct sf_squeeze_result result;
	struct sf_out out;
	bool finding;
	int err = sf_squeeze_run(plan, &result);

	if (err != 0)
		return cannot_run(args, err);
	if (result.nr_squeezed == 0) {
		err = result.fill_err;
		if (err == 0 && result.timed_out)
			err = -ETIME;
		sf_squeeze_free(&result);
		return cannot_squeeze(args, err);
	}
	finding = sf_squeeze_is_finding(&result);
	turn_to_report(report);
	sf_out_open(&out, args->json);
	err = sf_squeeze_print(&out, plan, &result);
	if (result.fill_err != 0)
		sf_cmd_say(args->name,
			   "some of what it ran could not be squeezed: %s",
			   sf_fill_why(result.fill_err));
	sf_squeeze_free(&result);
	return finish(args, &out, err, finding);
}

/*
 * Sweeping
 */

static bool is_same_end(const struct sf_child_end *a,
			const struct sf_child_end *b)
{
	return a->signal == b->signal && a->code == b->code;
}

/* Add what a headroom gave; if it is what the one before gave, to that. */
static void add_step(struct sf_squeeze_sweep *sweep,
		     const struct sf_squeeze_step *step)
{
	struct sf_squeeze_step
		*last = &sweep->steps[sweep->nr > 0 ? sweep->nr - 1 : 0];

	if (sweep->nr > 0 && is_same_end(&last->end, &step->end) &&
	    last->timed_out == step->timed_out &&
	    last->refused == step->refused && last->resident == step->resident)
		last->to = step->to;
	else
		sweep->steps[sweep->nr++] = *step;
}

/* The headroom from which on everything is well. */
static void note_needed(bool *has, size_t *needed, size_t spare, bool well)
{
	if (well && !*has)
		*needed = spare;
	*has = well;
}

/*
 * One headroom. 0, an error of sf_squeeze_run(), -ECANCELED: not squeezed, or
 * -EINTR: by a key.
 */
static int sweep_one(const struct sf_squeeze_plan *plan,
		     struct sf_squeeze_sweep *sweep, int *fill_err)
{
	struct sf_squeeze_result result;
	struct sf_squeeze_step step = { .from = plan->spare,
					.to = plan->spare };
	int err = sf_squeeze_run(plan, &result);

	if (err != 0)
		return err;
	step.end = result.end;
	step.timed_out = result.timed_out;
	step.refused = result.refused.times;
	step.resident = result.resident;
	step.same = !step.timed_out && is_same_end(&result.end, &sweep->end);
	*fill_err = result.fill_err;
	if (result.nr_squeezed == 0)
		err = -ECANCELED;
	if (result.end.signal == SIGINT || result.end.signal == SIGQUIT)
		err = -EINTR; /* that was for us, who ignore it meanwhile */
	sf_squeeze_free(&result);
	if (err != 0)
		return err;
	note_needed(&sweep->has_needed, &sweep->needed, plan->spare, step.same);
	note_needed(&sweep->has_clean, &sweep->clean, plan->spare,
		    step.same && step.refused == 0);
	add_step(sweep, &step);
	return 0;
}

/* How it ends when nothing is used up. 0 or -errno. */
static int run_unsqueezed(const struct sf_squeeze_plan *plan,
			  struct sf_child_end *end)
{
	struct sf_squeeze_plan reference = *plan;
	struct sf_squeeze_result result;
	int err;

	reference.when = SF_SQUEEZE_NEVER;
	err = sf_squeeze_run(&reference, &result);
	if (err != 0)
		return err;
	if (result.timed_out)
		err = -ETIMEDOUT;
	*end = result.end;
	sf_squeeze_free(&result);
	return err;
}

static int run_sweep(const struct sf_args *args, struct sf_squeeze_plan *plan,
		     const struct bounds *bounds, int report)
{
	struct sf_squeeze_sweep sweep = { 0 };
	struct sf_out out;
	int fill_err = 0;
	bool finding;
	int err;

	plan->quiet = true;
	plan->timeout = plan->timeout != 0 ? plan->timeout : SWEEP_TIMEOUT;
	sweep.steps = calloc(bounds->to - bounds->from + 1,
			     sizeof(*sweep.steps));
	err = sweep.steps != NULL ? run_unsqueezed(plan, &sweep.end) : -ENOMEM;
	for (plan->spare = bounds->from; err == 0 && plan->spare <= bounds->to;
	     plan->spare++)
		err = sweep_one(plan, &sweep, &fill_err);
	if (err != 0) {
		free(sweep.steps);
		return err == -ECANCELED ? cannot_squeeze(args, fill_err) :
					   cannot_run(args, err);
	}
	finding = !sweep.has_needed || sweep.needed != bounds->from;
	turn_to_report(report);
	sf_out_open(&out, args->json);
	sf_squeeze_print_sweep(&out, plan, &sweep);
	free(sweep.steps);
	return finish(args, &out, 0, finding);
}

/*
 * The command line
 */

/* "A..B" with A <= B. */
static bool parse_bounds(const char *text, struct bounds *bounds)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	bounds->from = strtoul(text, &end, 10);
	if (strncmp(end, "..", 2) != 0 || end[2] < '0' || end[2] > '9')
		return false;
	bounds->to = strtoul(end + 2, &end, 10);
	return *end == '\0' && bounds->from <= bounds->to &&
	       bounds->to - bounds->from <= SWEEP_MAX &&
	       bounds->to <= SF_FILL_MAX;
}

/* FINE, or USAGE after a message. */
static int make_plan(const struct sf_args *args, struct sf_squeeze_plan *plan,
		     struct bounds *bounds)
{
	plan->words = args->words;
	plan->spare = args->opt[SPARE].nr;
	plan->timeout = (unsigned)args->opt[TIMEOUT].nr;
	plan->when = SF_SQUEEZE_AT_ENTRY;
	if (args->nr_words == 0)
		return sf_cmd_usage(args, "no program given");
	if (args->opt[AFTER].given && args->opt[AT_CALL].given)
		return sf_cmd_usage(args,
				    "--after and --at-call exclude each other");
	if (args->opt[SWEEP].given && args->opt[SPARE].given)
		return sf_cmd_usage(args, "--sweep and -n exclude each other");
	if (args->opt[AFTER].given) {
		plan->when = SF_SQUEEZE_AFTER;
		plan->nr = args->opt[AFTER].nr;
	} else if (args->opt[AT_CALL].given) {
		plan->when = SF_SQUEEZE_AT_CALL;
		plan->nr = args->opt[AT_CALL].nr;
	}
	if (args->opt[SWEEP].given &&
	    !parse_bounds(args->opt[SWEEP].text, bounds))
		return sf_cmd_usage(args,
				    "--sweep wants two numbers, as 0..64, the "
				    "second not less and at most 4096 more");
	return SF_EXIT_FINE;
}

static int run(const struct sf_args *args)
{
	struct sf_squeeze_plan plan = { 0 };
	struct bounds bounds = { 0 };
	char path[PATH_MAX];
	int code = make_plan(args, &plan, &bounds);
	int report;
	int err;

	if (code != SF_EXIT_FINE)
		return code;
	if (!sf_traced_has_proc(args))
		return SF_EXIT_CANNOT;
	err = sf_program_find(args->words[0], path);
	if (err != 0)
		return cannot_run(args, err);
	plan.path = path;
	sf_start_outlive_reader();
	report = sf_traced_open_report(args, args->opt[OUTPUT].text);
	if (report < 0)
		return SF_EXIT_CANNOT;
	if (args->opt[SWEEP].given)
		code = run_sweep(args, &plan, &bounds, report);
	else
		code = run_once(args, &plan, report);
	if (report != STDERR_FILENO)
		close(report);
	return code;
}

const struct sf_cmd sf_cmd_squeeze = {
	.name = "squeeze",
	.summary = "Run a program with few mappings left",
	.operands = "[--] PROGRAM [ARGUMENT ...]",
	.opts = opts,
	.examples = {
		"surefree squeeze -n 20 -- php server.php",
		"surefree squeeze --sweep 0..64 -- ./test",
	},
	.run = run,
};
