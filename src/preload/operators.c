// SPDX-License-Identifier: MIT
/*
 * C++'s operators of others, see operators.h.
 *
 * The dynamic linker looks at what was loaded with the program, then at the
 * caller's object and those that it needs. In the first it finds the drop-in's;
 * what it would have found else is asked for in that order. An operator new is
 * the C++ library's if what throws lies beside it; another malloc's are not. A
 * C++ library that is not found so is known by its name.
 *
 * What was loaded with the program stays, and is found before memory is short.
 * The rest comes and goes: it is looked for each time.
 *
 * A caller that has nothing more to do jumps to an operator, as destructors do:
 * then the return address is its own caller's. A delete is looked for in all
 * objects then; where there are two, nothing tells which one it is.
 */
#include "preload/operators.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdatomic.h>
#include <string.h>

#include "base/compiler.h"

/* By the names that the C++ ABI gives them. */
static const char *const names[SF_NR_OPERATORS] = {
	[SF_NEW] = "_Znwm",
	[SF_NEW_ALIGNED] = "_ZnwmSt11align_val_t",
	[SF_NEW_NOTHROW] = "_ZnwmRKSt9nothrow_t",
	[SF_NEW_ARRAY_NOTHROW] = "_ZnamRKSt9nothrow_t",
	[SF_NEW_ALIGNED_NOTHROW] = "_ZnwmSt11align_val_tRKSt9nothrow_t",
	[SF_NEW_ARRAY_ALIGNED_NOTHROW] = "_ZnamSt11align_val_tRKSt9nothrow_t",
	[SF_DELETE] = "_ZdlPv",
	[SF_DELETE_ARRAY] = "_ZdaPv",
	[SF_DELETE_ALIGNED] = "_ZdlPvSt11align_val_t",
	[SF_DELETE_ARRAY_ALIGNED] = "_ZdaPvSt11align_val_t",
};

static const char *const libraries[] = {
	"libstdc++.so.6",
	"libc++.so.1",
	"libc++abi.so.1",
};

/* Where the object that an address belongs to was loaded, or NULL. */
static const void *base_of(const void *addr)
{
	Dl_info info;

	return addr != NULL && dladdr(addr, &info) != 0 ? info.dli_fbase : NULL;
}

static bool is_ours(const void *symbol)
{
	return base_of(symbol) == base_of(names);
}

/* Whether it lies in a C++ library, by that one's name. */
static bool is_of_library(const void *symbol)
{
	const char *name;
	Dl_info info;

	if (dladdr(symbol, &info) == 0)
		return false;
	name = strrchr(info.dli_fname, '/');
	name = name != NULL ? name + 1 : info.dli_fname;
	for (size_t i = 0; i < SF_NR(libraries); i++)
		if (strcmp(name, libraries[i]) == 0)
			return true;
	return false;
}

/*
 * The caller's object, to be closed. NULL: it is the program, whose own
 * operators the dynamic linker would have found.
 */
static void *open_caller(const void *caller)
{
	struct link_map *object;
	Dl_info info;

	if (dladdr1(caller, &info, (void **)&object, RTLD_DL_LINKMAP) == 0 ||
	    object->l_name[0] == '\0')
		return NULL;
	return dlopen(object->l_name, RTLD_LAZY | RTLD_NOLOAD);
}

/*
 * new
 */

/* An operator that can throw, among what a handle leads to, or NULL. */
static void *find_in(void *handle, enum sf_operator form)
{
	void *symbol = dlsym(handle, names[form]);

	if (symbol == NULL || is_ours(symbol))
		return NULL;
	if (is_of_library(symbol) ||
	    base_of(dlsym(handle, "__cxa_throw")) == base_of(symbol))
		return symbol;
	return NULL;
}

/* The same, and close the handle; it may be NULL. */
static void *find_and_close(void *handle, enum sf_operator form)
{
	void *symbol = NULL;

	if (handle != NULL) {
		symbol = find_in(handle, form);
		dlclose(handle);
	}
	return symbol;
}

static void *find_by_name(enum sf_operator form)
{
	void *symbol = NULL;

	for (size_t i = 0; symbol == NULL && i < SF_NR(libraries); i++)
		symbol = find_and_close(dlopen(libraries[i],
					       RTLD_LAZY | RTLD_NOLOAD),
					form);
	return symbol;
}

/* Those that were loaded with the program. */
static _Atomic(void *) found_at_load[SF_NR_OPERATORS];

/* Whether there are any. */
extern void __cxa_throw(void) __attribute__((weak));

/* Before memory is short: finding them allocates. */
__attribute__((constructor)) static void at_load(void)
{
	void *symbol;

	if (__cxa_throw == NULL)
		return;
	for (enum sf_operator form = SF_NEW; form < SF_DELETE; form++) {
		symbol = find_in(RTLD_NEXT, form);
		if (symbol == NULL)
			symbol = find_by_name(form);
		found_at_load[form] = symbol;
	}
}

void *sf_operators_new(enum sf_operator form, const void *caller)
{
	void *symbol = found_at_load[form];

	if (SF_LIKELY(symbol != NULL))
		return symbol;
	symbol = find_in(RTLD_NEXT, form);
	if (symbol == NULL)
		symbol = find_and_close(open_caller(caller), form);
	return symbol != NULL ? symbol : find_by_name(form);
}

/*
 * delete
 */

/* Among what a handle leads to; the C++ library's would only call free(). */
static void *theirs_in(void *handle, enum sf_operator form)
{
	void *symbol = dlsym(handle, names[form]);

	if (symbol == NULL || is_ours(symbol) || is_of_library(symbol))
		return NULL;
	return symbol;
}

/* The same for arrays, too, and close the handle; it may be NULL. */
static void *theirs_and_close(void *handle, enum sf_operator form)
{
	void *symbol;

	if (handle == NULL)
		return NULL;
	symbol = theirs_in(handle, form);
	if (symbol == NULL && form == SF_DELETE_ARRAY)
		symbol = theirs_in(handle, SF_DELETE);
	if (symbol == NULL && form == SF_DELETE_ARRAY_ALIGNED)
		symbol = theirs_in(handle, SF_DELETE_ALIGNED);
	dlclose(handle);
	return symbol;
}

struct nth {
	size_t nr_left;
	char name[PATH_MAX];
};

static int count_down(struct dl_phdr_info *info, size_t len, void *arg)
{
	size_t name_len = strlen(info->dlpi_name) + 1;
	struct nth *nth = arg;

	(void)len;
	if (nth->nr_left-- > 0)
		return 0;
	/* Others are no files, or too long. */
	nth->name[0] = '\0';
	if (strchr(info->dlpi_name, '/') != NULL &&
	    name_len <= sizeof(nth->name))
		memcpy(nth->name, info->dlpi_name, name_len);
	return 1;
}

/* One of any object that was not loaded with the program, if there is one. */
static void *find_only(enum sf_operator form)
{
	void *beside = dlsym(RTLD_NEXT, names[form]);
	void *only = NULL;
	struct nth nth;
	void *symbol;

	for (size_t n = 1;; n++) {
		nth.nr_left = n;
		if (dl_iterate_phdr(count_down, &nth) == 0)
			return only;
		if (nth.name[0] == '\0')
			continue;
		symbol = theirs_and_close(dlopen(nth.name,
						 RTLD_LAZY | RTLD_NOLOAD),
					  form);
		if (symbol == NULL || symbol == beside)
			continue;
		if (only != NULL && symbol != only)
			return NULL;
		only = symbol;
	}
}

void *sf_operators_delete(enum sf_operator form, const void *caller)
{
	void *symbol;

	/* Without us, that library's forms would call its own. */
	if (found_at_load[SF_NEW] != NULL)
		return NULL;
	symbol = theirs_and_close(open_caller(caller), form);
	return symbol != NULL ? symbol : find_only(form);
}
