// SPDX-License-Identifier: MIT
/*
 * A module that modules.c loads and unloads: it allocates when it is loaded,
 * while it is used, and frees when it is unloaded. Its thread-local variable is
 * so large that the loader allocates it, for each thread that touches it.
 */
#include "module.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static __thread char variable[30000];
static void *own[100];

#define EXPORT __attribute__((visibility("default")))

__attribute__((constructor)) static void at_load(void)
{
	for (size_t i = 0; i < 100; i++) {
		own[i] = malloc(i * i + 1);
		memset(own[i], 'm', i * i + 1);
	}
}

__attribute__((destructor)) static void at_unload(void)
{
	for (int i = 0; i < 100; i++)
		free(own[i]);
}

EXPORT void *module_allocate(size_t len)
{
	return malloc(len);
}

EXPORT void module_free(void *p)
{
	free(p);
}

EXPORT int module_touch(int value)
{
	int before = variable[0];

	memset(variable, value, sizeof(variable));
	return before;
}

EXPORT void *module_load(const char *file)
{
	/* No jump, or the call would be the program's. */
	void *volatile handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);

	return handle;
}
