// SPDX-License-Identifier: MIT
/*
 * A row of the picture: mappings one by one, or by columns that show what share
 * each kind has; bars that count mappings; its scale.
 */
#include "draw_row.h"

#include <string.h>

#include "explain.h"
#include "out.h"
#include "svg.h"

#define COLUMN_WIDTH 2.0
#define LABEL_WIDTH  7.5 /* of a letter */

/*
 * Words
 */

static void vma_tip(const struct sf_vma *vma, char *buf, size_t buf_len)
{
	char size[24];
	char prot[5];

	snprintf(buf, buf_len, "%s, %s, %s, 0x%llx%s%s",
		 sf_kind_name((enum sf_kind)vma->kind),
		 sf_out_size_text(vma->len, size, sizeof(size)),
		 sf_mappings_prot(vma, prot), (unsigned long long)vma->start,
		 vma->name[0] != '\0' ? ", " : "", vma->name);
}

/* The last part of a file's name, or the kind. */
static const char *short_name(const struct sf_vma *vma)
{
	const char *slash = strrchr(vma->name, '/');

	return slash != NULL ? slash + 1 :
			       sf_kind_name((enum sf_kind)vma->kind);
}

void sf_draw_label(FILE *file, const struct sf_svg_box *box, const char *text)
{
	if (box->width > (double)strlen(text) * LABEL_WIDTH + 12)
		sf_svg_words(file, box->x + box->width / 2,
			     box->y + box->height / 2 + 4, "on", text);
}

/* A length that a scale can show: a power of two near a tenth of a row. */
void sf_draw_scale(FILE *file, const struct sf_row *row, double x, double y)
{
	double len = 4096;
	char size[24];
	char text[96];

	while (2 * len / row->bytes_per_x < 110)
		len *= 2;
	sf_svg_line(file, x, y, x + len / row->bytes_per_x, y);
	sf_svg_line(file, x, y - 4, x, y + 4);
	sf_svg_line(file, x + len / row->bytes_per_x, y - 4,
		    x + len / row->bytes_per_x, y + 4);
	sf_out_size_text((uint64_t)len, size, sizeof(size));
	snprintf(text, sizeof(text), "%s%s", size,
		 row->has_narrow ? "; // is wide and unused: not to scale" :
				   "");
	sf_svg_words(file, x + len / row->bytes_per_x + 7, y + 4, "small",
		     text);
}

void sf_draw_fill_columns(const struct sf_row *row,
			  struct sf_draw_column *columns)
{
	for (size_t i = 0; i < row->nr; i++) {
		const struct sf_step *step = &row->steps[i];
		size_t first = (size_t)(step->x / COLUMN_WIDTH);
		size_t last = (size_t)((step->x + step->width) / COLUMN_WIDTH);

		if (first >= SF_NR_COLUMNS)
			first = SF_NR_COLUMNS - 1;
		columns[first].nr += step->vma != NULL;
		if (columns[first].start == 0)
			columns[first].start = step->start;
		for (size_t c = first; c <= last && c < SF_NR_COLUMNS; c++) {
			double from = (double)c * COLUMN_WIDTH;
			double to = from + COLUMN_WIDTH;

			from = step->x > from ? step->x : from;
			to = step->x + step->width < to ?
				     step->x + step->width :
				     to;
			if (step->vma != NULL && to > from)
				columns[c]
					.share[step->vma->kind] += (to - from) /
								   COLUMN_WIDTH;
		}
	}
}

static void draw_break(FILE *file, const struct sf_step *step, double left,
		       double y)
{
	struct sf_svg_box box = { left + step->x, y, step->width,
				  SF_ROW_HEIGHT };
	char size[24];
	char text[64];
	double x = box.x + box.width / 2;

	snprintf(text, sizeof(text), "%s: %s, not to scale",
		 step->vma != NULL ?
			 sf_kind_name((enum sf_kind)step->vma->kind) :
			 "unmapped",
		 sf_out_size_text(step->end - step->start, size, sizeof(size)));
	if (step->vma != NULL)
		sf_svg_kind(file, &box, (enum sf_kind)step->vma->kind, text);
	else
		sf_svg_box(file, &box, "break", text);
	for (int i = -1; i <= 1; i += 2)
		sf_svg_line(file, x + 3 * i - 4, y + SF_ROW_HEIGHT + 4,
			    x + 3 * i + 4, y - 4);
}

void sf_draw_breaks(FILE *file, const struct sf_row *row, double left, double y)
{
	for (size_t i = 0; i < row->nr; i++)
		if (row->steps[i].narrow)
			draw_break(file, &row->steps[i], left, y);
}

void sf_draw_columns(FILE *file, const struct sf_draw_column *columns,
		     double left, double y)
{
	char text[96];

	for (size_t c = 0; c < SF_NR_COLUMNS; c++) {
		struct sf_svg_box box = { left + (double)c * COLUMN_WIDTH, y,
					  COLUMN_WIDTH, 0 };

		for (int kind = 0; kind < SF_NR_KINDS; kind++) {
			double share = columns[c].share[kind];

			if (share < 0.01)
				continue;
			box.height = share * SF_ROW_HEIGHT;
			snprintf(text, sizeof(text), "%s, %.0f %% from 0x%llx",
				 sf_kind_name((enum sf_kind)kind), 100 * share,
				 (unsigned long long)columns[c].start);
			sf_svg_kind(file, &box, (enum sf_kind)kind, text);
			box.y += box.height;
		}
	}
}

void sf_draw_singles(FILE *file, const struct sf_row *row, double left,
		     double y)
{
	char text[256];

	for (size_t i = 0; i < row->nr; i++) {
		const struct sf_step *step = &row->steps[i];
		struct sf_svg_box box = { left + step->x, y, step->width,
					  SF_ROW_HEIGHT };

		if (step->vma == NULL || step->narrow)
			continue;
		vma_tip(step->vma, text, sizeof(text));
		sf_svg_kind(file, &box, (enum sf_kind)step->vma->kind, text);
		sf_draw_label(file, &box, short_name(step->vma));
	}
}

size_t sf_draw_bars(FILE *file, const struct sf_draw_column *columns,
		    double left, double y)
{
	char text[64];
	size_t max = 1;

	for (size_t c = 0; c < SF_NR_COLUMNS; c++)
		max = columns[c].nr > max ? columns[c].nr : max;
	for (size_t c = 0; c < SF_NR_COLUMNS; c++) {
		double height = SF_BARS_HEIGHT * (double)columns[c].nr /
				(double)max;
		struct sf_svg_box box = { left + (double)c * COLUMN_WIDTH, y,
					  COLUMN_WIDTH, height };

		if (columns[c].nr == 0)
			continue;
		snprintf(text, sizeof(text), "%zu mappings from 0x%llx",
			 columns[c].nr, (unsigned long long)columns[c].start);
		sf_svg_box(file, &box, "bar", text);
	}
	return max;
}
