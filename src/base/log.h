/* SPDX-License-Identifier: MIT */
/*
 * Words for people: one line on stderr, and the end of the process when the
 * caller misused us or our own invariants broke. Never allocates.
 */
#ifndef SF_BASE_LOG_H
#define SF_BASE_LOG_H

#include "base/compiler.h"

/* Write "surefree: ..." and a newline to stderr in one write. Keeps errno. */
void sf_warn(const char *format, ...) SF_PRINTF(1, 2);

/* The same, then abort(). For misuse and corrupt metadata, always on. */
SF_NORETURN void sf_fatal(const char *format, ...) SF_PRINTF(1, 2);

/* For our own invariants: checked in debug builds and in the tests. */
#ifdef SF_DEBUG
#define sf_assert(cond)     \
	((cond) ? (void)0 : \
		  sf_fatal("bug: %s:%d: %s", __FILE__, __LINE__, #cond))
#else
#define sf_assert(cond) ((void)sizeof(cond))
#endif

#endif
