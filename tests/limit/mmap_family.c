// SPDX-License-Identifier: MIT
/*
 * The mmap family with two, one and no spare mapping, and one above the limit:
 * what gives memory back is never refused, and guard pages cost nothing.
 */
#include "test.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "extra.h"
#include "mmap/alter.h"
#include "mmap/mmap.h"
#include "mmap/rescue.h"

#define MIB	     ((size_t)1 << 20)
#define GIB	     ((size_t)1 << 30)
#define RW	     (PROT_READ | PROT_WRITE)
#define FRESH	     (MAP_PRIVATE | MAP_ANONYMOUS)
#define PAGES_OF_MAP 16

static const long spares[] = { 2, 1, 0, -1 };

/* Run fn in a child with each number of spare mappings. */
static int fill_and_run(void *arg)
{
	void (*fn)(void) = *(void (**)(void))arg;

	fn();
	return 0;
}

static long spare;

static void at_the_limit(void (*fn)(void))
{
	sf_mmap_start();
	for (size_t i = 0; i < TEST_COUNT(spares); i++) {
		spare = spares[i];
		if (spare < 0 && !test_can_exceed())
			continue;
		if (!CHECK_EQ(test_in_child(fill_and_run, &fn), 0))
			test_say("  with %ld spare", spare);
	}
}

static char *map(size_t len)
{
	long result = sf_mmap_map(0, len, RW, FRESH, -1, 0);

	return CHECK(result > 0) ? (char *)result : NULL;
}

static int unmap(const void *addr, size_t len)
{
	return sf_mmap_unmap((uintptr_t)addr, len);
}

static int protect(const void *addr, size_t len, int prot)
{
	return sf_mmap_protect((uintptr_t)addr, len, prot, -1);
}

/*
 * Our maps
 */

static void unmap_parts(void)
{
	size_t page = test_page();
	char *p = map(PAGES_OF_MAP * page);
	char *q;

	if (p == NULL || !test_fill(spare))
		return;
	extra_set(p, PAGES_OF_MAP * page, 'a');
	for (size_t i = 1; i < PAGES_OF_MAP; i += 2) {
		CHECK_EQ(unmap(p + i * page, page), 0);
		CHECK_EQ(test_resident(p + i * page, page), 0);
	}
	q = map(page);
	if (q != NULL)
		extra_is(q, page, 0);
	CHECK_EQ(test_mappings(), test_limit() - spare);
}

static void parts_are_unmapped(void)
{
	at_the_limit(unmap_parts);
}

static void unmap_protected(void)
{
	size_t page = test_page();
	char *p = map(PAGES_OF_MAP * page);

	if (p == NULL)
		return;
	extra_set(p, PAGES_OF_MAP * page, 'a');
	CHECK_EQ(protect(p, PAGES_OF_MAP * page, PROT_READ), 0);
	if (!test_fill(spare))
		return;
	/* A piece can't be made read-write again: it is set aside. */
	for (size_t i = 1; i < PAGES_OF_MAP; i += 2) {
		CHECK_EQ(unmap(p + i * page, page), 0);
		CHECK_EQ(test_resident(p + i * page, page), 0);
	}
	for (size_t i = 0; i < PAGES_OF_MAP; i += 2)
		CHECK_EQ(test_touches(p + i * page), 2);
	CHECK_EQ(unmap(p, PAGES_OF_MAP * page), 0);
	CHECK_EQ(test_resident(p, PAGES_OF_MAP * page), 0);
	/* All of it together are whole mappings again; one is tried at a time. */
	for (int i = 0; i < 4; i++)
		CHECK_EQ(unmap(p, page), 0);
	CHECK_EQ(sf_alter_aside_len(), 0);
	p = map(PAGES_OF_MAP * page);
	if (p != NULL)
		extra_is(p, PAGES_OF_MAP * page, 0);
}

static void protected_pages_are_unmapped(void)
{
	at_the_limit(unmap_protected);
}

static void unmap_replaced(void)
{
	size_t page = test_page();
	int fd = memfd_create("file", MFD_CLOEXEC);
	char *p = map(3 * page);
	long result;

	if (p == NULL || !CHECK(fd >= 0 && ftruncate(fd, (off_t)page) == 0) ||
	    !CHECK_EQ(pwrite(fd, "f", 1, 0), 1))
		return;
	result = sf_mmap_map((uintptr_t)p + page, page, RW,
			     MAP_SHARED | MAP_FIXED, fd, 0);
	if (!CHECK_EQ(result, p + page) || !test_fill(spare))
		return;
	CHECK_EQ(p[page], 'f');
	CHECK_EQ(unmap(p, 3 * page), 0);
	CHECK_EQ(sf_alter_aside_len(), 0);
	p = map(3 * page);
	if (p == NULL)
		return;
	extra_is(p, 3 * page, 0);
	extra_set(p, 3 * page, 'n');
	p = (char *)sf_mmap_map(0, page, PROT_READ, MAP_SHARED, fd, 0);
	if ((long)p > 0)
		CHECK_EQ(*p, 'f');
}

static void replaced_pages_are_unmapped(void)
{
	at_the_limit(unmap_replaced);
}

static void guard(void)
{
	size_t page = test_page();
	char *p = map(PAGES_OF_MAP * page);

	if (p == NULL || !test_fill(spare))
		return;
	for (size_t i = 1; i < PAGES_OF_MAP; i += 2)
		CHECK_EQ(protect(p + i * page, page, PROT_NONE), 0);
	for (size_t i = 0; i < PAGES_OF_MAP; i++)
		CHECK_EQ(test_touches(p + i * page), i % 2);
	CHECK_EQ(test_mappings(), test_limit() - spare);
	CHECK_EQ(protect(p, PAGES_OF_MAP * page, RW), 0);
	extra_is(p, PAGES_OF_MAP * page, 0);
	CHECK_EQ(unmap(p, PAGES_OF_MAP * page), 0);
}

static void guards_cost_no_mapping(void)
{
	if (!test_has_guard())
		SKIP("needs guard markers (Linux 6.13)");
	at_the_limit(guard);
}

static void shrink(void)
{
	size_t page = test_page();
	char *p = map(PAGES_OF_MAP * page);

	if (p == NULL || !test_fill(spare))
		return;
	extra_set(p, PAGES_OF_MAP * page, 's');
	for (size_t nr = PAGES_OF_MAP; nr > 1; nr /= 2)
		CHECK_EQ(sf_mmap_remap((uintptr_t)p, nr * page, nr / 2 * page,
				       0, 0),
			 p);
	CHECK_EQ(test_resident(p + page, (PAGES_OF_MAP - 1) * page), 0);
	extra_is(p, page, 's');
	p = (char *)sf_mmap_remap((uintptr_t)p, page, 64 * page, MREMAP_MAYMOVE,
				  0);
	if (!CHECK((long)p > 0))
		return;
	extra_is(p, page, 's');
	extra_is(p + page, 63 * page, 0);
}

static void maps_shrink_and_grow(void)
{
	at_the_limit(shrink);
}

static void decommit(void)
{
	size_t page = test_page();
	char *p = map(4 * MIB);

	if (p == NULL || !test_fill(spare))
		return;
	extra_set(p, 4 * MIB, 'd');
	for (size_t at = page; at < 4 * MIB; at += MIB) {
		long result = sf_mmap_map((uintptr_t)p + at, page, PROT_NONE,
					  FRESH | MAP_FIXED, -1, 0);

		CHECK_EQ(result, p + at);
		CHECK_EQ(test_touches(p + at), 1);
		CHECK_EQ(test_resident(p + at, page), 0);
		CHECK_EQ(protect(p + at, page, RW), 0);
		extra_is(p + at, page, 0);
	}
}

static void decommitting_is_not_refused(void)
{
	if (!test_has_guard())
		SKIP("needs guard markers (Linux 6.13)");
	at_the_limit(decommit);
}

/*
 * The kernel's
 */

/* 1 GiB, which we leave to the kernel. */
static char *map_kernels(void)
{
	long result = sf_mmap_map(0, GIB, RW, FRESH | MAP_NORESERVE, -1, 0);

	return CHECK(result > 0) ? (char *)result : NULL;
}

static void rescue(void)
{
	size_t page = test_page();
	char *p = map_kernels();
	long mappings;

	if (p == NULL || !test_fill(spare))
		return;
	extra_set(p, 2 * MIB, 'k');
	/* Each would cut a mapping in two. */
	for (size_t i = 1; i < 64; i += 2) {
		CHECK_EQ(unmap(p + i * page, page), 0);
		CHECK_EQ(test_resident(p + i * page, page), 0);
		CHECK_EQ(test_touches(p + (i - 1) * page), 0);
		if (test_has_guard())
			CHECK_EQ(test_touches(p + i * page), 1);
	}
	CHECK_GT(sf_rescue_nr(), 20);
	/* As for a hole. */
	CHECK_EQ(protect(p + 61 * page, page, PROT_READ), -ENOMEM);
	CHECK_EQ(sf_mmap_advise((uintptr_t)p + 61 * page, page, MADV_DONTNEED),
		 -ENOMEM);
	CHECK_EQ(sf_mmap_remap((uintptr_t)p + 61 * page, page, 2 * page, 0, 0),
		 -EFAULT);
	CHECK_EQ(unmap(p + 61 * page, page), 0);
	/* With what lies between them they are one whole. */
	for (size_t i = 0; i < 64; i += 2)
		CHECK_EQ(unmap(p + i * page, page), 0);
	CHECK_EQ(sf_rescue_nr(), 0);
	mappings = test_mappings();
	CHECK_EQ(unmap(p, GIB), 0);
	CHECK_LT(test_mappings(), mappings);
}

static void what_the_kernel_refuses_is_rescued(void)
{
	at_the_limit(rescue);
}

/* Remembered addresses can be mapped again by whoever names them. */
static void map_over_rescued(void)
{
	size_t page = test_page();
	char *p = map_kernels();

	if (p == NULL || !test_fill(spare))
		return;
	extra_set(p, MIB, 'k');
	for (size_t i = 1; i < 64; i += 2)
		CHECK_EQ(unmap(p + i * page, page), 0);
	test_unfill();
	CHECK_EQ(sf_mmap_map((uintptr_t)p + page, page, RW,
			     FRESH | MAP_FIXED_NOREPLACE, -1, 0),
		 p + page);
	CHECK_EQ(sf_mmap_map((uintptr_t)p + 3 * page, page, RW,
			     FRESH | MAP_FIXED, -1, 0),
		 p + 3 * page);
	extra_is(p + page, page, 0);
	extra_set(p + page, 3 * page, 'n');
	CHECK_EQ(sf_mmap_map((uintptr_t)p + page, page, RW,
			     FRESH | MAP_FIXED_NOREPLACE, -1, 0),
		 -EEXIST);
	/* The others go, in turn, as unmapping succeeds. */
	for (int i = 0; i < 64 && sf_rescue_any(); i++)
		CHECK_EQ(unmap(p + GIB - (size_t)(i + 1) * page, page), 0);
	CHECK_EQ(sf_rescue_nr(), 0);
	extra_is(p + page, 3 * page, 'n');
}

static void rescued_addresses_are_mapped_again(void)
{
	at_the_limit(map_over_rescued);
}

static void shrink_kernels(void)
{
	char *p = map_kernels();
	size_t page = test_page();

	if (p == NULL || !test_fill(spare))
		return;
	extra_set(p, MIB, 'k');
	CHECK_EQ(sf_mmap_remap((uintptr_t)p + 8 * page, 8 * page, 4 * page, 0,
			       0),
		 p + 8 * page);
	CHECK_EQ(test_resident(p + 12 * page, 4 * page), 0);
	extra_is(p + 8 * page, 4 * page, 'k');
	extra_is(p + 16 * page, 4 * page, 'k');
}

static void shrinking_is_rescued(void)
{
	at_the_limit(shrink_kernels);
}

/*
 * Page faults
 */

static long nr_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

static void release_all_ways(char *p, char *kernels)
{
	size_t page = test_page();

	unmap(p + page, page);
	unmap(p + 8 * page, 2 * MIB);
	sf_mmap_remap((uintptr_t)p + 3 * MIB, MIB, page, 0, 0);
	sf_mmap_map((uintptr_t)p + 6 * MIB, MIB, RW, FRESH | MAP_FIXED, -1, 0);
	unmap(p + 5 * MIB + page, page);
	unmap(kernels + page, page);
	unmap(kernels + 3 * page, page);
	unmap(p, 8 * MIB);
}

static void release_without_faults(void)
{
	size_t page = test_page();
	char *p[2] = { map(8 * MIB), map(8 * MIB) };
	char *kernels = map_kernels();
	long before;

	if (p[0] == NULL || p[1] == NULL || kernels == NULL)
		return;
	for (int i = 0; i < 2; i++) {
		extra_set(p[i], 8 * MIB, 'f');
		CHECK_EQ(protect(p[i] + 5 * MIB, 8 * page, PROT_READ), 0);
	}
	extra_set(kernels, MIB, 'k');
	if (!test_fill(spare))
		return;
	nr_faults();
	/* Code and stack are in place then. */
	release_all_ways(p[0], kernels);
	before = nr_faults();
	release_all_ways(p[1], kernels + 16 * page);
	CHECK_EQ(nr_faults() - before, 0);
}

static void releasing_takes_no_page_fault(void)
{
	at_the_limit(release_without_faults);
}

static const struct test tests[] = {
	{ "parts of maps are unmapped", parts_are_unmapped },
	{ "parts of protected maps are unmapped",
	  protected_pages_are_unmapped },
	{ "maps with a file over them are unmapped",
	  replaced_pages_are_unmapped },
	{ "guards cost no mapping", guards_cost_no_mapping },
	{ "maps shrink and grow", maps_shrink_and_grow },
	{ "decommitting is not refused", decommitting_is_not_refused },
	{ "what the kernel refuses to unmap is rescued",
	  what_the_kernel_refuses_is_rescued },
	{ "rescued addresses are mapped again",
	  rescued_addresses_are_mapped_again },
	{ "shrinking the kernel's maps is rescued", shrinking_is_rescued },
	{ "releasing takes no page fault", releasing_takes_no_page_fault },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
