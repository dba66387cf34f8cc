// SPDX-License-Identifier: MIT
/*
 * surefree completion: a script for bash or zsh, made from the table of
 * commands, so that it can't tell another story. Not in the list of commands:
 * the build runs it and installs what it prints.
 *
 * Both scripts are the same program: go along the words, keep the command that
 * they name, then offer what can come next. The tables they look into are
 * printed by walking the commands.
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"

#define NAME_LEN 64

static const struct sf_opt common[] = {
	{ .name = "json", .help = "print JSON instead of text" },
	{ .name = "help", .help = "print what it does" },
	{ .name = "version", .help = "print the version" },
	{ 0 },
};

/* What an argument is called tells what it is; NULL: nothing to offer. */
static const char *kind_of(const char *arg)
{
	if (arg == NULL)
		return NULL;
	if (strstr(arg, "PROGRAM") != NULL || strstr(arg, "CMD") != NULL)
		return "program";
	if (strstr(arg, "PID") != NULL)
		return "pid";
	if (strstr(arg, "USER") != NULL)
		return "user";
	return strstr(arg, "FILE") != NULL ? "file" : NULL;
}

/* Call visit for cmd, whose full name is given, and for all below it. */
static void walk(const struct sf_cmd *cmd, const char *name,
		 void (*visit)(const struct sf_cmd *cmd, const char *name))
{
	const struct sf_cmd *const *sub = cmd->subs;

	visit(cmd, name);
	for (; sub != NULL && *sub != NULL; sub++) {
		char below[NAME_LEN];

		if ((*sub)->hidden)
			continue;
		snprintf(below, sizeof(below), "%s %s", name, (*sub)->name);
		walk(*sub, below, visit);
	}
}

/* "print what's there" in quotes that hold for both shells. */
static void print_quoted(const char *text)
{
	putchar('\'');
	for (; *text != '\0'; text++)
		printf(*text == '\'' ? "'\\''" : "%c", *text);
	putchar('\'');
}

/*
 * The tables
 */

static void print_arguments_of(const struct sf_opt *opt, const char *name)
{
	for (; opt != NULL && opt->name != NULL; opt++) {
		const char *kind = kind_of(opt->arg);

		if (opt->arg == NULL)
			continue;
		printf("\t'%s --%s'", name, opt->name);
		if (opt->letter != 0)
			printf(" | '%s -%c'", name, opt->letter);
		printf(") REPLY=%s ;;\n", kind != NULL ? kind : "nothing");
	}
}

static void print_arguments(const struct sf_cmd *cmd, const char *name)
{
	print_arguments_of(cmd->opts, name);
}

static void print_operands(const struct sf_cmd *cmd, const char *name)
{
	if (kind_of(cmd->operands) != NULL)
		printf("\t'%s') REPLY=%s ;;\n", name, kind_of(cmd->operands));
}

/* 'name:summary' for each command below. */
static void print_subs(const struct sf_cmd *cmd, const char *name)
{
	const struct sf_cmd *const *sub = cmd->subs;

	printf("\t'%s')\n\t\tlist=(", name);
	for (; sub != NULL && *sub != NULL; sub++) {
		char text[256];

		if ((*sub)->hidden)
			continue;
		snprintf(text, sizeof(text), "%s:%s", (*sub)->name,
			 (*sub)->summary);
		printf("\n\t\t\t");
		print_quoted(text);
	}
	printf(")\n\t\t;;\n");
}

/* 'before name:help' in an array. */
static void print_option(const char *before, const char *name, const char *verb,
			 const char *help)
{
	char text[256];

	snprintf(text, sizeof(text), "%s%s:%s%s", before, name, verb, help);
	printf("\n\t\t\t");
	print_quoted(text);
}

static void print_options_of(const struct sf_opt *opt)
{
	for (; opt != NULL && opt->name != NULL; opt++) {
		char letter[] = { opt->letter, '\0' };

		print_option("--", opt->name, "", opt->help);
		if (opt->kind == SF_OPT_SWITCH)
			print_option("--no-", opt->name, "do not ", opt->help);
		if (opt->letter != 0)
			print_option("-", letter, "", opt->help);
	}
}

static void print_options(const struct sf_cmd *cmd, const char *name)
{
	printf("\t'%s')\n\t\tlist=(", name);
	print_options_of(cmd->opts);
	print_options_of(common);
	printf(")\n\t\t;;\n");
}

static void print_table(const char *name, const char *says,
			void (*print)(const struct sf_cmd *cmd,
				      const char *name))
{
	printf("\n# %s\n_surefree_%s()\n{\n\tREPLY=\n\tlist=()\n"
	       "\tcase $1 in\n",
	       says, name);
	walk(&sf_cmd_root, sf_cmd_root.name, print);
	printf("\t*) return 1 ;;\n\tesac\n}\n");
}

static void print_tables(void)
{
	print_table("argument", "What an option's argument is, in REPLY.",
		    print_arguments);
	print_table("operand", "What an operand is, in REPLY.", print_operands);
	print_table("subs", "The commands below one, in list.", print_subs);
	print_table("options", "The options of one, in list.", print_options);
}

/*
 * The scripts
 */

/*
 * Goes along the words before the one to be completed. %s: the number of the
 * first of them, of that to be completed, and their array, twice, and again the
 * number (bash counts from 0, zsh from 1). Leaves the command in command, the
 * option whose argument is due in option, and whether a program's own arguments
 * have begun in beyond.
 */
static const char go_along[] =
	"\tlocal command=surefree option= beyond= word i REPLY\n"
	"\tlocal -a list\n"
	"\tfor ((i = %s; i < %s; i++)); do\n"
	"\t\tword=${%s[i]}\n"
	"\t\toption=\n"
	"\t\tif [[ $word == -* ]]; then\n"
	"\t\t\t_surefree_argument \"$command $word\" || continue\n"
	"\t\t\toption=\"$command $word\"\n"
	"\t\t\ti=$((i + 1))\n"
	"\t\t\t[[ ${%s[i]} != '=' ]] || i=$((i + 1))\n"
	"\t\telif _surefree_subs \"$command $word\"; then\n"
	"\t\t\tcommand=\"$command $word\"\n"
	"\t\telse\n"
	"\t\t\tbeyond=yes\n"
	"\t\t\tbreak\n"
	"\t\tfi\n"
	"\tdone\n"
	"\t# An argument before this word has been given.\n"
	"\t((i > %s)) || option=\n";

static const char bash_offer[] =
	"\t# --option=value is three words here.\n"
	"\t[[ $current != '=' ]] || current=\n"
	"\tif [[ -n $beyond ]]; then\n"
	"\t\tCOMPREPLY=()\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tif [[ -n $option ]]; then\n"
	"\t\t_surefree_argument \"$option\"\n"
	"\telif [[ $current == -* ]]; then\n"
	"\t\t_surefree_options \"$command\"\n"
	"\telif ! _surefree_operand \"$command\"; then\n"
	"\t\t_surefree_subs \"$command\"\n"
	"\t\t[[ ${#list[@]} -gt 0 ]] || _surefree_options \"$command\"\n"
	"\tfi\n"
	"\tcase $REPLY in\n"
	"\tprogram) compgen=(-c) ;;\n"
	"\tpid) compgen=(-W \"$(cd /proc && echo [0-9]*)\") ;;\n"
	"\tuser) compgen=(-u) ;;\n"
	"\tfile) compgen=(-f) ;;\n"
	"\t*) compgen=(-W \"${list[*]%%:*}\") ;;\n"
	"\tesac\n"
	"\tmapfile -t COMPREPLY < <(compgen \"${compgen[@]}\" -- \"$current\")\n"
	"}\n";

static const char zsh_offer[] =
	"\tif [[ -n $beyond ]]; then\n"
	"\t\t_default\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tif [[ -n $option ]]; then\n"
	"\t\t_surefree_argument \"$option\"\n"
	"\telif [[ ${words[CURRENT]} == -* ]]; then\n"
	"\t\t_surefree_options \"$command\"\n"
	"\telif ! _surefree_operand \"$command\"; then\n"
	"\t\t_surefree_subs \"$command\"\n"
	"\t\t[[ ${#list[@]} -gt 0 ]] || _surefree_options \"$command\"\n"
	"\tfi\n"
	"\tcase $REPLY in\n"
	"\tprogram) _command_names -e ;;\n"
	"\tpid) _pids ;;\n"
	"\tuser) _users ;;\n"
	"\tfile) _files ;;\n"
	"\tnothing) _message 'a value' ;;\n"
	"\t*) _describe surefree list ;;\n"
	"\tesac\n"
	"}\n";

static int print_bash(const struct sf_args *args)
{
	(void)args;
	printf("# bash completion of surefree, made from its table of "
	       "commands.\n");
	print_tables();
	printf("\n_surefree()\n{\n"
	       "\tlocal current=${COMP_WORDS[COMP_CWORD]} compgen\n");
	printf(go_along, "1", "COMP_CWORD", "COMP_WORDS", "COMP_WORDS",
	       "COMP_CWORD");
	fputs(bash_offer, stdout);
	printf("\ncomplete -o bashdefault -o default -F _surefree surefree\n");
	return SF_EXIT_FINE;
}

static int print_zsh(const struct sf_args *args)
{
	(void)args;
	printf("#compdef surefree\n"
	       "# zsh completion of surefree, made from its table of "
	       "commands.\n");
	print_tables();
	printf("\n_surefree()\n{\n");
	printf(go_along, "2", "CURRENT", "words", "words", "CURRENT");
	fputs(zsh_offer, stdout);
	printf("\n_surefree \"$@\"\n");
	return SF_EXIT_FINE;
}

static const struct sf_cmd bash = {
	.name = "bash",
	.summary = "Print the script for bash",
	.examples = {
		"source <(surefree completion bash)",
		"surefree completion bash >~/.bash_completion",
	},
	.run = print_bash,
};

static const struct sf_cmd zsh = {
	.name = "zsh",
	.summary = "Print the script for zsh",
	.examples = {
		"surefree completion zsh >_surefree",
		"surefree completion zsh | less",
	},
	.run = print_zsh,
};

static const struct sf_cmd *const subs[] = { &bash, &zsh, NULL };

const struct sf_cmd sf_cmd_completion = {
	.name = "completion",
	.summary = "Print a completion script for a shell",
	.subs = subs,
	.examples = {
		"source <(surefree completion bash)",
		"surefree completion zsh >_surefree",
	},
	.hidden = true,
};
