// SPDX-License-Identifier: MIT
/*
 * dlopen() without RTLD_DEEPBIND. An object that is loaded with it looks for
 * malloc() and free() in the C library before it looks here: what it is given
 * it hands to the wrong free(), and the other way round. PHP loads its
 * extensions so.
 *
 * The loader looks at its caller, for the paths where the caller has its
 * libraries (RUNPATH). So the call to the loader must be the last thing done
 * here, a jump that leaves the caller's return address in place.
 */
#include <dlfcn.h>
#include <string.h>

#include "base/compiler.h"

typedef void *dlopen_fn(const char *file, int flags);

/* Not inline: a jump can't leave this frame behind. */
static __attribute__((noinline)) dlopen_fn *find_real(void)
{
	static _Atomic(dlopen_fn *) real;
	dlopen_fn *found = real;
	void *symbol;

	if (SF_UNLIKELY(found == NULL)) {
		symbol = dlsym(RTLD_NEXT, "dlopen");
		memcpy(&found, &symbol, sizeof(found));
		real = found;
	}
	return found;
}

SF_EXPORT void *dlopen(const char *file, int flags)
{
	return find_real()(file, flags & ~RTLD_DEEPBIND);
}
