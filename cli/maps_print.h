/* SPDX-License-Identifier: MIT */
/* What surefree maps knows of a process, and the words and tables for it. */
#ifndef SF_CLI_MAPS_PRINT_H
#define SF_CLI_MAPS_PRINT_H

#include "explain.h"
#include "out.h"

/* A process and what was found. */
struct sf_maps_look {
	pid_t pid;
	char command[64];
	struct sf_explain_facts facts;
	struct sf_mappings all;
	struct sf_explanation found;
};

/* Print everything, of files the first max_files. 0 or -ENOMEM. */
int sf_maps_print(struct sf_out *out, const struct sf_maps_look *look,
		  size_t max_files);

#endif
