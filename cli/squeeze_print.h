/* SPDX-License-Identifier: MIT */
/* The report of surefree squeeze. */
#ifndef SF_CLI_SQUEEZE_PRINT_H
#define SF_CLI_SQUEEZE_PRINT_H

#include "out.h"
#include "squeeze.h"

/* One headroom of a sweep, and those after it that gave the same. */
struct sf_squeeze_step {
	size_t from;
	size_t to;
	struct sf_child_end end;
	bool timed_out;
	bool same; /* ended as it does unsqueezed */
	size_t refused;
	uint64_t resident;
};

struct sf_squeeze_sweep {
	struct sf_squeeze_step *steps;
	size_t nr;
	struct sf_child_end end; /* unsqueezed */
	bool has_needed;	 /* from here up it ends the same */
	size_t needed;
	bool has_clean; /* and nothing is refused */
	size_t clean;
};

/* "normally", "by SIGSEGV", "with status 2" or "not in time", in buf. */
const char *sf_squeeze_end_text(const struct sf_child_end *end, bool timed_out,
				char *buf, size_t buf_len);

/* Whether the limit did anything to it. */
bool sf_squeeze_is_finding(const struct sf_squeeze_result *result);

/* 0 or -ENOMEM. */
int sf_squeeze_print(struct sf_out *out, const struct sf_squeeze_plan *plan,
		     const struct sf_squeeze_result *result);
void sf_squeeze_print_sweep(struct sf_out *out,
			    const struct sf_squeeze_plan *plan,
			    const struct sf_squeeze_sweep *sweep);

#endif
