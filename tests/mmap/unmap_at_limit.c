// SPDX-License-Identifier: MIT
/*
 * munmap() of memory that came from mmap() never fails, however few mappings
 * are spare; the pages are back with the kernel, and what comes to lie there
 * afterwards is as new. Without the drop-in the same is shown far from the
 * limit, where Linux keeps it.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory.h"
#include "pages.h"
#include "test.h"

#define NR_SHAPES  6
#define MAX_MEMORY 256
#define NR_RETRIES 2000
#define NR_AGAIN   16000
#define LIBC_SPARE 20000
#define SOME_LOST  64 /* mappings that may have become more */

static struct memory memory[MAX_MEMORY];
static size_t nr_memory;
static char *again[NR_AGAIN];
static size_t nr_again;

/* Every kind as it is, and private memory with every change, each shape. */
static void make_all(void)
{
	memory_has_markers(); /* asks once, by a map that it changes */
	nr_memory = 0;
	for (int i = 0; i < NR_SHAPES; i++) {
		const struct memory_kind *kind = memory_kinds;
		const struct memory_change *change = memory_changes;

		for (; change->name != NULL; change++)
			memory_make(&memory[nr_memory++], kind, change);
		for (kind++; kind->name != NULL; kind++)
			memory_make(&memory[nr_memory++], kind, memory_changes);
	}
}

/* Unmap parts of it in one of the ways that programs do. */
static void unmap_shape(struct memory *m, int shape)
{
	switch (shape) {
	case 0: /* the middle, beginning and ending in what was changed */
		memory_unmap(m, 20, 4);
		break;
	case 1: /* across both borders of it */
		memory_unmap(m, 12, 8);
		memory_unmap(m, 28, 8);
		break;
	case 2: /* every second page */
		for (size_t i = 1; i < MEMORY_PAGES; i += 2)
			memory_unmap(m, i, 1);
		break;
	case 3: /* the tail, then the head, then the rest */
		memory_unmap(m, 40, 24);
		memory_unmap(m, 0, 8);
		memory_unmap(m, 8, 32);
		break;
	case 4: /* the middle, then around it */
		memory_unmap(m, 10, 30);
		memory_unmap(m, 9, 32);
		break;
	default:
		memory_unmap(m, 0, MEMORY_PAGES);
		break;
	}
}

static void unmap_all_shapes(void)
{
	size_t nr_kinds = nr_memory / NR_SHAPES;

	for (size_t i = 0; i < nr_memory; i++) {
		unmap_shape(&memory[i], (int)(i / nr_kinds));
		memory_check(&memory[i]);
		if (test_failed())
			return;
	}
	for (size_t i = 0; i < nr_memory; i++)
		memory_check(&memory[i]);
}

/* Not through a library: whether the kernel has a mapping there. */
static bool kernel_maps(char *addr)
{
	unsigned char resident;

	return syscall(SYS_mincore, addr, test_page(), &resident) == 0;
}

/* With room for mappings, what munmap() could not unmap is unmapped later. */
static void check_really_unmapped(void)
{
	size_t page = test_page();
	size_t nr = 0;

	for (int i = 0; i < NR_RETRIES; i++) {
		char *p = mmap(NULL, page, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		CHECK(p != MAP_FAILED);
		CHECK_OK(munmap(p, page));
	}
	for (size_t i = 0; i < nr_memory; i++)
		for (size_t k = 0; k < MEMORY_PAGES; k++)
			nr += !memory[i].kind->ours && memory[i].unmapped[k] &&
			      kernel_maps(memory[i].addr + k * page);
	CHECK_EQ(nr, 0);
}

/* Take single pages until all that was unmapped is in use again. */
static void map_again(void)
{
	size_t page = test_page();

	for (nr_again = 0; nr_again < NR_AGAIN; nr_again++) {
		char *p = mmap(NULL, page, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (!CHECK(p != MAP_FAILED))
			return;
		again[nr_again] = p;
		if (CHECK_EQ(test_resident(p, page), 0) &&
		    CHECK_EQ(pages_access(p), PAGES_WRITE) &&
		    CHECK_EQ(pages_byte(p), 0)) {
			pages_fill(p, 1, 'n');
			continue;
		}
		FAIL("%p, mapped again, is not as new", (void *)p);
		return;
	}
}

/* How many of the pages that were unmapped of our memory did not come back. */
static size_t count_missing(void)
{
	size_t page = test_page();
	size_t nr = 0;

	for (size_t i = 0; i < nr_memory; i++)
		for (size_t k = 0; k < MEMORY_PAGES; k++)
			nr += memory[i].kind->ours && memory[i].unmapped[k] &&
			      !pages_mapped(memory[i].addr + k * page);
	return nr;
}

static int see_all_as_child(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < nr_again; i++)
		if (!CHECK_EQ(pages_access(again[i]), PAGES_WRITE) ||
		    !CHECK_EQ(pages_byte(again[i]), 'n'))
			return 1;
	return 0;
}

/* No attribute of what lay there before is left. */
static void check_used_again(void)
{
	size_t locked = test_status("VmLck");

	map_again();
	CHECK_EQ(test_status("VmLck"), locked);
	if (memory_is_surefree())
		CHECK_EQ(count_missing(), 0);
	CHECK_EQ(test_in_child(see_all_as_child, NULL), 0);
	for (size_t i = 0; i < nr_again; i++)
		CHECK_OK(munmap(again[i], test_page()));
}

static void unmap_what_is_left(void)
{
	size_t len = MEMORY_PAGES * test_page();

	for (size_t i = 0; i < nr_memory; i++) {
		size_t whole = len;

		if (strcmp(memory[i].kind->name, "a part of 1 GiB") == 0)
			whole = (size_t)1 << 30;
		if (strcmp(memory[i].kind->name, "a committed reservation") ==
		    0)
			whole = 2 * len;
		memory_check(&memory[i]);
		CHECK_OK(munmap(memory[i].addr, whole));
	}
}

static void with_spare(long spare)
{
	long before = test_mappings();
	long after;

	make_all();
	if (test_failed() || !test_fill(spare))
		return;
	unmap_all_shapes();
	test_unfill();
	check_really_unmapped();
	if (test_failed())
		return;
	unmap_what_is_left();
	check_really_unmapped();
	check_used_again();
	CHECK_EQ(test_status("VmLck"), 0);
	after = test_mappings();
	test_say("%ld spare: %ld mappings before, %ld after", spare, before,
		 after);
	CHECK_LE(after, before + SOME_LOST);
}

static void in_the_midst(void)
{
	with_spare(LIBC_SPARE);
}

static void nothing_spare(void)
{
	if (!memory_is_surefree())
		SKIP("Linux itself refuses that");
	with_spare(0);
}

static void one_spare(void)
{
	if (!memory_is_surefree())
		SKIP("Linux itself refuses that");
	with_spare(1);
}

static void two_spare(void)
{
	if (!memory_is_surefree())
		SKIP("Linux itself refuses that");
	with_spare(2);
}

static void one_above(void)
{
	if (!memory_is_surefree())
		SKIP("Linux itself refuses that");
	with_spare(-1);
}

static int unmap_as_child(void *arg)
{
	(void)arg;
	unmap_all_shapes();
	return 0;
}

/* The child's unmapping leaves the parent's memory alone. */
static void in_a_child(void)
{
	if (!memory_is_surefree())
		SKIP("Linux itself refuses that");
	make_all();
	for (size_t i = 0; i < nr_memory; i++) {
		/* Not as noted in a child. */
		if (strstr(memory[i].change->name, "children") != NULL ||
		    strcmp(memory[i].change->name, "with everything") == 0) {
			munmap(memory[i].addr, MEMORY_PAGES * test_page());
			memory_make(&memory[i], memory[i].kind, memory_changes);
		}
	}
	if (test_failed() || !test_fill(0))
		return;
	CHECK_EQ(test_in_child(unmap_as_child, NULL), 0);
	for (size_t i = 0; i < nr_memory; i++)
		memory_check(&memory[i]);
	test_unfill();
	unmap_what_is_left();
}

/*
 * Of the kernel's memory, the middle is unmapped where that needs a mapping
 * that is not there. What programs do to it afterwards is as to a hole.
 */
static char *make_for_hole(char *(*make)(size_t len), size_t len)
{
	char *p = make(3 * len);

	if (!CHECK(p != NULL))
		return NULL;
	pages_fill(p, 3 * len / test_page(), 'a');
	return p;
}

static void check_is_hole(char *p, size_t len)
{
	size_t page = test_page();

	CHECK_OK(munmap(p, len));
	CHECK_ERRNO(mprotect(p, page, PROT_READ), ENOMEM);
	CHECK_ERRNO(mprotect(p - page, 2 * page, PROT_NONE), ENOMEM);
	CHECK_EQ(pages_access(p - page), PAGES_NONE);
	CHECK_OK(mprotect(p - page, page, PROT_READ | PROT_WRITE));
	CHECK_ERRNO(madvise(p - page, 2 * page, MADV_DONTNEED), ENOMEM);
	CHECK_ERRNO(mlock(p, page), ENOMEM);
	CHECK_ERRNO(munlock(p, page), ENOMEM);
	CHECK(mremap(p, page, 2 * page, MREMAP_MAYMOVE) == MAP_FAILED);
	CHECK_EQ(errno, EFAULT);
	CHECK_OK(munmap(p, 2 * page));
}

/* New memory in the hole, and in a part of it. */
static void map_in_hole(char *p, size_t len)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	size_t page = test_page();

	CHECK(mmap(p + page, page, PROT_READ | PROT_WRITE,
		   flags | MAP_FIXED_NOREPLACE, -1, 0) == p + page);
	CHECK_EQ(pages_byte(p + page), 0);
	pages_fill(p + page, 1, 'n');
	CHECK(mmap(p + page, page, PROT_READ | PROT_WRITE,
		   flags | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED);
	CHECK_EQ(errno, EEXIST);
	CHECK(mmap(p + 2 * page, page, PROT_READ | PROT_WRITE,
		   flags | MAP_FIXED, -1, 0) == p + 2 * page);
	CHECK_EQ(pages_byte(p + 2 * page), 0);
	CHECK_EQ(pages_byte(p + page), 'n');
	CHECK(!pages_mapped(p));
	CHECK(!pages_mapped(p + 3 * page));
	CHECK_EQ(pages_byte(p + len), 'a');
}

static void what_is_unmapped_is_a_hole(void)
{
	const struct memory_kind *kind = memory_kinds;
	size_t len = 8 * test_page();
	char *p[8];
	size_t nr = 0;

	for (; kind->name != NULL; kind++)
		p[nr++] = make_for_hole(kind->make, len);
	if (test_failed() || !test_fill(memory_is_surefree() ? 0 : LIBC_SPARE))
		return;
	/* Some calls may be refused there for want of a mapping. */
	for (size_t i = 0; i < nr; i++) {
		CHECK_OK(munmap(p[i] + len, len));
		if (!memory_is_surefree())
			check_is_hole(p[i] + len, len);
		CHECK_OK(munmap(p[i] + len, len));
		CHECK_ERRNO(mprotect(p[i] + len, len, PROT_NONE), ENOMEM);
		CHECK_ERRNO(madvise(p[i] + len, len, MADV_DONTNEED), ENOMEM);
	}
	if (!test_fill(LIBC_SPARE))
		return;
	for (size_t i = 0; i < nr; i++) {
		map_in_hole(p[i] + len, len);
		check_is_hole(p[i] + len, len);
		CHECK_OK(munmap(p[i], 3 * len));
	}
}

static char *map_shared(size_t nr)
{
	char *p = mmap(NULL, nr * test_page(), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return CHECK(p != MAP_FAILED) ? p : NULL;
}

/* A segment whose middle is unmapped at the limit, and that is then detached. */
static void what_was_detached_is_forgotten(void)
{
	size_t page = test_page();
	int id = shmget(IPC_PRIVATE, 64 * page, IPC_CREAT | 0600);
	char *segment = shmat(id, NULL, 0);
	char *spare = map_shared(8);
	unsigned char resident[64];
	char *p;

	shmctl(id, IPC_RMID, NULL);
	if (!CHECK(segment != (void *)-1) || spare == NULL || !test_fill(0))
		return;
	(void)munmap(segment + 16 * page, 32 * page);
	CHECK_OK(shmdt(segment));
	test_unfill();
	p = mmap(segment, 64 * page, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(p == segment);
	for (size_t i = 0; i < 8; i++)
		CHECK_OK(munmap(spare + i * page, page));
	CHECK_EQ(syscall(SYS_mincore, p, 64 * page, resident), 0);
}

static int map_in_child(void *arg)
{
	size_t len = 32 * test_page();
	unsigned char resident[32];
	char *p = arg;
	char *other;

	test_unfill();
	other = mmap(NULL, test_page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	/* As libraries do in their own calls. */
	if (syscall(SYS_mmap, p, len, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		    0) != (long)p)
		return 1;
	for (int i = 0; i < NR_RETRIES; i++) {
		munmap(other, test_page());
		other = mmap(NULL, test_page(), PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	return syscall(SYS_mincore, p, len, resident) == 0 ? 0 : 2;
}

static void what_a_child_has_not_is_forgotten(void)
{
	size_t page = test_page();
	char *p = map_shared(64);

	if (p == NULL)
		return;
	CHECK_OK(madvise(p, 64 * page, MADV_DONTFORK));
	if (!test_fill(0))
		return;
	(void)munmap(p + 16 * page, 32 * page);
	CHECK_EQ(test_in_child(map_in_child, p + 16 * page), 0);
}

/* What munmap() freed is the program's, and not for what had to wait. */
static void what_waits_takes_no_mapping(void)
{
	size_t page = test_page();
	char *p = map_shared(64);
	char *single[8];

	for (int i = 0; i < 8; i++) {
		single[i] = map_shared(3);
		if (single[i] != NULL) /* so that it does not merge */
			CHECK_OK(munmap(single[i] + 2 * page, page));
	}
	if (p == NULL || test_failed() || !test_fill(0))
		return;
	for (size_t i = 0; i < 8; i++)
		(void)munmap(p + (2 + 6 * i) * page, 2 * page);
	for (int i = 0; i < 8; i++)
		CHECK_OK(munmap(single[i], 2 * page));
	for (int i = 0; i < 8; i++)
		CHECK(map_shared(1) != NULL);
}

/* What moved away leaves a hole beside one that waits: both are free. */
static void holes_are_one_hole(void)
{
	size_t len = 4 * test_page();
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *p = mmap(NULL, 4 * len, PROT_READ, flags, -1, 0);
	char *to = mmap(NULL, len, PROT_NONE, flags, -1, 0);

	if (!CHECK(p != MAP_FAILED && to != MAP_FAILED) ||
	    !test_fill(memory_is_surefree() ? 0 : LIBC_SPARE))
		return;
	CHECK_OK(munmap(p + len, len));
	test_unfill();
	CHECK(mremap(p + 2 * len, len, len, MREMAP_MAYMOVE | MREMAP_FIXED,
		     to) == to);
	CHECK(mmap(p, 2 * len, PROT_READ, flags | MAP_FIXED_NOREPLACE, -1, 0) ==
	      MAP_FAILED);
	CHECK_EQ(errno, EEXIST);
	CHECK(mmap(p + len, 2 * len, PROT_READ | PROT_WRITE,
		   flags | MAP_FIXED_NOREPLACE, -1, 0) == p + len);
	pages_fill(p + len, 8, 'n');
	CHECK_EQ(pages_byte(p), 0);
	CHECK_EQ(pages_byte(p + 3 * len), 0);
}

static const struct test tests[] = {
	{ "far from the limit, all memory can be unmapped", in_the_midst },
	{ "with nothing spare, all memory can be unmapped", nothing_spare },
	{ "with one mapping spare, all memory can be unmapped", one_spare },
	{ "with two mappings spare, all memory can be unmapped", two_spare },
	{ "one above the limit, all memory can be unmapped", one_above },
	{ "in a child with nothing spare, all memory can be unmapped",
	  in_a_child },
	{ "what is unmapped is a hole to all calls",
	  what_is_unmapped_is_a_hole },
	{ "holes beside each other are one hole", holes_are_one_hole },
	{ "what waits takes no mapping", what_waits_takes_no_mapping },
	{ "what was detached is forgotten", what_was_detached_is_forgotten },
	{ "what a child has not is forgotten",
	  what_a_child_has_not_is_forgotten },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
