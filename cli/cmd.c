// SPDX-License-Identifier: MIT
/*
 * Parses a command line by the table of the command it names, prints --help
 * from the same table and words every usage error alike: one line with the
 * cause and where to look.
 */
#include "cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "surefree.h"

/* getopt's value of option i; the two that every command has come first. */
#define OPT_VALUE(i) (256 + (int)(i))
#define OPT_HELP     OPT_VALUE(SF_OPTS_MAX)
#define OPT_JSON     OPT_VALUE(SF_OPTS_MAX + 1)
#define OPT_VERSION  OPT_VALUE(SF_OPTS_MAX + 2)
#define OPT_NO(i)    OPT_VALUE(SF_OPTS_MAX + 3 + (int)(i)) /* --no- of switch i */
#define HELP_COLUMN  22

#define NO_NAME_LEN 32 /* of "no-name" */

/* Options that the synopsis names one by one. */
#define SYNOPSIS_OPTS 4

void sf_cmd_say(const char *name, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int sf_cmd_usage(const struct sf_args *args, const char *cause)
{
	sf_cmd_say(args->name, "%s; see '%s --help'", cause, args->name);
	return SF_EXIT_USAGE;
}

/* The options of a command, also when it has none. */
static const struct sf_opt *opts_of(const struct sf_cmd *cmd)
{
	static const struct sf_opt none = { 0 };

	return cmd->opts != NULL ? cmd->opts : &none;
}

static int usage(const struct sf_args *args, const char *cause,
		 const char *what)
{
	sf_cmd_say(args->name, "%s '%s'; see '%s --help'", cause, what,
		   args->name);
	return -EINVAL;
}

static const char *prefix_of(const struct sf_opt *opt)
{
	return opt->kind == SF_OPT_SWITCH ? "[no-]" : "";
}

/* Each option, or a word for them where they are many. */
static void print_options_short(const struct sf_cmd *cmd)
{
	const struct sf_opt *opt;
	size_t nr = 0;

	while (opts_of(cmd)[nr].name != NULL)
		nr++;
	if (nr > SYNOPSIS_OPTS) {
		printf(" [OPTION ...]");
		return;
	}
	for (opt = opts_of(cmd); opt->name != NULL; opt++) {
		if (opt->letter != 0)
			printf(" [-%c", opt->letter);
		else
			printf(" [--%s%s", prefix_of(opt), opt->name);
		printf("%s%s]", opt->arg != NULL ? " " : "",
		       opt->arg != NULL ? opt->arg : "");
	}
}

static void print_synopsis(const struct sf_args *args)
{
	printf("Usage: %s [--json]", args->name);
	print_options_short(args->cmd);
	if (args->cmd->subs != NULL)
		printf(args->cmd->run != NULL ? " [COMMAND]" : " COMMAND ...");
	if (args->cmd->operands != NULL)
		printf(" %s", args->cmd->operands);
	printf("\n\n%s.\n", args->cmd->summary);
}

static void print_option(const struct sf_opt *opt)
{
	char left[64];

	snprintf(left, sizeof(left), "%c%c%c --%s%s%s%s",
		 opt->letter != 0 ? '-' : ' ',
		 opt->letter != 0 ? opt->letter : ' ',
		 opt->letter != 0 ? ',' : ' ', prefix_of(opt), opt->name,
		 opt->arg != NULL ? " " : "", opt->arg != NULL ? opt->arg : "");
	printf("  %-*s %s", HELP_COLUMN, left, opt->help);
	if (opt->def != NULL)
		printf(" (default %s)", opt->def);
	putchar('\n');
}

static void print_help(const struct sf_args *args)
{
	static const struct sf_opt common[] = {
		{ .name = "json", .help = "print JSON instead of text" },
		{ .name = "help", .help = "print this" },
	};
	const struct sf_cmd *const *sub;
	const struct sf_opt *opt;

	print_synopsis(args);
	if (args->cmd->subs != NULL) {
		printf("\nCommands:\n");
		for (sub = args->cmd->subs; *sub != NULL; sub++) {
			if (!(*sub)->hidden)
				printf("  %-*s %s\n", HELP_COLUMN, (*sub)->name,
				       (*sub)->summary);
		}
	}
	printf("\nOptions:\n");
	for (opt = opts_of(args->cmd); opt->name != NULL; opt++)
		print_option(opt);
	print_option(&common[0]);
	print_option(&common[1]);
	printf("\nExit status: %s2 usage error, 3 cannot.\n",
	       args->cmd->replaces ? "the program's; " : "0 fine, 1 finding, ");
	printf("\nExamples:\n  %s\n  %s\n", args->cmd->examples[0],
	       args->cmd->examples[1]);
}

static bool has_number(const struct sf_opt *opt)
{
	return opt->kind == SF_OPT_COUNT || opt->kind == SF_OPT_SIZE;
}

/* A number, with K, M, G or T if it is a size. 0, -EINVAL or -ERANGE. */
static int parse_number(const struct sf_opt *opt, const char *text,
			uint64_t *out)
{
	static const char units[] = "KMGT";
	unsigned shift = 0;
	const char *unit;
	char *end;
	unsigned long long nr;

	errno = 0;
	nr = strtoull(text, &end, 10);
	if (end == text || text[0] < '0' || text[0] > '9')
		return -EINVAL;
	if (*end != '\0' && opt->kind == SF_OPT_SIZE) {
		unit = strchr(units, *end);
		if (unit == NULL)
			return -EINVAL;
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	if (*end != '\0')
		return -EINVAL;
	if (errno != 0 || nr > opt->max >> shift || nr << shift < opt->min)
		return -ERANGE;
	*out = (uint64_t)nr << shift;
	return 0;
}

/* Take the value of one option. 0, or -EINVAL after a message. */
static int take_option(struct sf_args *args, size_t i, const char *text)
{
	const struct sf_opt *opt = &args->cmd->opts[i];
	struct sf_arg *arg = &args->opt[i];
	int err = 0;

	arg->given = true;
	arg->text = text;
	if (opt->kind == SF_OPT_TEXTS) {
		if (args->nr_texts == SF_TEXTS_MAX) {
			sf_cmd_say(args->name, "--%s: '%s' is one too many",
				   opt->name, text);
			return -EINVAL;
		}
		args->texts[args->nr_texts++] = text;
	}
	if (has_number(opt))
		err = parse_number(opt, text, &arg->nr);
	if (err == 0)
		return 0;
	if (err == -EINVAL)
		sf_cmd_say(args->name,
			   "--%s: '%s' is not a %s; see '%s --help'", opt->name,
			   text, opt->kind == SF_OPT_SIZE ? "size" : "number",
			   args->name);
	else
		sf_cmd_say(args->name,
			   "--%s: '%s' is out of range, give %llu to %llu",
			   opt->name, text, (unsigned long long)opt->min,
			   (unsigned long long)opt->max);
	return -EINVAL;
}

/* Say what getopt did not like. Returns -EINVAL. */
static int bad_option(const struct sf_args *args, int got, char **argv)
{
	const char *cause = "unknown option";
	char what[3] = { '-', (char)optopt, '\0' };

	if (got == ':')
		cause = "no value for";
	else if (optopt >= OPT_VALUE(0))
		cause = "no value allowed for";
	if (optopt > 0 && optopt < OPT_VALUE(0))
		return usage(args, cause, what);
	return usage(args, cause, argv[optind - 1]);
}

/* "--no-name" of a switch, into longs and name. */
static void prepare_no(const struct sf_opt *opt, size_t i, struct option *longs,
		       char name[NO_NAME_LEN])
{
	snprintf(name, NO_NAME_LEN, "no-%s", opt->name);
	*longs = (struct option){ name, 0, NULL, OPT_NO(i) };
}

/* Fill in what getopt_long() wants to know and every default. */
static void prepare(struct sf_args *args, struct option *longs, char *shorts,
		    char no_names[][NO_NAME_LEN])
{
	const struct sf_opt *opt = opts_of(args->cmd);
	size_t i;

	*shorts++ = '+';
	*shorts++ = ':';
	for (i = 0; opt[i].name != NULL; i++) {
		*longs++ = (struct option){ opt[i].name, opt[i].arg != NULL,
					    NULL, OPT_VALUE(i) };
		if (opt[i].kind == SF_OPT_SWITCH)
			prepare_no(&opt[i], i, longs++, no_names[i]);
		if (opt[i].letter != 0) {
			*shorts++ = opt[i].letter;
			if (opt[i].arg != NULL)
				*shorts++ = ':';
		}
		args->opt[i] = (struct sf_arg){ .text = opt[i].def };
		if (opt[i].def != NULL && has_number(&opt[i]))
			parse_number(&opt[i], opt[i].def, &args->opt[i].nr);
	}
	*shorts = '\0';
	*longs++ = (struct option){ "help", 0, NULL, OPT_HELP };
	*longs++ = (struct option){ "json", 0, NULL, OPT_JSON };
	*longs++ = (struct option){ "version", 0, NULL, OPT_VERSION };
	*longs = (struct option){ 0 };
}

/* Index of the option with this letter; getopt has checked there is one. */
static size_t by_letter(const struct sf_cmd *cmd, int letter)
{
	size_t i = 0;

	while (cmd->opts[i].letter != letter)
		i++;
	return i;
}

/* Take the option that getopt got. 0, or -EINVAL after a message. */
static int take(struct sf_args *args, int got, const char *text)
{
	size_t i;

	if (got >= OPT_NO(0))
		return take_option(args, (size_t)(got - OPT_NO(0)), "off");
	i = got >= OPT_VALUE(0) ? (size_t)(got - OPT_VALUE(0)) :
				  by_letter(args->cmd, got);
	return take_option(args, i,
			   args->cmd->opts[i].kind == SF_OPT_SWITCH ? "on" :
								      text);
}

/* 0: go on; 1: --help or --version was served; -EINVAL after a message. */
static int parse(struct sf_args *args, int argc, char **argv)
{
	struct option longs[2 * SF_OPTS_MAX + 4];
	char shorts[2 * SF_OPTS_MAX + 3];
	char no_names[SF_OPTS_MAX][NO_NAME_LEN];
	int got, err = 0;

	prepare(args, longs, shorts, no_names);
	opterr = 0;
	optind = 0;
	while (err == 0) {
		got = getopt_long(argc, argv, shorts, longs, NULL);
		if (got == -1)
			break;
		if (got == ':' || got == '?')
			return bad_option(args, got, argv);
		if (got == OPT_HELP) {
			print_help(args);
			return 1;
		}
		if (got == OPT_VERSION) {
			printf("surefree %s\n", surefree_version());
			return 1;
		}
		if (got == OPT_JSON) {
			args->json = true;
			continue;
		}
		err = take(args, got, optarg);
	}
	args->words = argv + optind;
	args->nr_words = argc - optind;
	return err;
}

/* Run the command args->cmd or the one below it that the words name. */
static int dispatch(struct sf_args *args, int argc, char **argv)
{
	const struct sf_cmd *const *sub = args->cmd->subs;
	size_t len = strlen(args->name);
	int err = parse(args, argc, argv);

	if (err != 0)
		return err > 0 ? SF_EXIT_FINE : SF_EXIT_USAGE;
	if (args->nr_words > 0 && sub != NULL) {
		while (*sub != NULL &&
		       strcmp((*sub)->name, args->words[0]) != 0)
			sub++;
		if (*sub == NULL) {
			usage(args, "unknown command", args->words[0]);
			return SF_EXIT_USAGE;
		}
		args->cmd = *sub;
		snprintf(args->name + len, sizeof(args->name) - len, " %s",
			 (*sub)->name);
		return dispatch(args, args->nr_words, args->words);
	}
	if (args->nr_words > 0 && args->cmd->operands == NULL) {
		usage(args, "unexpected argument", args->words[0]);
		return SF_EXIT_USAGE;
	}
	if (args->cmd->run == NULL)
		return sf_cmd_usage(args, "no command given");
	return args->cmd->run(args);
}

/*
 * What we open must not become a stream that was closed. O_PATH can be neither
 * read nor written, as if it were closed, and programs that we execute have it
 * closed.
 */
static void keep_streams_closed(void)
{
	int fd;

	do
		fd = open("/", O_PATH | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

bool sf_cmd_is_closed(int fd)
{
	int flags = fcntl(fd, F_GETFD);

	return flags < 0 || (flags & FD_CLOEXEC) != 0;
}

int sf_cmd_main(const struct sf_cmd *cmd, int argc, char **argv)
{
	struct sf_args args = { .cmd = cmd };
	int code;

	keep_streams_closed();
	snprintf(args.name, sizeof(args.name), "%s", cmd->name);
	code = dispatch(&args, argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		sf_cmd_say(args.name, "cannot write to standard output: %s",
			   strerror(errno));
		return SF_EXIT_CANNOT;
	}
	return code;
}
