// SPDX-License-Identifier: MIT
/*
 * surefree export: mappings by group of processes, for Prometheus. What is told
 * is in metrics.c, how it is handed out in serve_*.c; here are the options, and
 * the rights that are given up.
 */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cmd.h"
#include "listen.h"
#include "metrics.h"
#include "rights.h"
#include "select.h"
#include "serve.h"

#define MAX_GROUPS 1000
#define WHY_LEN	   128

enum {
	LISTEN,
	ALLOW_REMOTE,
	TEXTFILE,
	INTERVAL,
	GROUP_BY,
	GROUP,
	MAX,
	REFUSED,
	SOURCE,
};

static const struct sf_opt opts[] = {
	[LISTEN] = { "listen", 'l', SF_OPT_TEXT, "ADDR",
		     "address:port to answer at", "127.0.0.1:10655", 0, 0 },
	[ALLOW_REMOTE] = { .name = "allow-remote",
			   .help = "let other machines reach that address" },
	[TEXTFILE] = { "textfile", 'o', SF_OPT_TEXT, "FILE",
		       "write this file instead, or - for stdout", NULL, 0, 0 },
	[INTERVAL] = { "interval", 'i', SF_OPT_COUNT, "SEC",
		       "write it again and again", NULL, 1, 86400 },
	[GROUP_BY] = { "group-by", 'g', SF_OPT_TEXT, "WHAT",
		       "comm, cgroup: what makes a group", "comm", 0, 0 },
	[GROUP] = { "group", 0, SF_OPT_TEXTS, "NAME=RE",
		    "a group by what its names match, repeated", NULL, 0, 0 },
	[MAX] = { "max-groups", 0, SF_OPT_COUNT, "N",
		  "groups with names; more are one", "100", 1, MAX_GROUPS },
	[REFUSED] = { "refused", 0, SF_OPT_TEXT, "HOW",
		      "count refused calls: free, always, never", "free", 0,
		      0 },
	[SOURCE] = { "source", 0, SF_OPT_TEXT, "HOW",
		     "bpf, proc: how to count (default best)", NULL, 0, 0 },
	{ 0 },
};

/* All that run() makes and has to free. */
struct export
{
	const struct sf_args *args;
	struct sf_metrics metrics;
	struct sf_address address;
	enum sf_process_source source;
	enum sf_refusals refusals;
	bool once;
};

/*
 * The command line
 */

static int parse_refused(const struct sf_args *args, enum sf_refusals *out)
{
	const char *text = args->opt[REFUSED].text;

	if (strcmp(text, "free") == 0)
		*out = SF_REFUSALS_FREE;
	else if (strcmp(text, "always") == 0)
		*out = SF_REFUSALS_ANYHOW;
	else if (strcmp(text, "never") == 0)
		*out = SF_REFUSALS_NONE;
	else {
		sf_cmd_say(args->name,
			   "--refused: '%s' is not free, always or never",
			   text);
		return -EINVAL;
	}
	return 0;
}

static int parse_address(const struct sf_args *args, struct sf_address *out)
{
	const char *text = args->opt[LISTEN].text;

	if (sf_listen_parse(text, out) != 0) {
		sf_cmd_say(args->name,
			   "--listen: '%s' is not ADDRESS:PORT, as "
			   "127.0.0.1:10655 or [::1]:10655",
			   text);
		return -EINVAL;
	}
	if (!args->opt[ALLOW_REMOTE].given && !sf_listen_is_loopback(out)) {
		sf_cmd_say(args->name,
			   "--listen: other machines reach '%s'; give "
			   "--allow-remote if they may",
			   text);
		return -EINVAL;
	}
	return 0;
}

/* The options that are of use only with others, or without. */
static int check_mix(const struct sf_args *args)
{
	const struct sf_arg *opt = args->opt;
	const char *cause = NULL;

	if (opt[TEXTFILE].given &&
	    (opt[LISTEN].given || opt[ALLOW_REMOTE].given))
		cause = "--textfile and --listen exclude each other";
	else if (args->json && (opt[TEXTFILE].given || opt[LISTEN].given))
		cause = "--json prints once, without --textfile or --listen";
	else if (opt[INTERVAL].given && !opt[TEXTFILE].given)
		cause = "--interval is for --textfile";
	else if (opt[GROUP].given && opt[GROUP_BY].given)
		cause = "--group and --group-by exclude each other";
	if (cause == NULL)
		return 0;
	sf_cmd_usage(args, cause);
	return -EINVAL;
}

static int parse_group_by(const struct sf_args *args, enum sf_group_by *out)
{
	const char *text = args->opt[GROUP_BY].text;

	if (args->nr_texts > 0)
		*out = SF_GROUP_REGEX;
	else if (strcmp(text, "comm") == 0)
		*out = SF_GROUP_COMM;
	else if (strcmp(text, "cgroup") == 0)
		*out = SF_GROUP_CGROUP;
	else {
		sf_cmd_say(args->name, "--group-by: '%s' is not comm or cgroup",
			   text);
		return -EINVAL;
	}
	return 0;
}

static int open_groups(struct export *export)
{
	const struct sf_args *args = export->args;
	struct sf_groups *groups = &export->metrics.groups;
	enum sf_group_by by;
	char why[WHY_LEN];
	int err = parse_group_by(args, &by);

	if (err == 0)
		err = sf_groups_open(groups, by, args->opt[MAX].nr);
	for (size_t i = 0; err == 0 && i < args->nr_texts; i++) {
		err = sf_groups_add_rule(groups, args->texts[i], why,
					 sizeof(why));
		if (err != 0)
			sf_cmd_say(args->name, "--group: '%s': %s",
				   args->texts[i], why);
	}
	return err;
}

/* 0, or -EINVAL after a message. */
static int parse(struct export *export)
{
	const struct sf_args *args = export->args;

	export->once = args->json || (args->opt[TEXTFILE].given &&
				      !args->opt[INTERVAL].given);
	if (check_mix(args) != 0 || parse_refused(args, &export->refusals) != 0)
		return -EINVAL;
	/* One look tells nothing of what is counted from now on. */
	if (export->once)
		export->refusals = SF_REFUSALS_NONE;
	export->metrics.lives = !export->once;
	if (sf_select_source(args->name, args->opt[SOURCE].text,
			     &export->source) != 0)
		return -EINVAL;
	return parse_address(args, &export->address);
}

/*
 * Rights
 */

/*
 * Reading what loaded programs count needs CAP_BPF on kernels before 5.19 where
 * unprivileged BPF is switched off: found by a snapshot without it. Loading
 * needed the others.
 */
static uint64_t rights_for_bpf(struct export *export)
{
	uint64_t bpf = SF_RIGHT(CAP_BPF);

	if (sf_rights_use(sf_rights() & ~bpf) != 0)
		return bpf;
	return sf_metrics_update(&export->metrics) == 0 ? 0 : bpf;
}

/* Keep what is needed from now on, and no more. 0 or -errno. */
static int drop_rights(struct export *export)
{
	const char *path = export->args->opt[TEXTFILE].text;
	uint64_t keep = 0;

	if (path != NULL && strcmp(path, "-") != 0)
		keep |= SF_RIGHT(CAP_DAC_OVERRIDE);
	if (export->metrics.all.by_bpf)
		keep |= rights_for_bpf(export);
	else
		keep |= SF_RIGHT(CAP_SYS_PTRACE);
	return sf_rights_keep(keep);
}

/*
 * Running
 */

/* Readable once we are to end; -errno. */
static int open_signals(void)
{
	sigset_t signals;
	int fd;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0)
		return -errno;
	fd = signalfd(-1, &signals, SFD_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

/* What a log should have of how we count. */
static void say_source(const struct export *export, const char *where)
{
	const struct sf_processes *all = &export->metrics.all;
	const char *name = export->args->name;

	if (where != NULL)
		sf_cmd_say(name, "listening on http://%s/metrics", where);
	if (all->no_bpf != NULL)
		sf_cmd_say(name, "counting by reading /proc: %s", all->no_bpf);
	if (all->no_refused != NULL && export->refusals != SF_REFUSALS_NONE)
		sf_cmd_say(name, "refused calls are not counted: %s",
			   all->no_refused);
}

static int write_file(struct export *export, int signal_fd)
{
	const struct sf_args *args = export->args;
	int err = drop_rights(export);

	if (err != 0) {
		sf_cmd_say(args->name, "cannot give up rights: %s",
			   strerror(-err));
		return SF_EXIT_CANNOT;
	}
	if (!export->once)
		say_source(export, NULL);
	err = sf_serve_file(&export->metrics, args->name,
			    args->opt[TEXTFILE].text,
			    (unsigned)args->opt[INTERVAL].nr, signal_fd);
	return err == 0 ? SF_EXIT_FINE : SF_EXIT_CANNOT;
}

static int answer(struct export *export, int signal_fd)
{
	const struct sf_args *args = export->args;
	char where[SF_ADDRESS_LEN + 8];
	int fd = sf_listen_open(&export->address, where, sizeof(where));
	int err;

	if (fd < 0) {
		sf_cmd_say(args->name,
			   "cannot listen on %s: %s; --listen says where else",
			   args->opt[LISTEN].text, strerror(-fd));
		return SF_EXIT_CANNOT;
	}
	err = drop_rights(export);
	if (err == 0) {
		say_source(export, where);
		err = sf_serve_http(&export->metrics, args->name, fd,
				    signal_fd);
	} else {
		close(fd);
	}
	if (err == 0)
		return SF_EXIT_FINE;
	sf_cmd_say(args->name, "cannot serve: %s", strerror(-err));
	return SF_EXIT_CANNOT;
}

/* Processes can be read. Returns enum sf_exit. */
static int hand_out(struct export *export)
{
	const struct sf_args *args = export->args;
	int signal_fd = -1;
	int code, err = 0;

	if (args->json)
		err = sf_metrics_json(&export->metrics);
	else if (!export->once)
		signal_fd = open_signals();
	if (err != 0)
		return sf_select_cannot(args->name, &export->metrics.all, err);
	if (args->json)
		return SF_EXIT_FINE;
	if (args->opt[TEXTFILE].given)
		code = write_file(export, signal_fd);
	else
		code = answer(export, signal_fd);
	if (signal_fd >= 0)
		close(signal_fd);
	return code;
}

static int run(const struct sf_args *args)
{
	struct export export = { .args = args };
	struct sf_metrics *metrics = &export.metrics;
	int code = SF_EXIT_USAGE;
	int err;

	if (parse(&export) != 0)
		return SF_EXIT_USAGE;
	err = open_groups(&export);
	if (err == 0 && !export.once && !args->opt[TEXTFILE].given &&
	    !sf_serve_http_built) {
		sf_cmd_say(args->name, "surefree was built without "
				       "libmicrohttpd; --textfile does "
				       "without");
		code = SF_EXIT_CANNOT;
	} else if (err == 0) {
		err = sf_processes_open(&metrics->all, export.source,
					export.refusals);
		code = err != 0 ? sf_select_cannot(args->name, &metrics->all,
						   err) :
				  hand_out(&export);
	}
	sf_metrics_close(metrics);
	return code;
}

const struct sf_cmd sf_cmd_export = {
	.name = "export",
	.summary = "Tell Prometheus of the mappings of processes",
	.opts = opts,
	.examples = {
		"surefree export --group-by cgroup",
		"surefree export --textfile /var/lib/node/surefree.prom",
	},
	.run = run,
};
