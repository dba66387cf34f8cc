/* SPDX-License-Identifier: MIT */
/*
 * Resource limits that are lowered while the process runs. RLIMIT_AS counts
 * what is reserved, RLIMIT_DATA what is committed: what regions have beyond
 * what is in use would leave nothing for others.
 */
#ifndef SF_VM_LIMITS_H
#define SF_VM_LIMITS_H

#include <stdbool.h>

/* Whether reservations leave too little of the address space that is allowed. */
bool sf_limits_should_cut(void);

/*
 * Have all regions keep no more ahead of need than the limits leave. cut: and
 * no more address space than that; pools are cut by sf_pool_cut_all() then.
 * Best effort.
 */
void sf_limits_obey(bool cut);

#endif
