/* SPDX-License-Identifier: MIT */
/* Chance, for where blocks are placed: a generator for each thread. */
#ifndef SF_MALLOC_RANDOM_H
#define SF_MALLOC_RANDOM_H

#include "base/compiler.h"

/* 0 <= result < bound; bound is at least 1 and less than 2^32. */
unsigned sf_random_below(unsigned bound);

/* In a forked child: not its parent's numbers. */
void sf_random_fork_child(void);

#endif
