/* SPDX-License-Identifier: MIT */
/*
 * Which address is drawn where. An address space is mostly empty: it is cut at
 * its widest holes into areas, one row each, and what is wide and unused
 * inside an area (reserved, or unmapped) is drawn narrow. All else of a row is
 * to one scale.
 *
 *	area      | text | heap ...  //  | one more |
 *	                         narrow: a step
 */
#ifndef SF_CLI_LAYOUT_H
#define SF_CLI_LAYOUT_H

#include "mappings.h"

#define SF_AREAS_MAX 10

struct sf_area {
	size_t first; /* of the mappings */
	size_t nr;
};

/* [start, end) of the addresses at [x, x + width) of a row. */
struct sf_step {
	uint64_t start;
	uint64_t end;
	double x;
	double width;
	const struct sf_vma *vma; /* NULL: a hole */
	bool narrow;		  /* not to scale */
};

struct sf_row {
	struct sf_step *steps; /* by address */
	size_t nr;
	double bytes_per_x; /* of what is to scale */
	bool has_narrow;
};

/* Cut all into at most SF_AREAS_MAX areas; returns how many. */
size_t sf_layout_areas(const struct sf_mappings *all,
		       struct sf_area areas[SF_AREAS_MAX]);

/*
 * Lay an area out in a row of that width; each mapping gets at least min_width
 * of it, or less where there are very many. 0 or -ENOMEM; sf_layout_free() must
 * follow.
 */
int sf_layout_row(struct sf_row *row, const struct sf_mappings *all,
		  const struct sf_area *area, double width, double min_width);
void sf_layout_free(struct sf_row *row);

/*
 * The nr neighbouring mappings that span the fewest addresses, and of which
 * few are of libraries, if there are such.
 */
struct sf_area sf_layout_densest(const struct sf_mappings *all, size_t nr);

#endif
