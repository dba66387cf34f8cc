// SPDX-License-Identifier: MIT
/* Areas and rows, see layout.h. */
#include "layout.h"

#include <errno.h>
#include <stdlib.h>

#define HOLE_LEN     ((uint64_t)16 << 20) /* a wider one may part areas */
#define NARROW_WIDTH 26.0
#define NARROW_PART  0.4  /* of a row at most, for all that is narrow */
#define LEAST_PART   0.25 /* the same, for what each gets at least */

static uint64_t hole_before(const struct sf_mappings *all, size_t i)
{
	return all->vma[i].start - all->vma[i - 1].end;
}

/* The widest hole that parts no areas yet; 0: none is wide enough. */
static size_t widest_hole(const struct sf_mappings *all, const bool *parted)
{
	uint64_t max = HOLE_LEN;
	size_t found = 0;

	for (size_t i = 1; i < all->nr; i++) {
		if (!parted[i] && hole_before(all, i) > max) {
			max = hole_before(all, i);
			found = i;
		}
	}
	return found;
}

size_t sf_layout_areas(const struct sf_mappings *all,
		       struct sf_area areas[SF_AREAS_MAX])
{
	bool *parted = calloc(all->nr + 1, sizeof(*parted));
	size_t nr = 1;

	areas[0] = (struct sf_area){ 0, all->nr };
	if (parted == NULL)
		return nr;
	for (size_t cut = 1; cut != 0 && nr < SF_AREAS_MAX;) {
		cut = widest_hole(all, parted);
		if (cut != 0) {
			parted[cut] = true;
			nr++;
		}
	}
	nr = 0;
	for (size_t i = 0; i < all->nr; i++) {
		if (i == 0 || parted[i])
			areas[nr++] = (struct sf_area){ i, 0 };
		areas[nr - 1].nr++;
	}
	free(parted);
	return nr;
}

static bool is_unused(const struct sf_step *step)
{
	return step->vma == NULL || step->vma->prot == 0;
}

static uint64_t step_len(const struct sf_step *step)
{
	return step->end - step->start;
}

static void make_steps(struct sf_row *row, const struct sf_mappings *all,
		       const struct sf_area *area)
{
	for (size_t i = area->first; i < area->first + area->nr; i++) {
		const struct sf_vma *vma = &all->vma[i];

		if (i > area->first && hole_before(all, i) > 0)
			row->steps[row->nr++] = (struct sf_step){
				.start = vma[-1].end, .end = vma->start
			};
		row->steps[row->nr++] = (struct sf_step){ .start = vma->start,
							  .end = vma->end,
							  .vma = vma };
	}
}

/* Mark what is wider than half of all that is used. Returns how many. */
static size_t mark_narrow(struct sf_row *row, uint64_t *len)
{
	uint64_t used = 0;
	size_t nr = 0;

	for (size_t i = 0; i < row->nr; i++)
		if (!is_unused(&row->steps[i]))
			used += step_len(&row->steps[i]);
	*len = 0;
	for (size_t i = 0; i < row->nr; i++) {
		struct sf_step *step = &row->steps[i];

		step->narrow = used > 0 && is_unused(step) &&
			       step_len(step) > used / 2;
		nr += step->narrow;
		*len += step->narrow ? 0 : step_len(step);
	}
	return nr;
}

int sf_layout_row(struct sf_row *row, const struct sf_mappings *all,
		  const struct sf_area *area, double width, double min_width)
{
	double narrow = NARROW_WIDTH;
	double x = 0;
	double nr_wide;
	double rest;
	uint64_t len;
	size_t nr_narrow;

	*row = (struct sf_row){ 0 };
	row->steps = calloc(2 * area->nr, sizeof(*row->steps));
	if (row->steps == NULL)
		return -ENOMEM;
	make_steps(row, all, area);
	nr_narrow = mark_narrow(row, &len);
	if ((double)nr_narrow * narrow > NARROW_PART * width)
		narrow = NARROW_PART * width / (double)nr_narrow;
	nr_wide = (double)(row->nr - nr_narrow);
	if (nr_wide * min_width > LEAST_PART * width)
		min_width = LEAST_PART * width / nr_wide;
	rest = width - (double)nr_narrow * narrow - nr_wide * min_width;
	row->has_narrow = nr_narrow > 0;
	row->bytes_per_x = (double)len / rest;
	for (size_t i = 0; i < row->nr; i++) {
		struct sf_step *step = &row->steps[i];

		step->x = x;
		step->width = step->narrow ?
				      narrow :
				      min_width + (double)step_len(step) /
							  row->bytes_per_x;
		x += step->width;
	}
	return 0;
}

void sf_layout_free(struct sf_row *row)
{
	free(row->steps);
}

static bool is_library(const struct sf_vma *vma)
{
	return vma->kind == SF_KIND_LIBRARY;
}

struct sf_area sf_layout_densest(const struct sf_mappings *all, size_t nr)
{
	struct sf_area area = { 0, nr < all->nr ? nr : all->nr };
	size_t nr_libraries = 0;
	uint64_t min = UINT64_MAX;

	for (size_t end = 1; end <= all->nr; end++) {
		const struct sf_vma *last = &all->vma[end - 1];
		uint64_t len;

		nr_libraries += is_library(last);
		if (end < area.nr)
			continue;
		len = last->end - all->vma[end - area.nr].start;
		if (len < min && nr_libraries < area.nr / 8) {
			min = len;
			area.first = end - area.nr;
		}
		nr_libraries -= is_library(&all->vma[end - area.nr]);
	}
	return area;
}
