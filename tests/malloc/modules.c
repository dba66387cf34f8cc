// SPDX-License-Identifier: MIT
/*
 * dlopen() and dlclose(): modules that allocate when they come and go, the
 * memory that the loader allocates for their thread-local variables, and the
 * library itself, loaded late.
 *
 * The files are named in the environment: TEST_MODULE, TEST_MODULE_CXX (there
 * need not be one) and TEST_LIBRARY (libsurefree.so).
 */
#include "test.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "blocks.h"
#include "calls.h"

#define NR_LOADS   300
#define NR_THREADS 6

struct module {
	void *handle;
	void *(*allocate)(size_t len);
	void (*release)(void *p);
	int (*touch)(int value);
};

static void *load_file(const char *variable, int flags)
{
	const char *path = getenv(variable);
	void *handle = path != NULL ? dlopen(path, RTLD_NOW | flags) : NULL;

	if (path == NULL)
		FAIL("%s is not set", variable);
	else if (handle == NULL)
		FAIL("%s", dlerror());
	if (handle == NULL)
		_Exit(1);
	return handle;
}

static struct module load(void)
{
	void *handle = load_file("TEST_MODULE", RTLD_LOCAL);

	return (struct module){
		.handle = handle,
		.allocate = (void *(*)(size_t))calls_find_in(handle,
							     "module_allocate"),
		.release = (void (*)(void *))calls_find_in(handle,
							   "module_free"),
		.touch = (int (*)(int))calls_find_in(handle, "module_touch"),
	};
}

static void blocks_outlive_their_module(void)
{
	static struct block blocks[NR_LOADS];

	for (size_t i = 0; i < NR_LOADS; i++) {
		struct module module = load();
		size_t len = 1 + i * i % 50000;
		void *p = malloc(len);

		blocks[i] = block_fill(module.allocate(len), len, CALLS_ALIGN);
		module.release(p);
		module.touch((int)i % 100);
		CHECK_EQ(dlclose(module.handle), 0);
	}
	for (size_t i = 0; i < NR_LOADS; i++)
		if (block_check(&blocks[i]))
			free(blocks[i].p);
}

static void *load_and_unload(void *arg)
{
	for (int i = 0; i < NR_LOADS / 4; i++) {
		struct module module = load();
		void *p = module.allocate(1000);

		module.touch((int)(uintptr_t)arg);
		CHECK_EQ(module.touch(1), (int)(uintptr_t)arg);
		CHECK_EQ(dlclose(module.handle), 0);
		free(p);
	}
	return NULL;
}

/* Start fn in NR_THREADS, with 1, 2, ... as its argument, and join them. */
static void in_threads(void *(*fn)(void *))
{
	pthread_t threads[NR_THREADS];

	for (uintptr_t i = 0; i < NR_THREADS; i++)
		if (!CHECK_EQ(pthread_create(&threads[i], NULL, fn,
					     (void *)(i + 1)),
			      0))
			_Exit(1);
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void threads_load_and_unload(void)
{
	in_threads(load_and_unload);
}

/*
 * Threads that are there when the module comes touch its variable, which the
 * loader allocates then; it frees it when they end, or the module goes.
 */

static struct module current;
static pthread_barrier_t barrier;

static void *touch_each(void *arg)
{
	int value = (int)(uintptr_t)arg;

	for (int i = 0; i < NR_LOADS; i++) {
		void *p;

		pthread_barrier_wait(&barrier);
		p = malloc((size_t)(value * i));
		CHECK_EQ(current.touch(value), 0);
		CHECK_EQ(current.touch(value), value);
		free(p);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void thread_local_variables_come_and_go(void)
{
	pthread_t threads[NR_THREADS];

	pthread_barrier_init(&barrier, NULL, NR_THREADS + 1);
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		if (!CHECK_EQ(pthread_create(&threads[i], NULL, touch_each,
					     (void *)(i + 1)),
			      0))
			return;
	for (int i = 0; i < NR_LOADS; i++) {
		current = load();
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		CHECK_EQ(dlclose(current.handle), 0);
	}
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
}

/* In a namespace of its own a module has a C library, and a heap, of its own. */
static void a_namespace_of_its_own_works(void)
{
	void *handle = dlmopen(LM_ID_NEWLM, getenv("TEST_MODULE"), RTLD_NOW);
	void *(*allocate)(size_t);
	void (*release)(void *);

	if (handle == NULL)
		SKIP("dlmopen: %s", dlerror());
	allocate = (void *(*)(size_t))calls_find_in(handle, "module_allocate");
	release = (void (*)(void *))calls_find_in(handle, "module_free");
	for (size_t len = 1; len < 1000000; len = len * 2 + 1) {
		struct block block = block_fill(allocate(len), len,
						CALLS_ALIGN);

		CHECK(block_check(&block));
		release(block.p);
	}
	CHECK_EQ(dlclose(handle), 0);
}

/*
 * C++
 */

/* It would find the C library's malloc() first. */
static void a_module_that_binds_to_its_own_shares_blocks(void)
{
	void *handle = load_file("TEST_MODULE", RTLD_LOCAL | RTLD_DEEPBIND);
	void *(*allocate)(
		size_t) = (void *(*)(size_t))calls_find_in(handle,
							   "module_allocate");
	void (*release)(void *) = (void (*)(
		void *))calls_find_in(handle, "module_free");

	for (size_t len = 1; len < 1 << 20; len *= 3) {
		release(malloc(len));
		free(allocate(len));
	}
	CHECK_EQ(dlclose(handle), 0);
}

/* What is beside the module: its RUNPATH says so, the program's does not. */
static void a_module_finds_libraries_by_its_own_paths(void)
{
	struct module module = load();
	void *(*load_by_module)(const char *) = (void *(*)(const char *))
		calls_find_in(module.handle, "module_load");
	void *found = load_by_module("libmalloc-module-beside.so");

	if (CHECK(found != NULL))
		CHECK_EQ(dlclose(found), 0);
	CHECK(dlopen("libmalloc-module-beside.so", RTLD_NOW) == NULL);
	CHECK_EQ(dlclose(module.handle), 0);
}

static void a_module_in_cxx_can_catch_bad_alloc(void)
{
	void *handle;
	int (*throws)(void);

	if (getenv("TEST_MODULE_CXX") == NULL)
		SKIP("no C++ compiler");
	handle = load_file("TEST_MODULE_CXX", RTLD_LOCAL);
	throws = (int (*)(void))calls_find_in(handle, "module_throws");
	CHECK_EQ(throws(), 1);
	CHECK_EQ(dlclose(handle), 0);
}

static void *load_cxx(void *arg)
{
	for (int i = 0; i < NR_LOADS / 4; i++) {
		void *handle = load_file("TEST_MODULE_CXX", RTLD_LOCAL);
		int (*works)(int) = (int (*)(int))calls_find_in(handle,
								"module_works");

		CHECK_EQ(works((int)(uintptr_t)arg * i), 1);
		CHECK_EQ(dlclose(handle), 0);
	}
	return NULL;
}

static void a_module_in_cxx_comes_and_goes(void)
{
	if (getenv("TEST_MODULE_CXX") == NULL)
		SKIP("no C++ compiler");
	in_threads(load_cxx);
}

/*
 * The library itself, loaded when threads are there
 */

static void *(*late_malloc)(size_t);
static void *(*late_realloc)(void *, size_t);
static void (*late_free)(void *);
static void *_Atomic passed;

static void *use_late(void *arg)
{
	pthread_barrier_wait(&barrier);
	for (size_t i = 1; i < 3000; i++) {
		size_t len = (size_t)(uintptr_t)arg * i % 70000 + 1;
		struct block block = block_fill(late_malloc(len), len,
						CALLS_ALIGN);

		CHECK(block_check(&block));
		block.p = late_realloc(block.p, len + 500);
		CHECK(block_check(&block));
		/* Another thread's block is freed. */
		late_free(atomic_exchange(&passed, block.p));
	}
	return NULL;
}

static void *load_late(void *arg)
{
	void *handle = load_file("TEST_LIBRARY", RTLD_LOCAL);

	late_malloc = (void *(*)(size_t))calls_find_in(handle,
						       "surefree_malloc");
	late_realloc = (void *(*)(void *,
				  size_t))calls_find_in(handle,
							"surefree_realloc");
	late_free = (void (*)(void *))calls_find_in(handle, "surefree_free");
	/* It stays loaded all the same. */
	CHECK_EQ(dlclose(handle), 0);
	return use_late(arg);
}

static void the_library_can_be_loaded_late(void)
{
	pthread_t threads[NR_THREADS];

	pthread_barrier_init(&barrier, NULL, NR_THREADS);
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		if (!CHECK_EQ(pthread_create(&threads[i], NULL,
					     i ? use_late : load_late,
					     (void *)(i + 1)),
			      0))
			return;
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	late_free(passed);
}

static const struct test tests[] = {
	{ "blocks outlive their module", blocks_outlive_their_module },
	{ "threads load and unload", threads_load_and_unload },
	{ "thread-local variables come and go",
	  thread_local_variables_come_and_go },
	{ "a namespace of its own works", a_namespace_of_its_own_works },
	{ "a module that binds to its own symbols shares blocks",
	  a_module_that_binds_to_its_own_shares_blocks },
	{ "a module finds libraries by its own paths",
	  a_module_finds_libraries_by_its_own_paths },
	{ "a module in C++ can catch bad_alloc",
	  a_module_in_cxx_can_catch_bad_alloc },
	{ "a module in C++ comes and goes", a_module_in_cxx_comes_and_goes },
	{ "the library can be loaded late", the_library_can_be_loaded_late },
};

int main(int argc, char **argv)
{
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
