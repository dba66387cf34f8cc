/* SPDX-License-Identifier: MIT */
/*
 * Resource limits that are lowered while the process runs. RLIMIT_AS counts
 * what is reserved, RLIMIT_DATA what is committed: what regions have beyond
 * what is in use would leave nothing for others.
 */
#ifndef SF_VM_LIMITS_H
#define SF_VM_LIMITS_H

/*
 * Have all regions keep no more ahead of need than the limits leave, and where
 * address space is limited no more of it. Pools are cut by sf_pool_cut_all(),
 * after it. Best effort. Not in a signal handler.
 */
void sf_limits_obey(void);

#endif
