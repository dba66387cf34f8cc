/* SPDX-License-Identifier: MIT */
/*
 * Shapes and words of a picture in SVG, without scripts or fonts of its own: a
 * browser, a printer and a person who sees no colours can read it. Colours are
 * those of Okabe and Ito, and kinds of like brightness differ by a pattern.
 */
#ifndef SF_CLI_SVG_H
#define SF_CLI_SVG_H

#include <stdio.h>

#include "mappings.h"

struct sf_svg_box {
	double x;
	double y;
	double width;
	double height;
};

/* Begin a picture of that size; title is what a browser's tab shows. */
void sf_svg_open(FILE *file, int width, int height, const char *title);
void sf_svg_close(FILE *file);

/* Words at a place; class is one of "h1", "h2", "t", "small", "end", "on". */
void sf_svg_words(FILE *file, double x, double y, const char *class,
		  const char *text);

/* A box as mappings of that kind are drawn, with a tooltip unless NULL. */
void sf_svg_kind(FILE *file, const struct sf_svg_box *box, enum sf_kind kind,
		 const char *tip);

/* A box or line of a class of the style: "frame", "free", "bar", "break". */
void sf_svg_box(FILE *file, const struct sf_svg_box *box, const char *class,
		const char *tip);
void sf_svg_line(FILE *file, double x1, double y1, double x2, double y2);

#endif
