// SPDX-License-Identifier: MIT
/*
 * A program in C, without a C++ library, that loads modules in C++ with
 * operators new and delete of their own: those of the C++ library that is
 * linked into them, or written for them.
 *
 * The files are named in the environment: TEST_MODULE_CXX_STATIC and
 * TEST_MODULE_OPERATORS; one that is not could not be built.
 */
#include "test.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "calls.h"
#include "module.h"

typedef int throws_fn(void);
typedef int works_fn(int number);

static void *load(const char *file)
{
	void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);

	if (handle == NULL) {
		FAIL("%s", dlerror());
		_Exit(1);
	}
	return handle;
}

static void a_library_linked_in_throws(void)
{
	const char *file = getenv("TEST_MODULE_CXX_STATIC");
	void *handle;

	if (file == NULL)
		SKIP("no static C++ library");
	for (int i = 0; i < 3; i++) {
		handle = load(file);
		CHECK_EQ(((throws_fn *)calls_find_in(handle,
						     "module_throws"))(),
			 1);
		CHECK_EQ(((works_fn *)calls_find_in(handle, "module_works"))(i),
			 1);
		CHECK_EQ(dlclose(handle), 0);
	}
}

/* Each throws what it can catch itself. */
static void each_has_its_library(void)
{
	const char *files[] = {
		getenv("TEST_MODULE_CXX"),
		getenv("TEST_MODULE_CXX_STATIC"),
	};
	void *handles[2];

	if (files[0] == NULL || files[1] == NULL)
		SKIP("no C++ library of both kinds");
	for (int i = 0; i < 2; i++)
		handles[i] = load(files[i]);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(((throws_fn *)calls_find_in(handles[i % 2],
						     "module_throws"))(),
			 1);
}

static void operators_of_its_own_work(void)
{
	const char *file = getenv("TEST_MODULE_OPERATORS");
	works_fn *works;

	if (file == NULL)
		SKIP("no C++ compiler, or no -Bsymbolic-functions");
	works = (works_fn *)calls_find_in(load(file), "module_works");
	for (int i = 0; i < 100; i++)
		CHECK_EQ(works(i), 1);
}

static void operators_of_its_own_work_by_a_jump(void)
{
	const char *file = getenv("TEST_MODULE_OPERATORS");
	void (*release)(void *);
	void *(*allocate)(size_t);
	void *handle;

	if (file == NULL)
		SKIP("no C++ compiler, or no -Bsymbolic-functions");
	handle = load(file);
	allocate = (void *(*)(size_t))calls_find_in(handle, "module_allocate");
	release = (void (*)(void *))calls_find_in(handle, "module_free");
	for (size_t len = 1; len < 1000; len *= 2)
		release(allocate(len));
	CHECK_EQ(((works_fn *)calls_find_in(handle, "module_works"))(1), 1);
}

static const struct test tests[] = {
	{ "a C++ library linked in throws", a_library_linked_in_throws },
	{ "each has its own C++ library", each_has_its_library },
	{ "operators of its own work", operators_of_its_own_work },
	{ "operators of its own work by a jump",
	  operators_of_its_own_work_by_a_jump },
};

int main(int argc, char **argv)
{
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
