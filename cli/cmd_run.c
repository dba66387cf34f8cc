// SPDX-License-Identifier: MIT
/*
 * surefree run: replace this process by a program that has the drop-in
 * preloaded. All that it does is to set two environment variables, so that
 * signals, exit status, files and arguments are the program's own, and what the
 * program starts has the drop-in too.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "cmd.h"
#include "out.h"
#include "program.h"

#define LIBRARY "libsurefree-preload.so"
#define PRELOAD "LD_PRELOAD"
#define OPTIONS "SUREFREE_OPTIONS"

/* Those that only this command has come first. */
enum { DRY_RUN, FORCE, STATS, BACKTRACE, FIRST_OPTION = BACKTRACE };

static const struct sf_opt opts[] = {
	[DRY_RUN] = { .name = "dry-run",
		      .help = "print the environment, run nothing" },
	[FORCE] = { .name = "force",
		    .help = "run also what the drop-in will not reach" },
	[STATS] = { .name = "stats", .help = "print a summary at exit" },
	/* The library's, by the same names. */
	[BACKTRACE] = { "backtrace", 0, SF_OPT_TEXT, "WHEN",
			"on, off: note who allocates and frees", NULL, 0, 0 },
	{ "retain", 0, SF_OPT_SIZE, "SIZE", "freed memory to keep, at most",
	  NULL, 0, (uint64_t)1 << 46 },
	{ .name = "fence", .help = "each block on pages of its own" },
	{ .name = "hardened", .help = "chance, zeros, guards, quarantine" },
	{ "profile", 0, SF_OPT_TEXT, "FILE", "sample a heap profile", NULL, 0,
	  0 },
	{ "sample", 0, SF_OPT_SIZE, "SIZE", "bytes between its samples", NULL,
	  1, (uint64_t)1 << 46 },
	{ "region", 0, SF_OPT_SIZE, "SIZE",
	  "address space to reserve at a time", NULL, 1 << 20,
	  (uint64_t)1 << 46 },
	{ "ahead", 0, SF_OPT_SIZE, "SIZE", "memory to commit ahead of need",
	  NULL, 0, (uint64_t)1 << 46 },
	{ 0 },
};

/*
 * Where the drop-in is
 */

/* The folder of this program, without the last slash. */
static bool own_folder(char folder[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", folder, PATH_MAX - 1);
	char *slash;

	if (len <= 0)
		return false;
	folder[len] = '\0';
	slash = strrchr(folder, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}

static bool try_path(char path[PATH_MAX], const char *folder, const char *more)
{
	char text[2 * PATH_MAX];

	snprintf(text, sizeof(text), "%s%s/" LIBRARY, folder, more);
	return realpath(text, path) != NULL && access(path, R_OK) == 0;
}

/* Beside this program as built, or as installed, wherever that was moved to. */
static bool find_library(char path[PATH_MAX])
{
	char folder[PATH_MAX];

	if (own_folder(folder) && (try_path(path, folder, "") ||
				   try_path(path, folder, "/../" SF_LIBDIR)))
		return true;
	return try_path(path, SF_PREFIX, "/" SF_LIBDIR);
}

/*
 * The environment
 */

/* "a,b", or what there is of both; NULL without memory. */
static char *join(const char *a, const char *b, char between)
{
	bool both = a != NULL && a[0] != '\0' && b[0] != '\0';
	char *text;

	if (asprintf(&text, "%s%.*s%s", a != NULL ? a : "", both, &between, b) <
	    0)
		return NULL;
	return text;
}

/* What is there already, and then what the command line says. */
static char *make_options(const struct sf_args *args)
{
	char *text = join(getenv(OPTIONS),
			  args->opt[STATS].given ? "stats=exit" : "", ',');

	for (size_t i = FIRST_OPTION; text != NULL && opts[i].name; i++) {
		const struct sf_arg *arg = &args->opt[i];
		char *old = text;
		char *one;

		if (!arg->given)
			continue;
		if (asprintf(&one, "%s%s%s", opts[i].name,
			     arg->text != NULL ? "=" : "",
			     arg->text != NULL ? arg->text : "") < 0)
			one = NULL;
		text = one != NULL ? join(old, one, ',') : NULL;
		free(old);
		free(one);
	}
	return text;
}

/* The drop-in first; once, however deep runs are nested. */
static char *make_preload(const char *library)
{
	const char *old = getenv(PRELOAD);
	size_t len = strlen(library);

	if (old != NULL && strncmp(old, library, len) == 0 &&
	    (old[len] == ':' || old[len] == ' ' || old[len] == '\0'))
		return strdup(old);
	return join(library, old != NULL ? old : "", ':');
}

static int print(const char *preload, const char *options, bool json)
{
	struct sf_out out;

	if (!json) {
		printf(PRELOAD "=%s\n" OPTIONS "=%s\n", preload, options);
		return SF_EXIT_FINE;
	}
	sf_out_open(&out, json);
	sf_out_top(&out, "ld_preload", sf_cell_text(preload));
	sf_out_top(&out, "surefree_options", sf_cell_text(options));
	return sf_out_close(&out) == 0 ? SF_EXIT_FINE : SF_EXIT_CANNOT;
}

/*
 * Running
 */

static int cannot(const struct sf_args *args, const char *what, int err)
{
	sf_cmd_say(args->name, "cannot run '%s': %s", what, strerror(err));
	return SF_EXIT_CANNOT;
}

/* Into path what is to be run. FINE, or CANNOT after a message. */
static int check(const struct sf_args *args, char path[PATH_MAX])
{
	char buf[PATH_MAX + 256];
	const char *why;
	int err = sf_program_find(args->words[0], path);

	if (err != 0)
		return cannot(args, args->words[0], -err);
	why = sf_program_objection(path, buf, sizeof(buf));
	if (why == NULL || args->opt[FORCE].given)
		return SF_EXIT_FINE;
	sf_cmd_say(args->name, "%s (--force runs it all the same)", why);
	return SF_EXIT_CANNOT;
}

static int set_environment(const struct sf_args *args, const char *library)
{
	char *preload = make_preload(library);
	char *options = make_options(args);
	int code = SF_EXIT_FINE;

	if (preload == NULL || options == NULL ||
	    setenv(PRELOAD, preload, 1) != 0 ||
	    (options[0] != '\0' && setenv(OPTIONS, options, 1) != 0)) {
		sf_cmd_say(args->name, "out of memory; free some");
		code = SF_EXIT_CANNOT;
	} else if (args->opt[DRY_RUN].given) {
		code = print(preload, options, args->json);
	}
	free(preload);
	free(options);
	return code;
}

static int run(const struct sf_args *args)
{
	char library[PATH_MAX];
	char path[PATH_MAX];
	int code;
	const char *backtrace = args->opt[BACKTRACE].text;

	if (backtrace != NULL && strcmp(backtrace, "on") != 0 &&
	    strcmp(backtrace, "off") != 0) {
		sf_cmd_say(args->name, "--backtrace: '%s' is not on or off",
			   backtrace);
		return SF_EXIT_USAGE;
	}
	if (args->nr_words == 0) {
		sf_cmd_say(args->name, "no program given; see '%s --help'",
			   args->name);
		return SF_EXIT_USAGE;
	}
	if (!find_library(library)) {
		sf_cmd_say(args->name,
			   "no " LIBRARY " beside this program or in " SF_PREFIX
			   "/" SF_LIBDIR "; install surefree");
		return SF_EXIT_CANNOT;
	}
	if (strpbrk(library, " :") != NULL) {
		sf_cmd_say(args->name,
			   "'%s' has a space or colon, which " PRELOAD
			   " can't; install surefree elsewhere",
			   library);
		return SF_EXIT_CANNOT;
	}
	code = check(args, path);
	if (code == SF_EXIT_FINE)
		code = set_environment(args, library);
	if (code != SF_EXIT_FINE || args->opt[DRY_RUN].given)
		return code;
	execv(path, args->words);
	return cannot(args, args->words[0], errno);
}

const struct sf_cmd sf_cmd_run = {
	.name = "run",
	.summary = "Run a program with the drop-in malloc",
	.operands = "[--] PROGRAM [ARGUMENT ...]",
	.opts = opts,
	.examples = {
		"surefree run -- redis-server --port 7000",
		"surefree run --stats --retain 0 -- make -j4",
	},
	.replaces = true,
	.run = run,
};
