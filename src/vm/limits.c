// SPDX-License-Identifier: MIT
/* Obeying limits that were lowered, see limits.h. */
#include "vm/limits.h"

#include "os/limit.h"
#include "vm/state.h"

void sf_limits_obey(void)
{
	bool cut = sf_limit_address_space() != SIZE_MAX;
	size_t nr = sf_state_nr_regions();

	for (size_t i = 0; i < nr; i++) {
		struct sf_region *region = sf_state_region(i);

		sf_region_keep_ahead_less(region);
		/* Those of malloc have headers, which follow. */
		if (cut && region->kind != SF_REGION_HEAP)
			sf_region_cut(region, 0);
	}
}
