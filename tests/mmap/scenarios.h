/* SPDX-License-Identifier: MIT */
/*
 * The scenarios, by the call that they are about, and what the drop-in is
 * known to do otherwise than Linux in them.
 */
#ifndef SCENARIOS_H
#define SCENARIOS_H

#include <stdbool.h>
#include <stddef.h>

#include "script.h"

struct scenario_group {
	const char *call;
	const struct scenario *scenarios;
	size_t nr;
};

#define SCENARIOS_GROUP(call, array)                            \
	{                                                       \
		call, array, sizeof(array) / sizeof((array)[0]) \
	}

extern const struct scenario_group scenarios_map;
extern const struct scenario_group scenarios_unmap;
extern const struct scenario_group scenarios_protect;
extern const struct scenario_group scenarios_remap;
extern const struct scenario_group scenarios_advise;
extern const struct scenario_group scenarios_lock;

/* Lines of transcripts that are not compared, and why. */
struct scenario_difference {
	const char *scenario;
	const char *line; /* how it begins */
	bool unmarked;	  /* only where there are no markers */
	const char *reason;
};

/* Ends with one whose scenario is NULL. */
extern const struct scenario_difference scenario_differences[];

#endif
