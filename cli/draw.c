// SPDX-License-Identifier: MIT
/*
 * The picture, from top to bottom: a bar of the limit, the legend, a row for
 * each area of the address space, and a stretch from near. A row with many
 * mappings is drawn by columns that show what share each kind has; the black
 * bars below count the mappings that begin there, so that what is cut into
 * many pieces stands out whatever its size.
 */
#include "draw.h"

#include <errno.h>
#include <stdlib.h>

#include "draw_row.h"
#include "layout.h"
#include "out.h"
#include "svg.h"

#define WIDTH	    1200
#define LEFT	    40.0
#define FULL	    1120.0 /* from LEFT */
#define ROW_LEFT    250.0
#define ROW_STEP    104.0
#define SINGLE_MAX  300 /* mappings that are drawn one by one */
#define NEAR_NR	    120 /* mappings seen from near */
#define NEAR_ROWS   3
#define NEAR_STEP   78.0
#define LEGEND_STEP 24.0

struct picture {
	FILE *file;
	const struct sf_mappings *all;
	const struct sf_explanation *found;
	double y; /* where the next thing goes */
};

/*
 * The limit
 */

static void draw_limit(struct picture *pic)
{
	const struct sf_explanation *found = pic->found;
	size_t whole = found->nr > found->facts.limit ? found->nr :
							found->facts.limit;
	struct sf_svg_box box = { LEFT, pic->y, FULL, 38 };
	double unit = FULL / (double)whole;
	char text[96];

	sf_svg_box(pic->file, &box, "free", "not used");
	for (int kind = 0; kind < SF_NR_KINDS; kind++) {
		if (found->kinds[kind].nr == 0)
			continue;
		box.width = (double)found->kinds[kind].nr * unit;
		snprintf(text, sizeof(text), "%s: %zu mappings",
			 sf_kind_name((enum sf_kind)kind),
			 found->kinds[kind].nr);
		sf_svg_kind(pic->file, &box, (enum sf_kind)kind, text);
		sf_draw_label(pic->file, &box,
			      sf_kind_name((enum sf_kind)kind));
		box.x += box.width;
	}
	box.width = LEFT + FULL - box.x;
	sf_draw_label(pic->file, &box, "not used");
	box = (struct sf_svg_box){ LEFT, pic->y, FULL, 38 };
	sf_svg_box(pic->file, &box, "frame", NULL);
	for (int quarter = 0; quarter <= 4; quarter++) {
		double x = LEFT + (double)whole * quarter / 4 * unit;

		sf_svg_line(pic->file, x, pic->y + 38, x, pic->y + 44);
		snprintf(text, sizeof(text), "%zu",
			 whole * (size_t)quarter / 4);
		sf_svg_words(pic->file, x + (quarter == 4 ? 0 : 4), pic->y + 55,
			     quarter == 4 ? "end" : "small", text);
	}
	pic->y += 80;
}

static void draw_legend(struct picture *pic)
{
	char size[24];
	char text[128];
	int nr = 0;
	int nr_rows;

	for (int kind = 0; kind < SF_NR_KINDS; kind++) {
		const struct sf_explain_sum *sum = &pic->found->kinds[kind];
		int row = nr / 3;
		struct sf_svg_box box = { LEFT + nr % 3 * 375,
					  pic->y + row * LEGEND_STEP, 26, 16 };

		if (sum->nr == 0)
			continue;
		sf_svg_kind(pic->file, &box, (enum sf_kind)kind, NULL);
		sf_svg_box(pic->file, &box, "frame", NULL);
		snprintf(text, sizeof(text), "%s: %zu, %s",
			 sf_kind_name((enum sf_kind)kind), sum->nr,
			 sf_out_size_text(sum->len, size, sizeof(size)));
		sf_svg_words(pic->file, box.x + 34, box.y + 13, "t", text);
		nr++;
	}
	nr_rows = (nr + 2) / 3;
	pic->y += nr_rows * LEGEND_STEP + 26;
}

/*
 * An area
 */

static void describe_area(const struct picture *pic, const struct sf_area *area)
{
	const struct sf_vma *first = &pic->all->vma[area->first];
	const struct sf_vma *last = first + area->nr - 1;
	char size[24];
	char text[96];

	snprintf(text, sizeof(text), "0x%llx",
		 (unsigned long long)first->start);
	sf_svg_words(pic->file, LEFT, pic->y + 13, "t", text);
	snprintf(text, sizeof(text), "%zu mapping%s", area->nr,
		 area->nr == 1 ? "" : "s");
	sf_svg_words(pic->file, LEFT, pic->y + 30, "t", text);
	snprintf(text, sizeof(text), "within %s",
		 sf_out_size_text(last->end - first->start, size,
				  sizeof(size)));
	sf_svg_words(pic->file, LEFT, pic->y + 47, "small", text);
}

/* 0 or -ENOMEM. */
static int draw_area(struct picture *pic, const struct sf_area *area)
{
	bool single = area->nr <= SINGLE_MAX;
	struct sf_draw_column *columns = calloc(SF_NR_COLUMNS,
						sizeof(*columns));
	struct sf_svg_box box = { ROW_LEFT, pic->y, SF_ROW_WIDTH,
				  SF_ROW_HEIGHT };
	struct sf_row row = { 0 };
	size_t max;
	char text[64];
	int err = columns != NULL ?
			  sf_layout_row(&row, pic->all, area, SF_ROW_WIDTH,
					single ? 1.0 : 0.0) :
			  -ENOMEM;

	if (err == 0) {
		sf_draw_fill_columns(&row, columns);
		describe_area(pic, area);
		if (single)
			sf_draw_singles(pic->file, &row, ROW_LEFT, pic->y);
		else
			sf_draw_columns(pic->file, columns, ROW_LEFT, pic->y);
		sf_draw_breaks(pic->file, &row, ROW_LEFT, pic->y);
		sf_svg_box(pic->file, &box, "frame", NULL);
		max = sf_draw_bars(pic->file, columns, ROW_LEFT,
				   pic->y + SF_ROW_HEIGHT + 3);
		snprintf(text, sizeof(text), "tallest bar: %zu mapping%s", max,
			 max == 1 ? "" : "s");
		sf_svg_words(pic->file, ROW_LEFT + SF_ROW_WIDTH,
			     pic->y + SF_ROW_HEIGHT + SF_BARS_HEIGHT + 20,
			     "end", text);
		sf_draw_scale(pic->file, &row, ROW_LEFT,
			      pic->y + SF_ROW_HEIGHT + SF_BARS_HEIGHT + 16);
	}
	sf_layout_free(&row);
	free(columns);
	pic->y += ROW_STEP;
	return err;
}

static void draw_between(const struct picture *pic, const struct sf_area *area)
{
	const struct sf_vma *next = &pic->all->vma[area->first];
	char size[24];
	char text[64];

	snprintf(text, sizeof(text), "... %s unmapped",
		 sf_out_size_text(next->start - next[-1].end, size,
				  sizeof(size)));
	sf_svg_words(pic->file, LEFT, pic->y - 20, "small", text);
}

/*
 * From near
 */

/* 0 or -ENOMEM. */
static int draw_near(struct picture *pic)
{
	struct sf_area area = sf_layout_densest(pic->all, NEAR_NR);
	struct sf_area part = { area.first, area.nr / NEAR_ROWS };
	char text[128];
	int err = 0;

	snprintf(text, sizeof(text),
		 "From near: %zu mappings that lie close together", area.nr);
	sf_svg_words(pic->file, LEFT, pic->y, "h2", text);
	pic->y += 16;
	for (int i = 0; i < NEAR_ROWS && err == 0; i++) {
		struct sf_svg_box box = { LEFT, pic->y, FULL, SF_ROW_HEIGHT };
		struct sf_row row;

		err = sf_layout_row(&row, pic->all, &part, FULL, 3.0);
		if (err == 0) {
			sf_draw_singles(pic->file, &row, LEFT, pic->y);
			sf_svg_box(pic->file, &box, "frame", NULL);
			sf_draw_scale(pic->file, &row, LEFT,
				      pic->y + SF_ROW_HEIGHT + 12);
			snprintf(text, sizeof(text),
				 "%zu mappings from 0x%llx; each at least 3 "
				 "points wide",
				 part.nr,
				 (unsigned long long)pic->all->vma[part.first]
					 .start);
			sf_svg_words(pic->file, LEFT + FULL,
				     pic->y + SF_ROW_HEIGHT + 16, "end", text);
			sf_layout_free(&row);
		}
		part.first += part.nr;
		pic->y += NEAR_STEP;
	}
	return err;
}

static int count_kinds(const struct sf_explanation *found)
{
	int nr = 0;

	for (int kind = 0; kind < SF_NR_KINDS; kind++)
		nr += found->kinds[kind].nr > 0;
	return nr;
}

/* The dearest cause, but that the limit is near, which is seen. */
static const char *conclusion(const struct sf_explanation *found)
{
	for (size_t i = 0; i < found->nr_advice; i++)
		if (found->advice[i].cause != SF_ADVICE_LIMIT)
			return sf_advice_text(found->advice[i].cause);
	return "No cause of many mappings stands out.";
}

int sf_draw(FILE *file, const char *title, const struct sf_mappings *all,
	    const struct sf_explanation *found)
{
	struct picture pic = { file, all, found, 0 };
	struct sf_area areas[SF_AREAS_MAX];
	size_t nr = sf_layout_areas(all, areas);
	bool near = all->nr > SINGLE_MAX;
	char text[256];
	int err = 0;

	snprintf(text, sizeof(text), "%s: %zu mappings, %.1f %% of the limit",
		 title, found->nr,
		 100 * (double)found->nr / (double)found->facts.limit);
	sf_svg_open(file, WIDTH,
		    322 + (count_kinds(found) + 2) / 3 * (int)LEGEND_STEP +
			    (int)nr * (int)ROW_STEP +
			    (near ? NEAR_ROWS * (int)NEAR_STEP + 40 : 0),
		    text);
	sf_svg_words(file, LEFT, 48, "h1", text);
	sf_svg_words(file, LEFT, 70, "t", conclusion(found));
	sf_svg_words(file, LEFT, 106, "h2", "The limit, and what uses it up");
	pic.y = 120;
	draw_limit(&pic);
	draw_legend(&pic);
	sf_svg_words(file, LEFT, pic.y + 10, "h2",
		     "The address space, lowest address first");
	sf_svg_words(file, LEFT, pic.y + 30, "small",
		     "Colours: what is there; white: unmapped. Black bars: how "
		     "many mappings begin there; tall bars are memory in many "
		     "pieces. Each row has a scale of its own.");
	pic.y += 52;
	for (size_t i = 0; i < nr && err == 0; i++) {
		if (i > 0)
			draw_between(&pic, &areas[i]);
		err = draw_area(&pic, &areas[i]);
	}
	pic.y += 14;
	if (near && err == 0)
		err = draw_near(&pic);
	sf_svg_close(file);
	return err;
}
