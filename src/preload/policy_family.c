// SPDX-License-Identifier: MIT
/*
 * mbind(), which is libnuma's. It calls its own by name, as programs do, so
 * both come here; and it does no more than the system call.
 *
 * prctl(), as it names mappings. All else is passed to the kernel as it is,
 * five arguments, as the C library does.
 */
#include <errno.h>
#include <stdarg.h>
#include <sys/prctl.h>

#include "base/compiler.h"
#include "mmap/mmap.h"
#include "os/page.h"
#include "os/sys.h"

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

SF_EXPORT int prctl(int option, ...)
{
	unsigned long arg[4];
	va_list args;

	va_start(args, option);
	for (int i = 0; i < 4; i++)
		arg[i] = va_arg(args, unsigned long);
	va_end(args);
	if (option == SF_PR_SET_VMA && arg[0] == SF_PR_SET_VMA_ANON_NAME)
		return status(sf_mmap_name(arg[1], arg[2], arg[3]));
	return status((int)sf_sys(__NR_prctl, option, (long)arg[0],
				  (long)arg[1], (long)arg[2], (long)arg[3], 0));
}
