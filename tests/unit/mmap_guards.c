// SPDX-License-Identifier: MIT
/*
 * Pages that mprotect() made inaccessible by markers behave as if the kernel
 * had protected them, whatever is done to them next.
 */
#include "test.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "mmap/mmap.h"

#define RW	      (PROT_READ | PROT_WRITE)
#define FRESH	      (MAP_PRIVATE | MAP_ANONYMOUS)
#define WIPEONFORK    18
#define POPULATE_READ 22
#define GUARD_INSTALL 102
#define GUARD_REMOVE  103
#define DONTUNMAP     4

static size_t page;

/* nr pages, of which the first nr_guarded are inaccessible. */
static char *map(size_t nr, size_t nr_guarded)
{
	long result;

	page = test_page();
	sf_mmap_start();
	result = sf_mmap_map(0, nr * page, RW, FRESH, -1, 0);
	if (!CHECK(result > 0))
		return NULL;
	if (nr_guarded > 0)
		CHECK_EQ(sf_mmap_protect((uintptr_t)result, nr_guarded * page,
					 PROT_NONE, -1),
			 0);
	return (char *)result;
}

static int protect(const char *p, size_t nr, int prot)
{
	return sf_mmap_protect((uintptr_t)p, nr * page, prot, -1);
}

static int advise(const char *p, size_t nr, int advice)
{
	return sf_mmap_advise((uintptr_t)p, nr * page, advice);
}

static char *remap(const char *p, size_t old_nr, size_t nr, int flags,
		   const char *to)
{
	return (char *)sf_mmap_remap((uintptr_t)p, old_nr * page, nr * page,
				     flags, (uintptr_t)to);
}

/* Whether the first nr_closed pages can't be touched, and the others can. */
static void check_closed(char *p, size_t nr, size_t nr_closed)
{
	for (size_t i = 0; i < nr; i++)
		CHECK_EQ(test_touches(p + i * page) != 0, i < nr_closed);
}

static void what_grows_stays_inaccessible(void)
{
	char *p;

	if (test_emulated())
		SKIP("the emulator does not grow what is inaccessible");
	p = map(16, 4);
	if (p == NULL)
		return;
	CHECK_EQ(sf_mmap_unmap((uintptr_t)p + 4 * page, 8 * page), 0);
	CHECK_EQ(remap(p, 4, 8, 0, NULL), p);
	check_closed(p, 8, 8);
	p = map(16, 4);
	if (p == NULL)
		return;
	p = remap(p, 4, 8, MREMAP_MAYMOVE, NULL);
	check_closed(p, 8, 8);
	CHECK_EQ(protect(p, 8, RW), 0);
	check_closed(p, 8, 0);
}

static void two_protections_do_not_grow(void)
{
	char *p = map(16, 4);

	if (p != NULL)
		CHECK_EQ((long)remap(p, 8, 9, MREMAP_MAYMOVE, NULL), -EFAULT);
	p = map(16, 0);
	if (p == NULL)
		return;
	CHECK_EQ(protect(p + 4 * page, 4, PROT_READ), 0);
	CHECK_EQ((long)remap(p, 16, 20, 0, NULL), -EFAULT);
}

static void what_is_moved_can_be_opened(void)
{
	char *p = map(8, 4);
	char *to = map(8, 0);

	if (p == NULL || to == NULL)
		return;
	CHECK_EQ(remap(p, 4, 4, MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
	check_closed(to, 8, 4);
	CHECK_EQ(protect(to, 8, RW), 0);
	check_closed(to, 8, 0);
}

static void what_stays_is_still_inaccessible(void)
{
	char *p = map(8, 4);
	char *to = map(8, 0);

	if (!test_kernel_since(5, 7))
		SKIP("needs MREMAP_DONTUNMAP (Linux 5.7)");
	if (p == NULL || to == NULL)
		return;
	CHECK_EQ(remap(p, 4, 4, MREMAP_MAYMOVE | MREMAP_FIXED | DONTUNMAP, to),
		 to);
	check_closed(p, 8, 4);
	check_closed(to, 8, 4);
	CHECK_EQ(protect(p, 8, RW), 0);
	check_closed(p, 8, 0);
}

static int look_in_child(void *arg)
{
	check_closed(arg, 8, 4);
	return 0;
}

static void children_that_are_wiped_have_them(void)
{
	char *p = map(8, 4);

	if (p == NULL)
		return;
	CHECK_EQ(advise(p, 8, WIPEONFORK), 0);
	CHECK_EQ(test_in_child(look_in_child, p), 0);
	CHECK_EQ(protect(p, 8, RW), 0);
	check_closed(p, 8, 0);
}

static void guards_by_advice_stay(void)
{
	char *p = map(8, 0);

	if (!test_has_guard())
		SKIP("needs guard markers (Linux 6.13)");
	if (p == NULL)
		return;
	CHECK_EQ(advise(p, 2, GUARD_INSTALL), 0);
	CHECK_EQ(protect(p, 8, RW), 0);
	check_closed(p, 8, 2);
	CHECK_EQ(protect(p, 8, PROT_NONE), 0);
	CHECK_EQ(protect(p, 8, RW), 0);
	check_closed(p, 8, 2);
	CHECK_EQ(advise(p, 8, GUARD_REMOVE), 0);
	check_closed(p, 8, 0);
	CHECK_EQ(advise(p, 2, GUARD_INSTALL), 0);
	CHECK_EQ(sf_mmap_unmap((uintptr_t)p, 8 * page), 0);
	p = map(8, 0);
	if (p != NULL)
		check_closed(p, 8, 0);
}

static void advice_does_not_open_them(void)
{
	char *p = map(8, 4);

	if (!test_has_guard())
		SKIP("needs guard markers (Linux 6.13)");
	if (p == NULL)
		return;
	CHECK_EQ(advise(p, 8, GUARD_REMOVE), 0);
	check_closed(p, 8, 4);
	CHECK_EQ(advise(p, 4, GUARD_INSTALL), 0);
	CHECK_EQ(protect(p, 8, RW), 0);
	check_closed(p, 8, 4);
}

static void errors_are_the_kernels(void)
{
	char *p;

	if (test_emulated())
		SKIP("the emulator has errors of its own");
	p = map(8, 1);
	if (p == NULL)
		return;
	if (test_kernel_since(5, 14))
		CHECK_EQ(advise(p, 8, POPULATE_READ), -EINVAL);
	CHECK_EQ(sf_mmap_unmap((uintptr_t)p + 4 * page, page), 0);
	CHECK_EQ(advise(p, 8, 77), -EINVAL);
	CHECK_EQ(advise(p, 8, MADV_DONTNEED), -ENOMEM);
}

static const struct test tests[] = {
	{ "what grows stays inaccessible", what_grows_stays_inaccessible },
	{ "two protections do not grow", two_protections_do_not_grow },
	{ "what is moved can be opened", what_is_moved_can_be_opened },
	{ "what stays is still inaccessible",
	  what_stays_is_still_inaccessible },
	{ "children that are wiped have them",
	  children_that_are_wiped_have_them },
	{ "guards by advice stay", guards_by_advice_stay },
	{ "advice does not open them", advice_does_not_open_them },
	{ "errors are the kernel's", errors_are_the_kernels },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
