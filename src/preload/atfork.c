// SPDX-License-Identifier: MIT
/*
 * What pthread_atfork() is in the C library. Handlers that are registered first
 * run last before fork(), and ours must: others' may wait for threads to end,
 * as OpenBLAS does, which a thread can't while we hold our locks. But a
 * program's libraries are initialised before one that is preloaded. So whoever
 * registers handlers has ours registered before.
 *
 * Not by linking with -z initfirst: the last object that is loaded with it
 * wins, which before glibc 2.34 is libpthread, and there is no environment yet.
 */
#include <dlfcn.h>
#include <string.h>

#include "base/compiler.h"
#include "vm/fork.h"

typedef void handler_fn(void);
typedef int register_fn(handler_fn *prepare, handler_fn *parent,
			handler_fn *child, void *dso);

/* Declared in no header. */
register_fn __register_atfork;
extern void *__dso_handle __attribute__((visibility("hidden")));

static register_fn *find_real(void)
{
	static _Atomic(register_fn *) real;
	register_fn *found = real;
	void *symbol;

	if (found == NULL) {
		symbol = dlsym(RTLD_NEXT, "__register_atfork");
		memcpy(&found, &symbol, sizeof(found));
		real = found;
	}
	return found;
}

SF_EXPORT int __register_atfork(handler_fn *prepare, handler_fn *parent,
				handler_fn *child, void *dso)
{
	/* Not from within: there it is our own that are registered. */
	if (dso != __dso_handle)
		sf_fork_init();
	return find_real()(prepare, parent, child, dso);
}
