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

#define WITH_MALLOC    "libsurefree-preload.so"
#define WITHOUT_MALLOC "libsurefree-preload-mmap.so"
#define BETWEEN_PATHS  " :"
#define PRELOAD	       "LD_PRELOAD"
#define OPTIONS	       "SUREFREE_OPTIONS"
#define MOST	       ((uint64_t)1 << 46) /* more than there are addresses */
#define MOST_NUMBER    8388608

/* Those of this command come first, and then the library's, by their names. */
enum {
	DRY_RUN,
	FORCE,
	MALLOC,
	MMAP,
	FIRST_OPTION = MMAP,
	THREADS,
	STATS,
	PROFILE,
};

static const struct sf_opt opts[] = {
	[DRY_RUN] = { .name = "dry-run",
		      .help = "print the environment, run nothing" },
	[FORCE] = { .name = "force",
		    .help = "run also what the drop-in will not reach" },
	[MALLOC] = { "malloc", 0, SF_OPT_SWITCH, NULL,
		     "take over malloc and its family", "on", 0, 0 },
	[MMAP] = { "mmap", 0, SF_OPT_SWITCH, NULL,
		   "take over mmap and its family", "on", 0, 0 },
	[THREADS] = { "threads", 0, SF_OPT_SWITCH, NULL,
		      "take over stacks of threads", "on", 0, 0 },
	[STATS] = { "stats", 0, SF_OPT_SWITCH, NULL, "print a summary at exit",
		    NULL, 0, 0 },
	[PROFILE] = { "profile", 0, SF_OPT_TEXT, "FILE",
		      "sample a heap profile", NULL, 0, 0 },
	{ "sample", 0, SF_OPT_SIZE, "SIZE", "bytes between its samples", NULL,
	  1, MOST },
	{ "profile-signal", 0, SF_OPT_COUNT, "N", "begins and ends it", NULL, 0,
	  64 },
	{ "retain", 0, SF_OPT_SIZE, "SIZE", "freed memory to keep, at most",
	  NULL, 0, MOST },
	{ "trap", 0, SF_OPT_SWITCH, NULL, "trap released memory", NULL, 0, 0 },
	{ "fence", 0, SF_OPT_SWITCH, NULL, "each block on pages of its own",
	  NULL, 0, 0 },
	{ "hardened", 0, SF_OPT_SWITCH, NULL,
	  "chance, zeros, guards, quarantine", NULL, 0, 0 },
	{ "backtrace", 0, SF_OPT_SWITCH, NULL,
	  "in these two, note who allocates", NULL, 0, 0 },
	{ "region", 0, SF_OPT_SIZE, "SIZE",
	  "address space to reserve at a time", NULL, 1 << 20, MOST },
	{ "ahead", 0, SF_OPT_SIZE, "SIZE", "memory to commit ahead of need",
	  NULL, 0, MOST },
	{ "view-reserve", 0, SF_OPT_COUNT, "N",
	  "mappings that file views leave", NULL, 0, MOST_NUMBER },
	{ 0 },
};

static bool is_off(const struct sf_arg *arg)
{
	return arg->text != NULL && strcmp(arg->text, "off") == 0;
}

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

static bool try_path(char path[PATH_MAX], const char *folder, const char *more,
		     const char *file)
{
	char text[2 * PATH_MAX];

	snprintf(text, sizeof(text), "%s%s/%s", folder, more, file);
	return realpath(text, path) != NULL && access(path, R_OK) == 0;
}

/* Beside this program as built, or as installed, wherever that was moved to. */
static bool find_library(const char *file, char path[PATH_MAX])
{
	char folder[PATH_MAX];

	if (own_folder(folder) &&
	    (try_path(path, folder, "", file) ||
	     try_path(path, folder, "/../" SF_LIBDIR, file)))
		return true;
	return try_path(path, SF_PREFIX, "/" SF_LIBDIR, file);
}

/* Into path the drop-in that is asked for. FINE, or CANNOT after a message. */
static int choose_library(const struct sf_args *args, char path[PATH_MAX])
{
	const char *file = is_off(&args->opt[MALLOC]) ? WITHOUT_MALLOC :
							WITH_MALLOC;

	if (!find_library(file, path)) {
		sf_cmd_say(args->name,
			   "no %s beside this program or in " SF_PREFIX
			   "/" SF_LIBDIR "; install surefree",
			   file);
		return SF_EXIT_CANNOT;
	}
	if (strpbrk(path, BETWEEN_PATHS) != NULL) {
		sf_cmd_say(args->name,
			   "'%s' has a space or colon, which " PRELOAD
			   " can't; install surefree elsewhere",
			   path);
		return SF_EXIT_CANNOT;
	}
	return SF_EXIT_FINE;
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

/* "name=value" as the library has it; NULL without memory. */
static char *make_item(size_t i, const struct sf_arg *arg)
{
	const char *value = i == STATS && !is_off(arg) ? "exit" : arg->text;
	char *text;

	if (asprintf(&text, "%s=%s", opts[i].name, value) < 0)
		return NULL;
	for (char *at = text; *at != '='; at++)
		if (*at == '-')
			*at = '_';
	return text;
}

/* What is there already, and then what the command line says. */
static char *make_options(const struct sf_args *args)
{
	char *text = join(getenv(OPTIONS), "", ',');

	for (size_t i = FIRST_OPTION; text != NULL && opts[i].name; i++) {
		char *old = text;
		char *one;

		if (!args->opt[i].given)
			continue;
		one = make_item(i, &args->opt[i]);
		text = one != NULL ? join(old, one, ',') : NULL;
		free(old);
		free(one);
	}
	return text;
}

/* Whether the path of len bytes is that of a drop-in, of whatever folder. */
static bool is_ours(const char *path, size_t len)
{
	static const char *const files[] = { WITH_MALLOC, WITHOUT_MALLOC };

	for (size_t i = 0; i < SF_NR(files); i++) {
		size_t file_len = strlen(files[i]);

		if (len >= file_len &&
		    memcmp(path + len - file_len, files[i], file_len) == 0 &&
		    (len == file_len || path[len - file_len - 1] == '/'))
			return true;
	}
	return false;
}

/*
 * The drop-in first, then what is there already. There is one drop-in however
 * deep runs are nested: the innermost's.
 */
static char *make_preload(const char *library)
{
	const char *old = getenv(PRELOAD);
	char *text = strdup(library);

	while (text != NULL && old != NULL && *old != '\0') {
		size_t len = strcspn(old, BETWEEN_PATHS);
		char *before = text;

		if (len > 0 && !is_ours(old, len)) {
			if (asprintf(&text, "%s:%.*s", before, (int)len, old) <
			    0)
				text = NULL;
			free(before);
		}
		old += len;
		old += *old != '\0';
	}
	return text;
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
static int check_program(const struct sf_args *args, char path[PATH_MAX])
{
	char buf[PATH_MAX + 256];
	const char *why;
	int err = sf_program_find(args->words[0], path);

	if (err != 0)
		return cannot(args, args->words[0], -err);
	why = sf_program_objection(path, !is_off(&args->opt[MALLOC]), buf,
				   sizeof(buf));
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

/* What the table can't check. FINE, or USAGE after a message. */
static int check_usage(const struct sf_args *args)
{
	const struct sf_arg *opt = args->opt;
	const char *profile = opt[PROFILE].text;

	if (is_off(&opt[MALLOC]) && is_off(&opt[MMAP]) &&
	    is_off(&opt[THREADS])) {
		sf_cmd_say(args->name,
			   "--no-malloc, --no-mmap and --no-threads leave "
			   "nothing to take over; run the program itself");
		return SF_EXIT_USAGE;
	}
	if (profile != NULL && strchr(profile, ',') != NULL) {
		sf_cmd_say(args->name,
			   "--profile: '%s' has a comma, which " OPTIONS
			   " can't; choose another name",
			   profile);
		return SF_EXIT_USAGE;
	}
	if (args->nr_words == 0)
		return sf_cmd_usage(args, "no program given");
	return SF_EXIT_FINE;
}

/* Become the program; a file that the kernel does not know is the shell's. */
static int become(const struct sf_args *args, char *path)
{
	char *shell = SF_PROGRAM_SHELL;
	size_t nr = (size_t)args->nr_words;
	char **words;

	execv(path, args->words);
	if (errno != ENOEXEC)
		return cannot(args, args->words[0], errno);
	words = calloc(nr + 2, sizeof(*words));
	if (words == NULL)
		return cannot(args, args->words[0], ENOMEM);
	words[0] = shell;
	words[1] = path;
	memcpy(words + 2, args->words + 1, (nr - 1) * sizeof(*words));
	execv(shell, words);
	free(words);
	return cannot(args, shell, errno);
}

static int run(const struct sf_args *args)
{
	char library[PATH_MAX];
	char path[PATH_MAX];
	int code = check_usage(args);

	if (code == SF_EXIT_FINE)
		code = choose_library(args, library);
	if (code == SF_EXIT_FINE)
		code = check_program(args, path);
	if (code == SF_EXIT_FINE)
		code = set_environment(args, library);
	if (code != SF_EXIT_FINE || args->opt[DRY_RUN].given)
		return code;
	return become(args, path);
}

const struct sf_cmd sf_cmd_run = {
	.name = "run",
	.summary = "Run a program with the drop-in",
	.operands = "[--] PROGRAM [ARGUMENT ...]",
	.opts = opts,
	.examples = {
		"surefree run -- redis-server --port 7000",
		"surefree run --stats --no-threads --retain 0 -- make -j4",
	},
	.replaces = true,
	.run = run,
};
