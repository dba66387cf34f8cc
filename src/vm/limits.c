// SPDX-License-Identifier: MIT
/* Obeying limits that were lowered, see limits.h. */
#include "vm/limits.h"

#include "os/limit.h"
#include "vm/state.h"

/* Cut when the rest of the program has less than this part of its limit. */
#define LEFT_SHARE 4

/* What is cut stays small, and needs others beside it, of which there are so
   many. Who lowers a limit again and again is not served for ever. */
#define MAX_CUT (SF_MAX_REGIONS / 2)

bool sf_limits_should_cut(void)
{
	size_t limit = sf_limit_address_space();

	return limit != SIZE_MAX &&
	       sf_limit_address_space_left() < limit / LEFT_SHARE &&
	       sf_state_nr_regions() <= MAX_CUT;
}

void sf_limits_obey(bool cut)
{
	size_t nr = sf_state_nr_regions();

	for (size_t i = 0; i < nr; i++) {
		struct sf_region *region = sf_state_region(i);

		sf_region_keep_ahead_less(region);
		/* Those of malloc have headers, which follow. Above the limit
		   of address space the kernel refuses to shrink them. */
		if (!cut)
			sf_region_shrink(region);
		else if (region->kind != SF_REGION_HEAP)
			sf_region_cut(region, 0);
	}
}
