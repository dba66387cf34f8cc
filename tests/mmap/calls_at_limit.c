// SPDX-License-Identifier: MIT
/*
 * With nothing spare: new maps, guards, changes of length, and what happens
 * to memory when Linux refuses a change.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "memory.h"
#include "pages.h"
#include "test.h"

#define RW	  (PROT_READ | PROT_WRITE)
#define NR_MAPS	  5000
#define NR_GUARDS 2000
#define NR_ROUNDS 300
#define PAGES	  32

static char *maps[NR_MAPS];

static char *map(size_t nr)
{
	char *p = mmap(NULL, nr * test_page(), RW, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	return CHECK(p != MAP_FAILED) ? p : NULL;
}

/* Far from the limit where Linux itself has to do it. */
static bool fill(long spare)
{
	return test_fill(memory_is_surefree() ? spare : 30000);
}

static void map_many(void)
{
	size_t page = test_page();

	for (size_t i = 0; i < NR_MAPS; i++) {
		size_t nr = 1 + i % 16;

		maps[i] = map(nr);
		if (maps[i] == NULL)
			return;
		CHECK_EQ(test_resident(maps[i], nr * page), 0);
		if (!CHECK_EQ(pages_byte(maps[i]), 0))
			return;
		pages_fill(maps[i], nr, 'a' + (int)i % 26);
	}
}

static void unmap_many(size_t first)
{
	for (size_t i = first; i < NR_MAPS; i += 2) {
		size_t nr = 1 + i % 16;

		if (!CHECK_EQ(pages_byte(maps[i]), 'a' + (int)i % 26))
			return;
		CHECK_OK(munmap(maps[i], nr * test_page()));
		CHECK_EQ(test_resident(maps[i], nr * test_page()), 0);
	}
}

static void maps_come_and_go(void)
{
	for (long spare = memory_is_surefree() ? -1 : 0; spare <= 2; spare++) {
		long before;

		if (!fill(spare))
			return;
		before = test_mappings();
		map_many();
		if (test_failed())
			return;
		unmap_many(0);
		unmap_many(1);
		if (memory_is_surefree())
			CHECK_EQ(test_mappings(), before);
	}
}

/* Guards at both ends of maps, away again, and away with the map. */
static void guards_come_and_go(void)
{
	size_t page = test_page();
	long before;

	if (memory_is_surefree() && !memory_has_markers())
		SKIP("this kernel has no markers for guards");
	if (!fill(0))
		return;
	before = test_mappings();
	for (size_t i = 0; i < NR_GUARDS; i++) {
		maps[i] = map(4);
		if (maps[i] == NULL)
			return;
		CHECK_OK(mprotect(maps[i], page, PROT_NONE));
		CHECK_OK(mprotect(maps[i] + 3 * page, page, PROT_NONE));
		pages_fill(maps[i] + page, 2, 'a');
	}
	for (size_t i = 0; i < NR_GUARDS; i++) {
		CHECK_EQ(pages_access(maps[i]), PAGES_NONE);
		CHECK_EQ(pages_access(maps[i] + 3 * page), PAGES_NONE);
		CHECK_EQ(pages_byte(maps[i] + 2 * page), 'a');
		if (i % 2 == 0)
			continue;
		CHECK_OK(mprotect(maps[i], 4 * page, RW));
		pages_fill(maps[i], 4, 'b');
	}
	for (size_t i = 0; i < NR_GUARDS; i++)
		CHECK_OK(munmap(maps[i], 4 * page));
	if (memory_is_surefree())
		CHECK_EQ(test_mappings(), before);
	for (size_t i = 0; i < NR_GUARDS; i++) {
		maps[i] = map(4);
		if (maps[i] != NULL)
			pages_fill(maps[i], 4, 'c');
	}
}

/* As allocators do: reserve nothing, decommit, commit again. */
static void decommitting_works(void)
{
	size_t page = test_page();
	char *p = map(PAGES);

	if (memory_is_surefree() && !memory_has_markers())
		SKIP("this kernel has no markers for guards");
	pages_fill(p, PAGES, 'a');
	if (!fill(0))
		return;
	for (size_t i = 0; i < PAGES; i += 4) {
		char *part = p + i * page;

		CHECK(mmap(part, 2 * page, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE |
				   MAP_FIXED,
			   -1, 0) == part);
		CHECK_EQ(test_resident(part, 2 * page), 0);
		CHECK_EQ(pages_access(part + page), PAGES_NONE);
		CHECK_OK(mprotect(part, page, RW));
		CHECK_EQ(pages_access(part), PAGES_WRITE);
		CHECK_EQ(pages_byte(part), 0);
		CHECK(mmap(part, 3 * page, RW,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			   0) == part);
		CHECK_EQ(pages_access(part + page), PAGES_WRITE);
		CHECK_EQ(pages_byte(part + 2 * page), 0);
		CHECK_EQ(pages_byte(part + 3 * page), 'a');
	}
	CHECK_OK(munmap(p, PAGES * page));
}

static void lengths_change(void)
{
	size_t page = test_page();

	if (!fill(0))
		return;
	for (size_t i = 1; i < NR_ROUNDS; i++) {
		size_t nr = 1 + i % 40;
		char *p = map(nr);
		char *q;

		if (p == NULL)
			return;
		pages_fill(p, nr, 'a');
		q = mremap(p, nr * page, 2 * nr * page, MREMAP_MAYMOVE);
		if (!CHECK(q != MAP_FAILED))
			return;
		CHECK_EQ(pages_byte(q + (nr - 1) * page), 'a');
		CHECK_EQ(pages_byte(q + nr * page), 0);
		if (q != p)
			CHECK_EQ(test_resident(p, nr * page), 0);
		CHECK(mremap(q, 2 * nr * page, page, 0) == q);
		CHECK_EQ(test_resident(q + page, (2 * nr - 1) * page), 0);
		CHECK_EQ(pages_byte(q), 'a');
		if (i % 2 == 0)
			CHECK_OK(munmap(q, page));
	}
}

/*
 * Linux may refuse what follows, and half of it may be done then. Memory must
 * be whole whatever the answer, and as new when it comes back.
 */
static void try_to_change(char *p, size_t i)
{
	size_t page = test_page();
	char *middle = p + PAGES / 2 * page;

	switch (i % 8) {
	case 0:
		mprotect(middle, page, PROT_READ);
		break;
	case 1:
		mprotect(middle, 2 * page, PROT_NONE);
		break;
	case 2:
		mlock(middle, 3 * page);
		break;
	case 3:
		madvise(middle, page, MADV_DONTFORK);
		break;
	case 4:
		madvise(middle, page, MADV_WIPEONFORK);
		break;
	case 5:
		mmap(middle, page, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED,
		     -1, 0);
		break;
	case 6:
		mprotect(p, page, PROT_READ | PROT_EXEC);
		break;
	default:
		mmap(middle, page, PROT_READ,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	}
}

static int see_as_child(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < NR_ROUNDS; i++)
		for (size_t k = 0; k < PAGES; k++)
			if (!CHECK_EQ(pages_byte(maps[i] + k * test_page()),
				      'n'))
				return 1;
	return 0;
}

static void refused_with(long spare)
{
	size_t page = test_page();
	size_t nr_bad = 0;

	if (!fill(spare))
		return;
	for (size_t i = 0; i < NR_ROUNDS; i++) {
		maps[i] = map(PAGES);
		if (maps[i] == NULL)
			return;
		pages_fill(maps[i], PAGES, 'a');
		try_to_change(maps[i], i);
	}
	for (size_t i = 0; i < NR_ROUNDS; i++) {
		CHECK_EQ(pages_byte(maps[i] + page), 'a');
		CHECK_OK(munmap(maps[i], PAGES * page));
		CHECK_EQ(test_resident(maps[i], PAGES * page), 0);
	}
	for (size_t i = 0; i < NR_ROUNDS; i++) {
		maps[i] = map(PAGES);
		if (maps[i] == NULL)
			return;
		for (size_t k = 0; k < PAGES; k++) {
			char *p = maps[i] + k * page;

			if (pages_access(p) != PAGES_WRITE ||
			    pages_byte(p) != 0)
				nr_bad++;
			else
				pages_fill(p, 1, 'n');
		}
	}
	CHECK_EQ(nr_bad, 0);
	CHECK_EQ(test_status("VmLck"), 0);
	if (nr_bad == 0)
		CHECK_EQ(test_in_child(see_as_child, NULL), 0);
	for (size_t i = 0; i < NR_ROUNDS; i++)
		CHECK_OK(munmap(maps[i], PAGES * page));
}

static void refused_changes_leave_memory_whole(void)
{
	for (long spare = 0; spare <= 4; spare++)
		refused_with(spare);
}

static void guards_are_made_again(void)
{
	size_t page = test_page();
	char *p = map(4);

	if (p == NULL)
		return;
	p[0] = 'a';
	CHECK_OK(mprotect(p + page, page, PROT_NONE));
	if (!fill(0))
		return;
	CHECK_OK(mprotect(p + page, page, PROT_NONE));
	if (memory_has_markers())
		CHECK_OK(mprotect(p + page, 2 * page, PROT_NONE));
	CHECK_EQ(pages_access(p + page), PAGES_NONE);
	CHECK_OK(munmap(p, 4 * page));
}

/* By a process that can't look at its own pages in /proc. */
static bool make_guards(void)
{
	size_t page = test_page();

	for (size_t i = 0; i < NR_GUARDS; i++) {
		maps[i] = map(3);
		if (maps[i] == NULL)
			return false;
		pages_fill(maps[i], 1, 'a');
		if (!CHECK_OK(mprotect(maps[i] + page, page, PROT_NONE)))
			return false;
	}
	return true;
}

static void look_at_guards(void)
{
	size_t page = test_page();

	for (size_t i = 0; i < NR_GUARDS; i++) {
		CHECK_EQ(pages_access(maps[i] + page), PAGES_NONE);
		CHECK_EQ(pages_byte(maps[i]), 'a');
		CHECK_EQ(pages_byte(maps[i] + 2 * page), 0);
		CHECK_OK(munmap(maps[i], 3 * page));
	}
}

static int make_guards_as_nobody(void *arg)
{
	(void)arg;
	CHECK_OK(setgid(65534));
	CHECK_OK(setuid(65534));
	CHECK_ERRNO(open("/proc/self/pagemap", O_RDONLY), EACCES);
	if (make_guards())
		look_at_guards();
	return 0;
}

static void guards_are_made_after_a_change_of_user(void)
{
	if (memory_is_surefree() && !memory_has_markers())
		SKIP("this kernel has no markers for guards");
	if (geteuid() != 0)
		SKIP("only root can change its user");
	if (fill(0))
		CHECK_EQ(test_in_child(make_guards_as_nobody, NULL), 0);
}

static int make_guards_without_descriptors(void *arg)
{
	struct rlimit some;
	struct rlimit none;
	bool made;

	(void)arg;
	CHECK_OK(getrlimit(RLIMIT_NOFILE, &some));
	none = some;
	none.rlim_cur = 0;
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &none));
	CHECK_ERRNO(open("/proc/self/pagemap", O_RDONLY), EMFILE);
	made = make_guards();
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &some));
	if (made)
		look_at_guards();
	return 0;
}

static void guards_are_made_without_a_descriptor(void)
{
	if (memory_is_surefree() && !memory_has_markers())
		SKIP("this kernel has no markers for guards");
	if (fill(0))
		CHECK_EQ(test_in_child(make_guards_without_descriptors, NULL),
			 0);
}

/* Zeros are; anything else would be lost, so that it is refused. */
static void guards_over_touched_pages_lose_nothing(void)
{
	size_t page = test_page();
	char *p = map(8);

	if (p == NULL)
		return;
	if (memory_is_surefree() && !memory_has_markers())
		SKIP("this kernel has no markers for guards");
	pages_fill(p, 8, 0);
	pages_fill(p + 4 * page, 4, 'a');
	if (!fill(0))
		return;
	CHECK_OK(mprotect(p + page, 2 * page, PROT_NONE));
	CHECK_EQ(pages_access(p + page), PAGES_NONE);
	CHECK_EQ(pages_access(p + 2 * page), PAGES_NONE);
	if (memory_is_surefree()) {
		CHECK_ERRNO(mprotect(p + 3 * page, 2 * page, PROT_NONE),
			    ENOMEM);
		CHECK_EQ(pages_access(p + 3 * page), PAGES_WRITE);
	}
	CHECK_OK(mprotect(p, 4 * page, RW));
	for (size_t i = 0; i < 8; i++)
		CHECK_EQ(pages_byte(p + i * page), i < 4 ? 0 : 'a');
	CHECK_OK(munmap(p, 8 * page));
}

static const struct test tests[] = {
	{ "maps come and go", maps_come_and_go },
	{ "guards come and go", guards_come_and_go },
	{ "guards are made again", guards_are_made_again },
	{ "guards are made after a change of user",
	  guards_are_made_after_a_change_of_user },
	{ "guards are made without a descriptor",
	  guards_are_made_without_a_descriptor },
	{ "guards over touched pages lose nothing",
	  guards_over_touched_pages_lose_nothing },
	{ "memory is decommitted and committed", decommitting_works },
	{ "lengths change", lengths_change },
	{ "what is refused leaves memory whole",
	  refused_changes_leave_memory_whole },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
