// SPDX-License-Identifier: MIT
/*
 * Finds what is under test. The drop-in exports surefree's own functions too;
 * finding those through the loader is how a program knows of it.
 */
#include "calls.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

void *calls_find(const char *name)
{
	return dlsym(RTLD_DEFAULT, name);
}

bool calls_sanitized(void)
{
	return calls_find("__asan_init") != NULL ||
	       calls_find("__tsan_init") != NULL;
}

#ifdef CALLS_LINKED
/* Linked with libsurefree, which the loader need not know of. */
bool calls_surefree(void)
{
	return true;
}

bool calls_stats(struct surefree_stats *out)
{
	out->size = sizeof(*out);
	return surefree_stats(out) == 0;
}

void calls_trim(void)
{
	surefree_trim(0);
}

void calls_free_sized(void *p, size_t len)
{
	surefree_free_sized(p, len);
}

void calls_free_aligned_sized(void *p, size_t align, size_t len)
{
	surefree_free_aligned_sized(p, align, len);
}
#else
/* Surefree's function of that name, NULL without the drop-in. */
static void *find_surefrees(const char *name)
{
	void *found = calls_find(name);
	const char *wanted = getenv("MALLOC_TESTED");

	if (found == NULL && wanted != NULL &&
	    strcmp(wanted, "surefree") == 0) {
		FAIL("the drop-in is not there: it has no %s", name);
		_exit(1);
	}
	return found;
}

bool calls_surefree(void)
{
	return find_surefrees("surefree_malloc") != NULL;
}

bool calls_stats(struct surefree_stats *out)
{
	int (*fn)(struct surefree_stats *) = (int (*)(
		struct surefree_stats *))find_surefrees("surefree_stats");

	memset(out, 0, sizeof(*out));
	out->size = sizeof(*out);
	return fn != NULL && fn(out) == 0;
}

void calls_trim(void)
{
	malloc_trim(0);
}

void calls_free_sized(void *p, size_t len)
{
	void (*fn)(void *,
		   size_t) = (void (*)(void *, size_t))calls_find("free_sized");

	if (fn != NULL)
		fn(p, len);
	else
		free(p);
}

void calls_free_aligned_sized(void *p, size_t align, size_t len)
{
	void (*fn)(void *, size_t,
		   size_t) = (void (*)(void *, size_t,
				       size_t))calls_find("free_aligned_sized");

	if (fn != NULL)
		fn(p, align, len);
	else
		free(p);
}
#endif
