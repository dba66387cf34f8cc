// SPDX-License-Identifier: MIT
/*
 * surefree maps: explains the mappings of one process, in words, numbers and a
 * picture. What is concluded, and how, is in explain.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "count_proc.h"
#include "draw.h"
#include "maps_print.h"
#include "os/limit.h"
#include "os/proc.h"
#include "surefree.h"

enum { SMAPS, SVG, FILES, WARN };

static const struct sf_opt opts[] = {
	[SMAPS] = { .name = "smaps",
		    .help = "read smaps too: resident bytes, flags; slow" },
	[SVG] = { "svg", 0, SF_OPT_TEXT, "FILE",
		  "draw the address space for a browser", NULL, 0, 0 },
	[FILES] = { "files", 'n', SF_OPT_COUNT, "COUNT",
		    "files to list, by mappings", "10", 0, 1000000 },
	[WARN] = { "warn", 'w', SF_OPT_COUNT, "PERCENT",
		   "of the limit: more is a finding", "80", 0, 100 },
	{ 0 },
};

/*
 * Reading
 */

/* The number after a key of /proc/PID/status; 0: not there. */
static size_t read_status(pid_t pid, const char *key)
{
	struct sf_proc proc;
	char path[48];
	char *line;
	char *rest;
	size_t nr = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if (sf_proc_open(&proc, path) != 0)
		return 0;
	while (nr == 0 && sf_proc_line(&proc, &line) == 1) {
		if (!sf_proc_starts(line, key, &rest))
			continue;
		rest += strspn(rest, " \t");
		nr = sf_proc_digits(&rest, 10);
	}
	sf_proc_close(&proc);
	return nr;
}

static void read_command(pid_t pid, char *command, size_t len)
{
	sf_process_read_name(pid, command, len);
	if (command[0] == '\0')
		snprintf(command, len, "?");
}

/* 0 or -errno. Of a process whose first thread has ended from another. */
static int read_mappings(struct sf_maps_look *look, bool detailed)
{
	int err = sf_mappings_read(&look->all, look->pid, detailed);
	pid_t tid = err == -ESRCH ? sf_process_other_thread(look->pid) : 0;

	return tid != 0 ? sf_mappings_read(&look->all, tid, detailed) : err;
}

/* 0 or -errno; look_free() must follow where it is 0. */
static int look_at(struct sf_maps_look *look, bool detailed)
{
	int err = read_mappings(look, detailed);

	if (err != 0)
		return err;
	sf_limit_mappings(&look->facts.limit);
	look->facts.page_len = (size_t)sysconf(_SC_PAGESIZE);
	look->facts.nr_threads = read_status(look->pid, "Threads:");
	read_command(look->pid, look->command, sizeof(look->command));
	err = sf_explain(&look->found, &look->all, &look->facts);
	if (err != 0)
		sf_mappings_free(&look->all);
	return err;
}

static void look_free(struct sf_maps_look *look)
{
	sf_explain_free(&look->found);
	sf_mappings_free(&look->all);
}

/*
 * Printing
 */

static int print_all(const struct sf_args *args,
		     const struct sf_maps_look *look)
{
	size_t warn = args->opt[WARN].nr;
	bool finding = look->found.nr * 100 > look->facts.limit * warn;
	struct sf_out out;
	int err;

	sf_out_open(&out, args->json);
	err = sf_maps_print(&out, look, args->opt[FILES].nr);
	sf_out_top(&out, "version", sf_cell_text(surefree_version()));
	sf_out_top(&out, "finding", sf_cell_bool(finding));
	if (sf_out_close(&out) != 0 || err != 0) {
		sf_cmd_say(args->name, "out of memory; free some");
		return SF_EXIT_CANNOT;
	}
	return finding ? SF_EXIT_FINDING : SF_EXIT_FINE;
}

/*
 * The picture
 */

static int draw(const struct sf_args *args, const struct sf_maps_look *look)
{
	const char *path = args->opt[SVG].text;
	FILE *file = fopen(path, "we");
	char title[160];
	int err = file != NULL ? 0 : -errno;

	snprintf(title, sizeof(title), "Process %d, %s", (int)look->pid,
		 look->command);
	if (err == 0) {
		err = sf_draw(file, title, &look->all, &look->found);
		if ((ferror(file) != 0 || fflush(file) != 0) && err == 0)
			err = errno != 0 ? -errno : -EIO;
		fclose(file);
	}
	if (err == 0)
		return SF_EXIT_FINE;
	sf_cmd_say(args->name, "cannot write '%s': %s", path, strerror(-err));
	return SF_EXIT_CANNOT;
}

/*
 * Running
 */

static bool parse_pid(const char *text, pid_t *pid)
{
	char *end;
	long nr = strtol(text, &end, 10);

	*pid = (pid_t)nr;
	return end != text && *end == '\0' && nr > 0 && nr == *pid;
}

static int cannot(const struct sf_args *args, int err)
{
	if (err == -ESRCH)
		sf_cmd_say(args->name,
			   "process %s is not there, or has no memory",
			   args->words[0]);
	else if (err == -ENOMEM)
		sf_cmd_say(args->name, "out of memory; free some");
	else
		sf_cmd_say(args->name,
			   "cannot read the mappings of process %s: %s; %s",
			   args->words[0], strerror(-err),
			   geteuid() != 0 ? "run it as that user or as root" :
					    "it takes CAP_SYS_PTRACE, and "
					    "security modules that allow it");
	return SF_EXIT_CANNOT;
}

static int run(const struct sf_args *args)
{
	struct sf_maps_look look = { 0 };
	int code = SF_EXIT_FINE;
	int err;

	if (args->nr_words > 1 && args->words[1][0] == '-') {
		sf_cmd_say(args->name,
			   "'%s' comes behind the process; give options first",
			   args->words[1]);
		return SF_EXIT_USAGE;
	}
	if (args->nr_words != 1 || !parse_pid(args->words[0], &look.pid))
		return sf_cmd_usage(args, "give one process by its number");
	err = look_at(&look, args->opt[SMAPS].given);
	if (err != 0)
		return cannot(args, err);
	if (args->opt[SVG].given)
		code = draw(args, &look);
	if (code == SF_EXIT_FINE)
		code = print_all(args, &look);
	look_free(&look);
	return code;
}

const struct sf_cmd sf_cmd_maps = {
	.name = "maps",
	.summary = "Explain the mappings of a process",
	.operands = "PID",
	.opts = opts,
	.examples = {
		"surefree maps $(pidof redis-server)",
		"surefree maps --svg maps.svg 4711",
	},
	.run = run,
};
