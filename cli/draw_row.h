/* SPDX-License-Identifier: MIT */
/* What the rows of a picture are made of; see draw.h for the whole. */
#ifndef SF_CLI_DRAW_ROW_H
#define SF_CLI_DRAW_ROW_H

#include <stdio.h>

#include "layout.h"
#include "svg.h"

#define SF_ROW_HEIGHT  34.0
#define SF_BARS_HEIGHT 22.0
#define SF_ROW_WIDTH   910.0
#define SF_NR_COLUMNS  455

/* What is drawn in a column of a row. */
struct sf_draw_column {
	double share[SF_NR_KINDS]; /* of its width */
	size_t nr;		   /* mappings that begin here */
	uint64_t start;
};

/* A label on what is wide enough for it. */
void sf_draw_label(FILE *file, const struct sf_svg_box *box, const char *text);

/* How long a line of so many bytes is, with its left end at x, y. */
void sf_draw_scale(FILE *file, const struct sf_row *row, double x, double y);

/* All mappings of a row that are to scale, with labels. */
void sf_draw_singles(FILE *file, const struct sf_row *row, double left,
		     double y);

/* What is not to scale. */
void sf_draw_breaks(FILE *file, const struct sf_row *row, double left,
		    double y);

/* SF_NR_COLUMNS of a row that is SF_ROW_WIDTH wide; they begin as zeros. */
void sf_draw_fill_columns(const struct sf_row *row,
			  struct sf_draw_column *columns);
void sf_draw_columns(FILE *file, const struct sf_draw_column *columns,
		     double left, double y);

/* Bars of how many mappings begin where. Returns the most of a column. */
size_t sf_draw_bars(FILE *file, const struct sf_draw_column *columns,
		    double left, double y);

#endif
