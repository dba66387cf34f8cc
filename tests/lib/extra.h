/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests of the library: work done at the limit in every way a
 * process can be there, and what must hold of released memory.
 */
#ifndef TEST_EXTRA_H
#define TEST_EXTRA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "surefree.h"

/* What one prepare-and-act pair works on. */
struct extra_work {
	char *addr;
	size_t len;
	struct surefree_stack stack;
	/* Other threads map at the same time: what was released may already
	 * be theirs, and neighbours need not be ours. */
	bool shared;
};

struct extra_case {
	/* Map and touch; leaves the result in *work. */
	void (*prepare)(struct extra_work *work);
	/* Do what the test is about, check it, and release all of *work. */
	void (*act)(struct extra_work *work);
};

/*
 * Run a case with 0, 1 and 2 spare mappings, each time in this process, in a
 * child forked after prepare() (and once more from the start in that child),
 * and in four threads at once. Checks that the number of mappings is the same
 * afterwards. Leaves the test early when the limit cannot be reached.
 */
void extra_at_limit(const struct extra_case *c);

/* The same with one mapping above the limit, where no mmap() goes through. */
void extra_above_limit(const struct extra_case *c);

/* Write byte to all of [addr, addr + len). */
void extra_set(char *addr, size_t len, int byte);

/* Whether all of [addr, addr + len) is byte. Checks, and returns, that. */
bool extra_is(const char *addr, size_t len, int byte);

/* surefree_unmap() and surefree_discard(), checking that errno stays. */
void extra_unmap(void *addr, size_t len);
void extra_discard(void *addr, size_t len);

/*
 * Check that [addr, addr + len), just released, is not resident and, where
 * there are guards, traps as far as surefree_unmap() promises.
 */
void extra_check_released(char *addr, size_t len);

/* Up to this length a released range traps as a whole. */
#define EXTRA_TRAP_LEN ((size_t)128 << 10)

/* Statistics of now. */
struct surefree_stats extra_stats(void);

/* MemAvailable in bytes; 0 when it cannot be read. */
size_t extra_available(void);

/*
 * Run fn(arg) in a child as an ordinary user (nobody, when we are root), since
 * root's RLIMIT_MEMLOCK is not enforced. The result is test_in_child()'s.
 */
int extra_in_ordinary_child(int (*fn)(void *arg), void *arg);

/* Seconds since some fixed time. */
double extra_seconds(void);

#endif
