/* SPDX-License-Identifier: MIT */
/*
 * How many mappings the family saves. Linux needs one for each run of pages
 * that are mapped and accessible, and one for each run of guards, wherever one
 * ends and another begins; ours need those of their region. Runs are counted
 * as they are, so that neighbours that Linux would merge are one. What the
 * program altered takes mappings here and there, and is not looked at.
 *
 * It is for the summary at exit: counted then, and every now and then before,
 * for the peak, if there will be one.
 */
#ifndef SF_MMAP_SAVED_H
#define SF_MMAP_SAVED_H

#include <stddef.h>

#include "base/option.h"

/* At present. Takes regions' locks. */
size_t sf_mmap_saved(void);

/* The most that was counted so far. */
size_t sf_mmap_saved_peak(void);

/* A call that may have changed it: counts after so many of them. */
void sf_mmap_saved_tick(void);

/* To be called without locks, at the end of a call of the program. */
static inline void sf_mmap_saved_changed(void)
{
	if (sf_option(SF_OPTION_STATS) != 0)
		sf_mmap_saved_tick();
}

#endif
