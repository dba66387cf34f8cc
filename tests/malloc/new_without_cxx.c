// SPDX-License-Identifier: MIT
/*
 * The drop-in's operator new and delete where no C++ library is loaded, as in a
 * program that has its own linked in: nobody can throw std::bad_alloc.
 */
#include "test.h"

#include <stdint.h>
#include <string.h>

#include "aborts.h"
#include "calls.h"

#define TOO_LARGE ((size_t)1 << 62)

typedef void *new_fn(size_t len);
typedef void *new_nothrow_fn(size_t len, const void *tag);
typedef void delete_fn(void *p);

static void *find(const char *name)
{
	void *found = calls_find(name);

	if (found == NULL)
		FAIL("no %s", name);
	return found;
}

static void they_work(void)
{
	new_fn *allocate = (new_fn *)find("_Znwm");
	new_nothrow_fn *try = (new_nothrow_fn *)find("_ZnamRKSt9nothrow_t");
	delete_fn *release = (delete_fn *)find("_ZdlPv");

	for (size_t len = 0; len < 1 << 20; len = len * 3 + 1) {
		char *p = allocate(len);
		char *q = try(len, NULL);

		CHECK(p != NULL && q != NULL && p != q);
		CHECK_GE(malloc_usable_size(p), len);
		CHECK_GE(malloc_usable_size(q), len);
		memset(p, 1, len);
		memset(q, 1, len);
		release(p);
		release(q);
	}
	release(NULL);
}

static void nothrow_is_null(void)
{
	new_nothrow_fn *try = (new_nothrow_fn *)find("_ZnwmRKSt9nothrow_t");

	CHECK(try(TOO_LARGE, NULL) == NULL);
	CHECK(try(SIZE_MAX, NULL) == NULL);
}

static void ask_for_too_much(void)
{
	aborts_say("surefree: operator new(%zu): no memory, and no C++ library "
		   "that could throw std::bad_alloc",
		   TOO_LARGE);
	((new_fn *)find("_Znwm"))(TOO_LARGE);
}

static void no_memory_ends_the_program(void)
{
	aborts(ask_for_too_much);
}

static const struct test tests[] = {
	{ "they work", they_work },
	{ "nothrow is NULL without memory", nothrow_is_null },
	{ "no memory ends the program", no_memory_ends_the_program },
};

int main(int argc, char **argv)
{
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
