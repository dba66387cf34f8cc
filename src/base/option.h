/* SPDX-License-Identifier: MIT */
/*
 * The options of SUREFREE_OPTIONS and surefree_set(): a table of names, each
 * with its kind, default and place. Reading one is a plain atomic load.
 */
#ifndef SF_BASE_OPTION_H
#define SF_BASE_OPTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum sf_option {
	SF_OPTION_RETAIN,	/* bytes of released memory to keep */
	SF_OPTION_TRAP,		/* 1: trap released memory, allow guards */
	SF_OPTION_REGION,	/* bytes to reserve at a time */
	SF_OPTION_AHEAD,	/* bytes to keep committed ahead of need */
	SF_OPTION_VIEW_RESERVE, /* spare mappings that file views leave */
	SF_OPTION_FENCE,	/* 1: each block on pages of its own */
	SF_OPTION_HARDENED,	/* 1: chance, zeros and guards in slabs */
	SF_OPTION_BACKTRACE,	/* 1: note who allocates and frees, in modes */
	SF_OPTION_STATS,	/* 1: a summary at exit */
	SF_OPTION_PROFILE,	/* 1: a heap profile, see sf_option_profile() */
	SF_OPTION_SAMPLE,	/* bytes between samples for it */
	SF_OPTION_PROFILE_SIGNAL, /* begins and ends it; 0: none */
	SF_OPTION_THREADS, /* 1: threads get their stacks from us (drop-in) */
	SF_OPTION_NR,
};

extern _Atomic size_t sf_options[SF_OPTION_NR];

/* Whether an option was set, by SUREFREE_OPTIONS or surefree_set(). */
bool sf_option_is_set(enum sf_option option);

static inline size_t sf_option(enum sf_option option)
{
	/* Relaxed: an option orders nothing but itself. */
	return atomic_load_explicit(&sf_options[option], memory_order_relaxed);
}

/* The file that option "profile" names. For set-up, not while it is set. */
const char *sf_option_profile(void);

/*
 * Set an option from text. 0, or -EINVAL after a line on stderr that names the
 * cause and the valid ones; where says who asked ("SUREFREE_OPTIONS"). Refuses
 * those that are read at start only.
 */
int sf_option_set(const char *where, const char *name, const char *value);

/*
 * Set options from "name=value,name", at start; a switch without a value is on.
 * Bad ones are reported and skipped.
 */
void sf_option_parse(const char *where, const char *text);

#endif
