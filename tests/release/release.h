/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests of what the drop-in gives back. The programs call malloc()
 * and free() and are started with the drop-in preloaded; with another malloc
 * they run too, and fail where it keeps memory. The library's own functions
 * are looked up at run time. Nothing in here allocates once a thread or an
 * array was made, so resident memory is the work of the test alone.
 */
#ifndef RELEASE_H
#define RELEASE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "surefree.h"
#include "test.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* As many spare mappings as there are. */
#define PLENTY LONG_MAX

/* The default of the option "retain". */
#define RETAIN_DEFAULT (128 * MIB)

/*
 * Run this program again, in a new process whose malloc has done nothing yet,
 * for one of a test's cases: main() hands its arguments to release_case(),
 * which returns the words (printf style) there, NULL for the tests. options
 * is SUREFREE_OPTIONS there, NULL for none. Checks that it went well; false
 * when not, or when the test is to be skipped. (A forked child would do, were
 * it not that at the limit the kernel lets none of those extend a mapping that
 * its parent has used.)
 */
bool release_again(const char *options, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
const char *release_case(int argc, char **argv);
/* What main() returns after a case: its checks' result. */
int release_case_result(void);

/* Bring the process to this many spare mappings; nothing to do for PLENTY. */
bool release_fill(long spare);

/* An array of nr zeroed members, resident, that no malloc knows of. */
void *release_array(size_t nr, size_t member_len);

/* The drop-in's statistics; a test without the drop-in has failed. */
struct surefree_stats release_stats(void);

/* Set the drop-in's option. */
void release_set(const char *option, const char *value);

/* Resident bytes above what was there when release_mark() was called. */
void release_mark(void);
size_t release_resident(void);

/* Check that now is at most limit bytes, and say what they are of. */
bool release_check(size_t now, size_t limit, const char *what);

/* Write to each page of a block, and later check that it is still there. */
void release_touch(void *block, size_t len);
bool release_is_touched(const void *block, size_t len);

/* A length from 16 bytes to 1 MiB, most of them small. */
size_t release_pick_len(struct test_rng *rng);

/* Bring the members of an array of pointers into any order. */
void release_shuffle(struct test_rng *rng, void **blocks, size_t nr);

/*
 * The pages that blocks lie on, each counted once: what must be resident.
 * release_pages_init() has room for nr pages and is called before the mark.
 */
void release_pages_init(size_t nr);
void release_pages_clear(void);
void release_pages_add(const void *block, size_t len);
size_t release_pages_len(void);

/* The marks of the blocks on them: 1 KiB for 64 KiB, in whole pages. */
size_t release_marks_len(void);

/*
 * Threads that wait, without a call to malloc, until there is work: start them
 * before mappings are used up. release_crew_do() has threads first to last run
 * fn(index), all at once, and waits for them; release_crew_begin() does not
 * wait, release_crew_busy() tells whether some are still at it, and
 * release_crew_wait() then waits. The others stay where they are.
 */
void release_crew_start(size_t nr);
void release_crew_do(size_t first, size_t last, void (*fn)(size_t index));
void release_crew_begin(size_t first, size_t last, void (*fn)(size_t index));
bool release_crew_busy(void);
void release_crew_wait(void);
void release_crew_end(void);

#endif
