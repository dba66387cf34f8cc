// SPDX-License-Identifier: MIT
/*
 * surefree, the command: the table of commands, nothing else. To add one,
 * write cmd_<name>.c, declare its entry in cmd.h and name it here.
 */
#include "cmd.h"

static const struct sf_cmd *const commands[] = {
	&sf_cmd_completion, &sf_cmd_export, &sf_cmd_maps,    &sf_cmd_probe,
	&sf_cmd_ps,	    &sf_cmd_run,    &sf_cmd_squeeze, &sf_cmd_top,
	&sf_cmd_trace,	    NULL,
};

const struct sf_cmd sf_cmd_root = {
	.name = "surefree",
	.summary = "Look at the limit on mappings and at what it does",
	.subs = commands,
	.examples = {
		"surefree probe",
		"surefree probe --help",
	},
};

int main(int argc, char **argv)
{
	return sf_cmd_main(&sf_cmd_root, argc, argv);
}
