/* SPDX-License-Identifier: MIT */
/*
 * Draws an address space: how much of the limit each kind of mapping takes,
 * where the mappings lie, and the densest stretch from near.
 */
#ifndef SF_CLI_DRAW_H
#define SF_CLI_DRAW_H

#include <stdio.h>

#include "explain.h"

/* Write a picture of all, which found explains. 0 or -ENOMEM. */
int sf_draw(FILE *file, const char *title, const struct sf_mappings *all,
	    const struct sf_explanation *found);

#endif
