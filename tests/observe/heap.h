/* SPDX-License-Identifier: MIT */
/*
 * For tests of the heap profile: a program that allocates in one place, and a
 * reader of the file. With sample=1 every block is sampled, and the numbers are
 * exact.
 */
#ifndef HEAP_H
#define HEAP_H

#include <stdbool.h>
#include <stddef.h>

#define HEAP_NR_BLOCKS 20000
#define HEAP_BLOCK_LEN 1000
#define HEAP_TAKE_LEN  128   /* code of heap_take() */
#define HEAP_TABLE_LEN 65536 /* blocks that a profile has room for */
#define HEAP_MANY      (HEAP_TABLE_LEN + 1000)

struct heap_counts {
	long long nr_used;
	long long used_len;
	long long nr_all;
	long long all_len;
};

struct heap_profile {
	struct heap_counts all;	    /* the header's, checked to be the sum */
	struct heap_counts of_take; /* where heap_take() is innermost */
	long mean;
};

/* What the program allocated; what a case wrote to stderr. */
extern void *volatile heap_blocks[HEAP_MANY];
extern char heap_words[4096];

/* malloc() */
void *heap_take(size_t len);

/* Take HEAP_NR_BLOCKS and free every fourth. */
void heap_fill(void);

/* Read a profile. Checks its form, and returns that. */
bool heap_read(const char *name, struct heap_profile *out);
struct heap_counts heap_of_take(const char *name);

/* Set option "profile". */
void heap_begin(const char *name);
void heap_end(void);

/* Run a case with profile=NAME, if it is not NULL, and other options. */
void heap_run(const char *profile, const char *options, const char *name);

/* A folder for the files of a test and its cases. */
void heap_make_dir(void);
void heap_remove_dir(void);
const char *heap_file_name(const char *name);
bool heap_exists(const char *name);

#endif
