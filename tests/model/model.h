/* SPDX-License-Identifier: MIT */
/*
 * A plain reference model of surefree: one record for each page that the
 * library ever handed out, saying whose it is and what must be read there.
 *
 * The model makes its choices from a source, which is either a generator with
 * a seed (tests/model/random_model.c) or the bytes of a fuzzer's input
 * (tests/fuzz/ops.c). It runs each operation on the library and on the
 * records, and stops with a message at the first difference. One thread only.
 *
 * Two files: model.c has the records and what can be checked with them,
 * model_ops.c the operations.
 */
#ifndef TEST_MODEL_H
#define TEST_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a page is to the library's user. */
enum model_kind {
	MODEL_FREE,  /* not mapped: never was, or was released */
	MODEL_LIVE,  /* mapped, holds what seed says */
	MODEL_GUARD, /* mapped, made inaccessible by surefree_guard() */
	MODEL_EDGE,  /* guard page beside a SUREFREE_GUARDED map: stays while
			a page beside it is mapped */
	MODEL_STACK, /* in a stack: contents undefined */
	MODEL_STACK_GUARD, /* guard page below a stack */
};

#define MODEL_NONE UINT32_MAX

struct model_page {
	uint64_t seed;	/* pattern written here; 0: reads as zeros */
	uint32_t range; /* index of the range it is in; MODEL_NONE: in none */
	uint8_t kind;	/* enum model_kind */
};

/* Consecutive pages that came from one call, or what is left of them. */
struct model_range {
	char *addr;
	size_t nr_pages;
	unsigned flags;	  /* SUREFREE_* it was mapped with */
	size_t guard_len; /* stacks: bytes of guard below */
	bool is_stack;
};

struct model_view {
	char *addr;
	size_t len;
	size_t off;
};

#define MODEL_MAX_RANGES 4096
#define MODEL_MAX_VIEWS	 16
#define MODEL_MAX_PAGES	 16384 /* live at a time */

struct model_chunk;

struct model {
	/* Where choices come from. */
	const uint8_t *data; /* fuzzer's bytes, or NULL */
	size_t data_len;
	uint64_t random;

	/* Records of pages, in chunks of 512, found by a hash table. */
	struct model_chunk **chunks;
	size_t nr_chunks;
	size_t nr_slots;

	struct model_range ranges[MODEL_MAX_RANGES];
	uint32_t nr_ranges;
	struct model_view views[MODEL_MAX_VIEWS];
	uint32_t nr_views;
	int view_fd;

	size_t nr_live; /* pages LIVE, GUARD or STACK */
	size_t page_len;
	bool has_guard;	    /* kernel has guard markers */
	bool retaining;	    /* option retain is not 0 */
	bool retained_ever; /* ... or was since the last surefree_trim(0) */
	bool trace;	    /* print each operation */

	/* For messages. */
	uint64_t seed;
	uint64_t nr_ops;
	uint64_t nr_called[32]; /* operations done, by kind */
	const char *op;
};

/*
 * Prepare m: choices come from data (data_len bytes), or, if data is NULL, from
 * a generator started with seed. Prints nothing.
 */
void model_init(struct model *m, const uint8_t *data, size_t data_len,
		uint64_t seed);

/* Do one operation. False when the source has no more choices. */
bool model_step(struct model *m);

/* Compare everything: contents of all pages, guards, statistics. */
void model_check(struct model *m);

/* Release everything that is mapped, check that nothing is left, free m's. */
void model_finish(struct model *m);

/* Print how often each operation was done. */
void model_report(const struct model *m);

/*
 * For model_ops.c
 */

/* Message with seed, operation number and name, then abort(). */
void model_fail(const struct model *m, const char *format, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

#define MODEL_CHECK(m, cond, ...)                     \
	do {                                          \
		if (!(cond))                          \
			model_fail((m), __VA_ARGS__); \
	} while (0)

/* A number in [0, n). n > 0. */
size_t model_pick(struct model *m, size_t n);

/* The record of the page at addr; made when there was none. Never NULL. */
struct model_page *model_page(struct model *m, const char *addr);

/* Record new pages [addr, +nr) of one kind as a new range; checks overlap. */
struct model_range *model_add(struct model *m, char *addr, size_t nr,
			      enum model_kind kind);

/*
 * Record that [addr, +nr) was released: ranges are cut, dropped or split, and
 * guard pages beside it that stand beside nothing else now are free.
 */
void model_remove(struct model *m, char *addr, size_t nr);

/* The same for a stack and the guard below it. */
void model_remove_stack(struct model *m, const struct model_range *r);

/* Whether a range is a guard page, which is released with its neighbours. */
bool model_is_guard(struct model *m, const struct model_range *r);

/* Set the pattern of a page, in memory and in the record. */
void model_write(struct model *m, char *addr);

/* Compare the contents of a page with its record. */
void model_check_page(struct model *m, char *addr);

/* Whether one byte at addr can be read, found out without a signal. */
bool model_readable(const char *addr);

#endif
