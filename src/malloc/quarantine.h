/* SPDX-License-Identifier: MIT */
/*
 * Freed blocks that nobody gets yet, oldest first: what still writes to one is
 * found before it is another's. Their bytes are bounded, and counted as
 * retained (vm/retain.h).
 */
#ifndef SF_MALLOC_QUARANTINE_H
#define SF_MALLOC_QUARANTINE_H

#include "base/compiler.h"

struct sf_quarantined {
	uintptr_t addr;
	size_t len; /* bytes that are retained for it */
};

/* 0 or -errno. */
int sf_quarantine_init(void);

enum sf_quarantine_result {
	SF_QUARANTINE_DONE,
	SF_QUARANTINE_TWICE, /* it is there already */
	SF_QUARANTINE_FULL,  /* *old was let go in its place: try again */
	SF_QUARANTINE_NEVER, /* too large for the bound */
};

/* Put a freed block there. */
enum sf_quarantine_result sf_quarantine_put(const struct sf_quarantined *block,
					    struct sf_quarantined *old);

/* Let the oldest go. False: there is none. */
bool sf_quarantine_pop(struct sf_quarantined *old);

bool sf_quarantine_has(uintptr_t addr);

/* Around fork(). */
void sf_quarantine_lock(void);
void sf_quarantine_unlock(void);

#endif
