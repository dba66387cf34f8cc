/* SPDX-License-Identifier: MIT */
/*
 * The one writer of results: the same calls give aligned text or JSON.
 *
 *	sf_out_open(&out, args->json);
 *	sf_out_section(&out, "munmap", "munmap: %zu pages", nr);
 *	sf_out_value(&out, "limit", "limit", sf_cell_count(65530));
 *	sf_out_table(&out, &table);
 *	return sf_out_close(&out);
 *
 * Text is written as it comes, JSON as one object at the end. A section is an
 * object in it, a value a member, a table an array of objects. Keys are
 * snake_case and stay as they are; texts may change.
 */
#ifndef SF_CLI_OUT_H
#define SF_CLI_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sf_cell_kind {
	SF_CELL_NONE,	/* "-", null */
	SF_CELL_TEXT,	/* not copied */
	SF_CELL_COUNT,	/* integer */
	SF_CELL_SIZE,	/* bytes; "1.5 MiB", 1572864 */
	SF_CELL_SHARE,	/* 0.5: "50.0 %", 0.5 */
	SF_CELL_NUMBER, /* with a fraction, perhaps negative; "0.5", 0.5 */
	SF_CELL_BOOL,	/* "yes", true */
	SF_CELL_ADDR,	/* "0x7f0000000000" in both */
};

struct sf_cell {
	enum sf_cell_kind kind;
	bool bad; /* red on a terminal */
	uint64_t nr;
	double share; /* or number */
	const char *text;
};

struct sf_column {
	const char *key;
	const char *title;
};

#define SF_COLUMNS_MAX 24

struct sf_table {
	const char *key;
	const struct sf_column *columns;
	size_t nr_columns;	     /* 1 to SF_COLUMNS_MAX */
	const struct sf_cell *cells; /* nr_rows times nr_columns, by rows */
	size_t nr_rows;
	/* Text shows rows side by side, headed by their first cell. */
	bool beside;
};

struct sf_out {
	bool colour;
	void *root;    /* json_t; NULL: text */
	void *section; /* json_t, borrowed from root */
	bool failed;   /* out of memory for JSON */
};

struct sf_cell sf_cell_none(void);
struct sf_cell sf_cell_text(const char *text); /* NULL: none */
struct sf_cell sf_cell_count(uint64_t nr);
struct sf_cell sf_cell_size(uint64_t len);
struct sf_cell sf_cell_share(double share);
struct sf_cell sf_cell_number(double number);
struct sf_cell sf_cell_bool(bool yes);
struct sf_cell sf_cell_addr(uint64_t addr);
/* The same cell, marked as bad if so. */
struct sf_cell sf_cell_mark(struct sf_cell cell, bool bad);

/* "1.5 MiB" into buf; returns buf. */
char *sf_out_size_text(uint64_t len, char *buf, size_t buf_len);

/*
 * To standard output, a "?" for each byte that is no part of a character or
 * would steer a terminal. All text that is not JSON goes through here.
 */
void sf_out_text(const char *text);
void sf_out_bytes(const char *text, size_t len);

void sf_out_open(struct sf_out *out, bool json);
void sf_out_section(struct sf_out *out, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void sf_out_value(struct sf_out *out, const char *key, const char *label,
		  struct sf_cell cell);
void sf_out_table(struct sf_out *out, const struct sf_table *table);

/* In text only: a line above a table, a paragraph after an empty line. */
void sf_out_heading(const struct sf_out *out, const char *text);
void sf_out_words(const struct sf_out *out, const char *text);

/* A member of the whole document; not shown in text. */
void sf_out_top(struct sf_out *out, const char *key, struct sf_cell cell);

/* Write what is left. 0, or -ENOMEM when JSON could not be built. */
int sf_out_close(struct sf_out *out);

/* The same, with JSON in one line, and at once: for what is read meanwhile. */
int sf_out_close_line(struct sf_out *out);

#endif
