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

void *calls_find_in(void *handle, const char *name)
{
	void *found = dlsym(handle, name);

	if (found == NULL) {
		FAIL("%s", dlerror());
		_Exit(1);
	}
	return found;
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
/*
 * Looked up once, at load: the loader has a lock, which the child of a handler
 * that forked would find held, by a thread with another number.
 */
static struct {
	void *(*malloc)(size_t len);
	int (*stats)(struct surefree_stats *out);
	void (*free_sized)(void *p, size_t len);
	void (*free_aligned_sized)(void *p, size_t align, size_t len);
} found;

static void look_up(const char *name, void *out)
{
	void *symbol = calls_find(name);

	memcpy(out, &symbol, sizeof(symbol));
}

__attribute__((constructor)) static void look_all_up(void)
{
	look_up("surefree_malloc", &found.malloc);
	look_up("surefree_stats", &found.stats);
	look_up("free_sized", &found.free_sized);
	look_up("free_aligned_sized", &found.free_aligned_sized);
}

bool calls_surefree(void)
{
	const char *wanted = getenv("MALLOC_TESTED");

	if (found.malloc == NULL && wanted != NULL &&
	    strcmp(wanted, "surefree") == 0) {
		FAIL("the drop-in is not there: it has no surefree_malloc");
		_exit(1);
	}
	return found.malloc != NULL;
}

bool calls_stats(struct surefree_stats *out)
{
	memset(out, 0, sizeof(*out));
	out->size = sizeof(*out);
	return calls_surefree() && found.stats(out) == 0;
}

void calls_trim(void)
{
	malloc_trim(0);
}

void calls_free_sized(void *p, size_t len)
{
	if (found.free_sized != NULL)
		found.free_sized(p, len);
	else
		free(p);
}

void calls_free_aligned_sized(void *p, size_t align, size_t len)
{
	if (found.free_aligned_sized != NULL)
		found.free_aligned_sized(p, align, len);
	else
		free(p);
}
#endif
