/* SPDX-License-Identifier: MIT */
/* The last stack that was seen of each place that calls come from. */
#ifndef SF_CLI_TRACE_PLACES_H
#define SF_CLI_TRACE_PLACES_H

#include "trace.bpf.h"
#include "where.h"

struct sf_places {
	struct sf_places_entry **entry; /* a table by hash */
	size_t nr;
};

/* Keep a copy of where. */
void sf_places_note(struct sf_places *places,
		    const struct sf_trace_place *place,
		    const struct sf_where *where);

/* NULL: none was seen. */
const struct sf_where *sf_places_find(const struct sf_places *places,
				      const struct sf_trace_place *place);

void sf_places_free(struct sf_places *places);

#endif
