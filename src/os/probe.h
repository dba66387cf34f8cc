/* SPDX-License-Identifier: MIT */
/*
 * Asks the kernel, once, what it can do. Every answer is found by trying the
 * thing and looking at its effect: emulators accept any madvise() and do
 * nothing. Any thread may ask.
 */
#ifndef SF_OS_PROBE_H
#define SF_OS_PROBE_H

#include <stdbool.h>
#include <stddef.h>

enum sf_feature {
	SF_FEATURE_GUARD,	    /* MADV_GUARD_INSTALL, 6.13 */
	SF_FEATURE_DONTNEED_LOCKED, /* MADV_DONTNEED_LOCKED, 5.18 */
	SF_FEATURE_POPULATE_WRITE,  /* MADV_POPULATE_WRITE, 5.14 */
	SF_FEATURE_TABLE_RECLAIM,   /* DONTNEED frees empty page tables, 6.14 */
	SF_FEATURE_HUGE,	    /* transparent huge pages on request */
	SF_FEATURE_NR,
};

struct sf_feature_info {
	const char *name;    /* "guard markers" */
	const char *since;   /* kernel version, "6.13" */
	const char *use;     /* what surefree does with it, one phrase */
	const char *without; /* what happens where it is missing */
	bool (*probe)(void);
};

/* The table, indexed by enum sf_feature; SF_FEATURE_NR rows. */
extern const struct sf_feature_info sf_features[SF_FEATURE_NR];

/*
 * Ask what the library itself needs. Called once at start, before a program
 * has installed a seccomp filter.
 */
void sf_probe_init(void);

/* Whether the kernel has it; asked at the first call, then remembered. */
bool sf_probe_has(enum sf_feature feature);

#endif
