/* SPDX-License-Identifier: MIT */
/* How many files may be open: each program and table of BPF is one. */
#ifndef SF_CLI_FILES_H
#define SF_CLI_FILES_H

/* As many as we may have without asking anybody. */
void sf_files_raise(void);

/* Undo that, in a child that is to become a program. */
void sf_files_restore(void);

/* What helps when no more can be opened; NULL: err, negative, is another. */
const char *sf_files_remedy(int err);

#endif
