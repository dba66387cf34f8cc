/* SPDX-License-Identifier: MIT */
/*
 * What kind of program a file is, as far as the dynamic linker's LD_PRELOAD is
 * concerned. Looks at the file only; starts nothing.
 */
#ifndef SF_CLI_PROGRAM_H
#define SF_CLI_PROGRAM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Runs what the kernel can't, as for execvp(). */
#define SF_PROGRAM_SHELL "/bin/sh"

/*
 * The file that execvp() would run for a name, into path. 0, -ENOENT or
 * -EACCES: the name is nowhere, or not a program that may be run.
 */
int sf_program_find(const char *name, char path[PATH_MAX]);

/*
 * Why a library, with a malloc() or without, can't be preloaded into the
 * program at path, one phrase with the remedy, in buf; NULL: it can, as far as
 * the file shows. Of a script its interpreter is looked at,
 * of anything else the shell.
 */
const char *sf_program_objection(const char *path, bool with_malloc, char *buf,
				 size_t buf_len);

#endif
