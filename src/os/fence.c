// SPDX-License-Identifier: MIT
/* The fence for all threads, see fence.h. */
#include "os/fence.h"

#include <linux/membarrier.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

#include "os/sys.h"

#define FALLBACK_NS 1000000 /* far longer than any store stays in a CPU */

static long membarrier(int command)
{
	return sf_sys(__NR_membarrier, command, 0, 0, 0, 0, 0);
}

bool sf_fence_init(void)
{
	return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

void sf_fence_all(void)
{
	struct timespec wait = { 0, FALLBACK_NS };

	atomic_thread_fence(memory_order_seq_cst);
	if (membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0)
		return;
	/* Refused although it was registered: a filter came later. */
	sf_sys(__NR_nanosleep, (long)&wait, 0, 0, 0, 0, 0);
}
