// SPDX-License-Identifier: MIT
/*
 * Text or JSON. Text is aligned by measuring every cell first; JSON is built
 * with jansson and written at the end. Colour only on a terminal, and never
 * when NO_COLOR is set to something.
 */
#include "out.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CELL_LEN    96
#define LABEL_LEN   30
#define TITLE_LEN   512
#define WORDS_WIDTH 76
#define BOLD	    "\033[1m"
#define RED	    "\033[31m"
#define PLAIN	    "\033[0m"

char *sf_out_size_text(uint64_t len, char *buf, size_t buf_len)
{
	static const char units[] = "KMGTPE";
	double value = (double)len / 1024;
	size_t i;

	if (len < 1024) {
		snprintf(buf, buf_len, "%" PRIu64 " B", len);
		return buf;
	}
	for (i = 0; value >= 1023.95; i++)
		value /= 1024;
	snprintf(buf, buf_len, "%.1f %ciB", value, units[i]);
	return buf;
}

/* What text shows for a cell: its own text, or buf of CELL_LEN bytes. */
static const char *cell_text(const struct sf_cell *cell, char *buf)
{
	switch (cell->kind) {
	case SF_CELL_TEXT:
		return cell->text;
	case SF_CELL_COUNT:
		snprintf(buf, CELL_LEN, "%" PRIu64, cell->nr);
		break;
	case SF_CELL_SIZE:
		sf_out_size_text(cell->nr, buf, CELL_LEN);
		break;
	case SF_CELL_SHARE:
		snprintf(buf, CELL_LEN, "%.1f %%", 100 * cell->share);
		break;
	case SF_CELL_NUMBER:
		snprintf(buf, CELL_LEN, "%.1f", cell->share);
		break;
	case SF_CELL_BOOL:
		snprintf(buf, CELL_LEN, "%s", cell->nr != 0 ? "yes" : "no");
		break;
	case SF_CELL_ADDR:
		snprintf(buf, CELL_LEN, "0x%" PRIx64, cell->nr);
		break;
	case SF_CELL_NONE:
		snprintf(buf, CELL_LEN, "-");
		break;
	}
	return buf;
}

/* JSON is UTF-8; a file's name need not be. NULL: no memory. */
static json_t *text_json(const char *text)
{
	json_t *value = json_string(text);
	char *copy;

	if (value != NULL)
		return value;
	copy = strdup(text);
	for (char *at = copy; at != NULL && *at != '\0'; at++)
		if ((unsigned char)*at >= 0x80)
			*at = '?';
	value = copy != NULL ? json_string(copy) : NULL;
	free(copy);
	return value;
}

static json_t *cell_json(const struct sf_cell *cell)
{
	char buf[CELL_LEN];

	switch (cell->kind) {
	case SF_CELL_TEXT:
		return text_json(cell->text);
	case SF_CELL_ADDR:
		return json_string(cell_text(cell, buf));
	case SF_CELL_COUNT:
	case SF_CELL_SIZE:
		return json_integer((json_int_t)cell->nr);
	case SF_CELL_SHARE:
	case SF_CELL_NUMBER:
		return json_real(cell->share);
	case SF_CELL_BOOL:
		return json_boolean(cell->nr != 0);
	case SF_CELL_NONE:
		break;
	}
	return json_null();
}

/* Hand value to object; a failure is remembered until the end. */
static void put(struct sf_out *out, json_t *object, const char *key,
		json_t *value)
{
	if (json_object_set_new(object, key, value) != 0)
		out->failed = true;
}

void sf_out_open(struct sf_out *out, bool json)
{
	const char *no_color = getenv("NO_COLOR");

	*out = (struct sf_out){ 0 };
	out->colour = isatty(STDOUT_FILENO) &&
		      (no_color == NULL || no_color[0] == '\0');
	if (!json)
		return;
	out->root = json_object();
	if (out->root == NULL) {
		fprintf(stderr, "surefree: out of memory\n");
		exit(3);
	}
	out->section = out->root;
}

void sf_out_section(struct sf_out *out, const char *key, const char *fmt, ...)
{
	char title[TITLE_LEN];
	va_list ap;

	if (out->root != NULL) {
		json_t *section = json_object();

		put(out, out->root, key, section);
		out->section = section;
		return;
	}
	fputs(out->section != NULL ? "\n" : "", stdout);
	out->section = out;
	fputs(out->colour ? BOLD : "", stdout);
	va_start(ap, fmt);
	vsnprintf(title, sizeof(title), fmt, ap);
	va_end(ap);
	sf_out_text(title);
	fputs(out->colour ? PLAIN "\n" : "\n", stdout);
}

void sf_out_heading(const struct sf_out *out, const char *text)
{
	if (out->root == NULL)
		printf("\n%s%s%s\n", out->colour ? BOLD : "", text,
		       out->colour ? PLAIN : "");
}

void sf_out_words(const struct sf_out *out, const char *text)
{
	int column = 0;

	while (out->root == NULL && *text != '\0') {
		int len = (int)strcspn(text, " ");

		if (column > 0 && column + 1 + len > WORDS_WIDTH)
			column = 0;
		fputs(column == 0 ? "\n  " : " ", stdout);
		sf_out_bytes(text, (size_t)len);
		column += len + (column > 0);
		text += len;
		text += strspn(text, " ");
	}
	if (out->root == NULL)
		putchar('\n');
}

void sf_out_value(struct sf_out *out, const char *key, const char *label,
		  struct sf_cell cell)
{
	char buf[CELL_LEN];

	if (out->root != NULL) {
		put(out, out->section, key, cell_json(&cell));
		return;
	}
	printf("  %-*s ", LABEL_LEN, label);
	sf_out_text(cell_text(&cell, buf));
	putchar('\n');
}

void sf_out_top(struct sf_out *out, const char *key, struct sf_cell cell)
{
	if (out->root != NULL)
		put(out, out->root, key, cell_json(&cell));
}

static const struct sf_cell *cell_at(const struct sf_table *table, size_t row,
				     size_t column)
{
	return &table->cells[row * table->nr_columns + column];
}

static void table_json(struct sf_out *out, const struct sf_table *table)
{
	json_t *rows = json_array();
	size_t row, col;

	put(out, out->section, table->key, rows);
	for (row = 0; row < table->nr_rows; row++) {
		json_t *object = json_object();

		if (json_array_append_new(rows, object) != 0) {
			out->failed = true;
			return;
		}
		for (col = 0; col < table->nr_columns; col++)
			put(out, object, table->columns[col].key,
			    cell_json(cell_at(table, row, col)));
	}
}

/* Print a cell padded to width, to the right or the left. */
static void print_cell(const struct sf_out *out, const struct sf_cell *cell,
		       int width, bool right)
{
	char buf[CELL_LEN];
	const char *text = cell_text(cell, buf);
	bool red = cell->bad && out->colour;
	int pad = width - (int)strlen(text);

	pad = pad > 0 ? pad : 0;
	printf("  %*s%s", right ? pad : 0, "", red ? RED : "");
	sf_out_text(text);
	printf("%s%*s", red ? PLAIN : "", right ? 0 : pad, "");
}

static int wider(int width, const char *text)
{
	return (int)strlen(text) > width ? (int)strlen(text) : width;
}

/* Rows become columns: what is compared stands side by side. */
static void table_beside(const struct sf_out *out, const struct sf_table *table)
{
	int label = 0, width = 0;
	char buf[CELL_LEN];
	size_t row, col;

	for (col = 1; col < table->nr_columns; col++)
		label = wider(label, table->columns[col].title);
	for (row = 0; row < table->nr_rows; row++)
		for (col = 0; col < table->nr_columns; col++)
			width = wider(width,
				      cell_text(cell_at(table, row, col), buf));
	for (col = 0; col < table->nr_columns; col++) {
		printf("  %-*s", label,
		       col == 0 ? "" : table->columns[col].title);
		for (row = 0; row < table->nr_rows; row++)
			print_cell(out, cell_at(table, row, col), width, true);
		putchar('\n');
	}
}

static int column_width(const struct sf_table *table, size_t col)
{
	int width = (int)strlen(table->columns[col].title);
	char buf[CELL_LEN];
	size_t row;

	for (row = 0; row < table->nr_rows; row++)
		width = wider(width, cell_text(cell_at(table, row, col), buf));
	return width;
}

/* By the first row that has something there. */
static bool is_number(const struct sf_table *table, size_t col)
{
	enum sf_cell_kind kind = SF_CELL_NONE;
	size_t row;

	for (row = 0; row < table->nr_rows && kind == SF_CELL_NONE; row++)
		kind = cell_at(table, row, col)->kind;
	return kind == SF_CELL_COUNT || kind == SF_CELL_SIZE ||
	       kind == SF_CELL_SHARE || kind == SF_CELL_NUMBER;
}

static void table_rows(const struct sf_out *out, const struct sf_table *table)
{
	int width[SF_COLUMNS_MAX];
	bool right[SF_COLUMNS_MAX];
	struct sf_cell title;
	size_t row, col;

	for (col = 0; col < table->nr_columns; col++) {
		bool last = col + 1 == table->nr_columns;

		right[col] = is_number(table, col);
		width[col] = last && !right[col] ? 0 : column_width(table, col);
	}
	/* Row 0 is the titles, row n the cells n - 1. */
	for (row = 0; row <= table->nr_rows; row++) {
		for (col = 0; col < table->nr_columns; col++) {
			title = sf_cell_text(table->columns[col].title);
			print_cell(out,
				   row == 0 ? &title :
					      cell_at(table, row - 1, col),
				   width[col], right[col]);
		}
		putchar('\n');
	}
}

void sf_out_table(struct sf_out *out, const struct sf_table *table)
{
	if (out->root != NULL)
		table_json(out, table);
	else if (table->beside)
		table_beside(out, table);
	else
		table_rows(out, table);
	fflush(stdout);
}

/* Write the object, if it is one. stdout is checked at exit. */
static int close_as(struct sf_out *out, size_t flags)
{
	int err = out->failed ? -ENOMEM : 0;

	if (out->root == NULL)
		return 0;
	if (err == 0)
		json_dumpf(out->root, stdout, flags | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(out->root);
	out->root = NULL;
	return err;
}

int sf_out_close(struct sf_out *out)
{
	return close_as(out, JSON_INDENT(2));
}

int sf_out_close_line(struct sf_out *out)
{
	int err = close_as(out, JSON_COMPACT);

	fflush(stdout);
	return err;
}
