/* SPDX-License-Identifier: MIT */
/*
 * What a program's memory must be, page by page, by what it called.
 *
 * A world is the memory of one thread: its pages, in a table by address, and
 * areas, the ranges that its maps were, from which ranges for further calls
 * are picked. Pages that are no longer mapped stay in the table as free until
 * there are too many.
 *
 * Whether a range lies in one mapping of the kernel's, as mremap() wants it,
 * is told by the pages' id: pages beside each other that have the same one
 * have never been changed apart from each other.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "test.h"

#define MODEL_SLOTS (1u << 16) /* of the table; a power of 2 */
#define MODEL_AREAS 20u

enum model_kind {
	MODEL_ANON,
	MODEL_SHARED,
	MODEL_FILE, /* private */
};

struct model_page {
	uintptr_t number; /* address / page length; 0: empty slot */
	uint32_t id;
	uint8_t kind;
	uint8_t prot;
	uint8_t byte;	   /* that fills it */
	uint8_t file_byte; /* in the file */
	bool mapped;
	bool locked;
	bool dontfork;
	bool wipe;
	bool maybe; /* MADV_FREE: or it is zero */
};

struct model_area {
	char *addr;
	size_t nr;
};

struct model_world {
	struct test_rng rng;
	uint64_t seed;
	size_t step;
	const char *op; /* that is being done, for messages */
	bool plain;	/* no call that may need a spare mapping */
	bool shared;	/* with other threads: what is free may be theirs */
	bool child;	/* what is shared must not be written */
	bool failed;
	bool trace;
	const char *without; /* calls that are left out */
	uint32_t next_id;
	size_t nr_slots; /* in use */
	size_t nr_areas;
	struct model_area areas[MODEL_AREAS];
	struct model_page pages[MODEL_SLOTS];
};

/* An empty world. */
void model_init(struct model_world *w, uint64_t seed, bool shared);

/* The page at addr; never NULL, a page that was not known is free. */
struct model_page *model_page(struct model_world *w, const char *addr);

/* Say what went wrong, with seed and step; the world has then failed. */
void model_fail(struct model_world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Say what is done (printf style), where MODEL_TRACE is set. */
void model_trace(const struct model_world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Remember [addr, +nr pages) as an area; there must be room. */
void model_add_area(struct model_world *w, char *addr, size_t nr);

/* Forget areas of which nothing is mapped. */
void model_drop_areas(struct model_world *w);

/* 0 <= result < n */
size_t model_pick(struct model_world *w, size_t n);

/* Check a page, all of some range, or everything. */
void model_check_page(struct model_world *w, char *addr);
void model_check_some(struct model_world *w);
void model_check_all(struct model_world *w);

/* What fork() makes of the world in the child. */
void model_become_child(struct model_world *w);

/* Do one random call, and check its result. */
void model_step(struct model_world *w);

/* Unmap all. */
void model_end(struct model_world *w);

#endif
