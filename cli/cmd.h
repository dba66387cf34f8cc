/* SPDX-License-Identifier: MIT */
/*
 * What a command is. Every command is one `const struct sf_cmd`; parsing,
 * --help and error messages come from it and are the same everywhere. A new
 * command is a file cmd_<name>.c and one line in main.c.
 */
#ifndef SF_CLI_CMD_H
#define SF_CLI_CMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sf_exit {
	SF_EXIT_FINE = 0,
	SF_EXIT_FINDING = 1, /* what was looked for is there */
	SF_EXIT_USAGE = 2,
	SF_EXIT_CANNOT = 3, /* no permission, no memory, no support */
};

enum sf_opt_kind {
	SF_OPT_FLAG,
	SF_OPT_SWITCH, /* --name and --no-name; the last one counts */
	SF_OPT_COUNT,  /* a number */
	SF_OPT_SIZE,   /* a number of bytes, with K, M, G or T */
	SF_OPT_TEXT,
	SF_OPT_TEXTS, /* may be given again; one such option a command */
};

struct sf_opt {
	const char *name; /* "size" for --size */
	char letter;	  /* 's' for -s, or 0 */
	enum sf_opt_kind kind;
	const char *arg;   /* "SIZE"; NULL for a flag or switch */
	const char *help;  /* one phrase */
	const char *def;   /* value when not given, as a user writes it */
	uint64_t min, max; /* of a count or size */
};

#define SF_OPTS_MAX  24
#define SF_TEXTS_MAX 64

struct sf_arg {
	bool given;
	uint64_t nr;	  /* count or size; the default when not given */
	const char *text; /* as written; "on" or "off" of a switch */
};

struct sf_cmd;

/* A command line after parsing. */
struct sf_args {
	const struct sf_cmd *cmd;
	char name[64];			 /* "surefree probe malloc" */
	bool json;			 /* --json, here or before */
	struct sf_arg opt[SF_OPTS_MAX];	 /* in the order of cmd->opts */
	const char *texts[SF_TEXTS_MAX]; /* of SF_OPT_TEXTS, in order */
	size_t nr_texts;
	char **words; /* operands */
	int nr_words;
};

struct sf_cmd {
	const char *name;
	const char *summary;	   /* one phrase, no full stop */
	const char *operands;	   /* "PID" for the synopsis; NULL: none */
	const struct sf_opt *opts; /* ends with a NULL name; NULL: none */
	const struct sf_cmd *const *subs; /* ends with NULL; NULL: none */
	const char *examples[2];
	bool replaces; /* runs another program in this process */
	bool hidden;   /* not in the list of commands: not for people */
	/* Returns enum sf_exit. NULL: one of subs must be named. */
	int (*run)(const struct sf_args *args);
};

/* Parse argv for cmd, descend into its subs, run. Returns enum sf_exit. */
int sf_cmd_main(const struct sf_cmd *cmd, int argc, char **argv);

/* One line on stderr, "NAME: ...". */
void sf_cmd_say(const char *name, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Whether a standard stream was closed when we were started. */
bool sf_cmd_is_closed(int fd);

/* One line on how it is used: the cause, and --help. SF_EXIT_USAGE. */
int sf_cmd_usage(const struct sf_args *args, const char *cause);

/* surefree itself, with all of the others below it. */
extern const struct sf_cmd sf_cmd_root;

extern const struct sf_cmd sf_cmd_completion;
extern const struct sf_cmd sf_cmd_export;
extern const struct sf_cmd sf_cmd_maps;
extern const struct sf_cmd sf_cmd_probe;
extern const struct sf_cmd sf_cmd_ps;
extern const struct sf_cmd sf_cmd_run;
extern const struct sf_cmd sf_cmd_squeeze;
extern const struct sf_cmd sf_cmd_top;
extern const struct sf_cmd sf_cmd_trace;

#endif
