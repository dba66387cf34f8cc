/* SPDX-License-Identifier: MIT */
/* The lines of surefree top, as plain text that fits a width. */
#ifndef SF_CLI_TOP_TEXT_H
#define SF_CLI_TOP_TEXT_H

#include <stddef.h>

#include "top.h"

#define SF_TOP_LINE_LEN 512
#define SF_TOP_DETAILS	16 /* lines, at most */

/* A line: ASCII, no longer than the width asked for. */
typedef char sf_top_line[SF_TOP_LINE_LEN];

/* What is shown: how many, the limit, the source, the order, the filter. */
void sf_top_text_head(const struct sf_top *top, size_t width, sf_top_line line);

/* What cannot be shown, and why; "" when all can. */
void sf_top_text_note(const struct sf_top *top, size_t width, sf_top_line line);

/* The titles of the columns, and a process below them. */
void sf_top_text_titles(size_t width, sf_top_line line);
void sf_top_text_row(const struct sf_top *top, const struct sf_top_row *row,
		     size_t width, sf_top_line line);

/* Everything of one process. Returns the number of lines. */
size_t sf_top_text_details(const struct sf_top *top,
			   const struct sf_top_row *row, size_t width,
			   sf_top_line lines[SF_TOP_DETAILS]);

#endif
