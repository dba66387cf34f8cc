/* SPDX-License-Identifier: MIT */
/*
 * For tests of the kernel itself: try one call where one mapping is spare,
 * where none is, and one above the limit.
 *
 * The call works on a *ground*: GROUND_PAGES pages of inaccessible shared
 * memory, into which a test places private mappings. Private never merges
 * with shared memory, so what is placed has only the neighbours that the test
 * gives it. All positions and lengths here are in pages, from the ground's
 * start.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include "test.h"

#include <errno.h>
#include <sys/mman.h>

#define GROUND_PAGES 64

#define RW (PROT_READ | PROT_WRITE)

/* What a call must do: errno, or 0 for success, and how the count changes. */
struct outcome {
	int err;
	int delta;
};

#define OK(delta)	  ((struct outcome){ 0, delta })
#define FAILS(err, delta) ((struct outcome){ err, delta })

/* Make a ground, and remove it with all that is placed there. */
char *ground_make(void);
void ground_remove(char *ground);

/* The address of a page of it. */
char *at(char *ground, size_t page);

/* Place private anonymous memory; flags adds to MAP_PRIVATE. */
void place(char *ground, size_t page, size_t nr, int prot, int flags);

/* Write to each page, so that it is resident. */
void touch(char *ground, size_t page, size_t nr);

/* The system calls, raw: 0, or -1 and errno. */
int unmap(char *ground, size_t page, size_t nr);
int protect(char *ground, size_t page, size_t nr, int prot);
int advise(char *ground, size_t page, size_t nr, int advice);
/* mmap() with MAP_FIXED of private anonymous memory. */
int map_over(char *ground, size_t page, size_t nr, int prot);

/* A file of nr pages in memory; page i begins with the byte i + 1. */
int open_memory_file(size_t nr);

/*
 * On a new ground each time: make(ground), fill up to the given number of
 * spare mappings, op(ground). Checks errno and the change of the count. Where
 * the kernel never goes above the limit, "above" is not tried.
 */
void try_at_limit(void (*make)(char *ground), int (*op)(char *ground),
		  struct outcome one_spare, struct outcome none_spare,
		  struct outcome above);

/* The same with spare mappings left, once. False: the test is over. */
bool try_with(long spare, void (*make)(char *ground), int (*op)(char *ground),
	      struct outcome want);

/* Common makers: pages 1 to 16 are one RW mapping, untouched or touched. */
void make_untouched(char *ground);
void make_touched(char *ground);

#endif
