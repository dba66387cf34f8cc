// SPDX-License-Identifier: MIT
/* What is known to differ. */
#include "scenarios.h"

const struct scenario_difference scenario_differences[] = {
	{ "lock all that is there", "fresh, resident", false,
	  "what is committed ahead became resident, and is used again" },
	{ "lock all with guards", "fresh, resident", true,
	  "what is committed ahead became resident, and is used again" },
	{ "grow guards in place", "", true, "what was changed does not grow" },
	{ "shrink guards", "", true, "what was changed does not grow" },
	{ NULL, NULL, false, NULL },
};
