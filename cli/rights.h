/* SPDX-License-Identifier: MIT */
/* The capabilities of this process, for one that runs for long. */
#ifndef SF_CLI_RIGHTS_H
#define SF_CLI_RIGHTS_H

#include <stdint.h>

#define SF_RIGHT(cap) ((uint64_t)1 << (cap))

/* Those that we may use, as a set of SF_RIGHT(CAP_...). */
uint64_t sf_rights(void);

/*
 * Give up all others for good, also for what would be executed. keep is lowered
 * to what we have. 0 or -errno.
 */
int sf_rights_keep(uint64_t keep);

/* Use these of what we have, and no others for now. 0 or -errno. */
int sf_rights_use(uint64_t use);

#endif
