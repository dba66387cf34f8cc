/* SPDX-License-Identifier: MIT */
/*
 * Memory of every kind that a program can have, with attributes that it can
 * set on it, made before a process comes to its limit of mappings. What each
 * page is and holds is noted, so that it can be checked later.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#define MEMORY_PAGES 64

struct memory_kind {
	const char *name;
	bool ours; /* comes from a region of the drop-in's */
	char *(*make)(size_t len);
};

struct memory_change {
	const char *name;
	bool marks_not; /* where this is, released memory may not trap */
	void (*change)(char *addr);
};

/* Both end with one whose name is NULL. The first change is none. */
extern const struct memory_kind memory_kinds[];
extern const struct memory_change memory_changes[];

struct memory {
	const struct memory_kind *kind;
	const struct memory_change *change;
	char *addr;
	unsigned char access[MEMORY_PAGES];
	short byte[MEMORY_PAGES]; /* of those that can be read */
	bool unmapped[MEMORY_PAGES];
};

/* Make it, write to all pages, change it, and note what it then is. */
bool memory_make(struct memory *m, const struct memory_kind *kind,
		 const struct memory_change *change);

/*
 * munmap() nr pages from the given one on. Checks that it succeeds, leaves
 * errno, and that the pages have gone from this process.
 */
void memory_unmap(struct memory *m, size_t first, size_t nr);

/* Check that all other pages are, and hold, what was noted. */
void memory_check(struct memory *m);

/* Whether this program runs with the drop-in preloaded. */
bool memory_is_surefree(void);

/* Whether guards and what is unmapped fault there without a mapping. */
bool memory_has_markers(void);

#endif
