// SPDX-License-Identifier: MIT
/*
 * mbind(), which is libnuma's. It calls its own by name, as programs do, so
 * both come here; and it does no more than the system call.
 */
#include <errno.h>

#include "base/compiler.h"
#include "mmap/mmap.h"
#include "os/page.h"

/* Declared in a header that may not be installed. */
long mbind(void *addr, unsigned long len, int mode, const unsigned long *nodes,
	   unsigned long nr_nodes, unsigned flags);

static int status(int result)
{
	if (SF_LIKELY(result >= 0))
		return result;
	errno = -result;
	return -1;
}

SF_EXPORT long mbind(void *addr, unsigned long len, int mode,
		     const unsigned long *nodes, unsigned long nr_nodes,
		     unsigned flags)
{
	struct sf_policy policy = { mode, flags, nodes, nr_nodes };

	return status(sf_mmap_bind((uintptr_t)addr, len, &policy));
}
