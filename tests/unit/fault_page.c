// SPDX-License-Identifier: MIT
/*
 * os/page: each call does to real memory what its name says, and a refusal
 * comes back as -errno.
 */
#include "os/page.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/maps.h"
#include "os/probe.h"
#include "refuse.h"
#include "test.h"

#define NR_PAGES 16

/* si_code of what happens at an address. */
#define UNMAPPED  1
#define PROTECTED 2

/* NR_PAGES reserved pages, and one more on either side that stays so: what the
 * kernel put beside them cannot merge with what is committed. */
static uintptr_t area;
static size_t len;

static char *page_at(size_t i)
{
	return (char *)area + i * sf_page_size;
}

static bool reserve(void)
{
	sf_page_init();
	len = NR_PAGES * sf_page_size;
	if (!CHECK_EQ(sf_page_reserve(len + 2 * sf_page_size, &area), 0))
		return false;
	area += sf_page_size;
	return true;
}

/* All of it read-write and touched. */
static bool commit(void)
{
	if (!reserve() || !CHECK_EQ(sf_page_commit(area, len), 0))
		return false;
	CHECK_EQ(sf_page_set_huge(area, len, false), 0);
	memset((void *)area, 'p', len);
	return true;
}

static void check_resident(size_t want)
{
	if (!test_emulated())
		CHECK_EQ(test_resident((void *)area, len), want);
}

static void the_page_size_is_the_kernels(void)
{
	sf_page_init();
	CHECK_EQ(sf_page_size, sysconf(_SC_PAGESIZE));
	CHECK_EQ((size_t)1 << sf_page_shift, sf_page_size);
}

static void reserved_pages_cannot_be_touched(void)
{
	long before = test_mappings();

	if (!reserve())
		return;
	CHECK_LE(test_mappings() - before, 1);
	CHECK_EQ(area % sf_page_size, 0);
	for (size_t i = 0; i < NR_PAGES; i++)
		CHECK_EQ(test_reads(page_at(i)), PROTECTED);
	CHECK_EQ(sf_page_unmap(area, len), 0);
	CHECK_EQ(test_reads(page_at(0)), UNMAPPED);
}

static void reserving_here_takes_nothing_from_others(void)
{
	if (!commit())
		return;
	CHECK_EQ(sf_page_reserve_at(area, len), -EEXIST);
	CHECK_EQ(sf_page_unmap(area + 4 * sf_page_size, 4 * sf_page_size), 0);
	CHECK_EQ(sf_page_reserve_at(area + 3 * sf_page_size, 4 * sf_page_size),
		 -EEXIST);
	CHECK_EQ(*page_at(3), 'p');
	CHECK_EQ(sf_page_reserve_at(area + 4 * sf_page_size, 4 * sf_page_size),
		 0);
	CHECK_EQ(test_reads(page_at(4)), PROTECTED);
	CHECK_EQ(test_reads(page_at(7)), PROTECTED);
	CHECK_EQ(*page_at(8), 'p');
}

static void committed_pages_are_zero_and_writable(void)
{
	if (!reserve() || !CHECK_EQ(sf_page_commit(area, 4 * sf_page_size), 0))
		return;
	for (size_t i = 0; i < 4; i++) {
		CHECK_EQ(*page_at(i), 0);
		CHECK_EQ(test_touches(page_at(i)), 0);
	}
	CHECK_EQ(test_reads(page_at(4)), PROTECTED);
}

static void uncommitting_takes_pages_and_protection_back(void)
{
	long before;

	if (!commit())
		return;
	before = test_mappings();
	CHECK_EQ(sf_page_uncommit(area + 4 * sf_page_size,
				  len - 4 * sf_page_size),
		 0);
	CHECK_LE(test_mappings() - before, 1);
	CHECK_EQ(*page_at(3), 'p');
	CHECK_EQ(test_reads(page_at(4)), PROTECTED);
	check_resident(4 * sf_page_size);
	CHECK_EQ(sf_page_commit(area + 4 * sf_page_size, sf_page_size), 0);
	CHECK_EQ(*page_at(4), 0);
}

static void discarding_gives_pages_back(void)
{
	if (!commit())
		return;
	CHECK(sf_page_any_resident(area, len));
	CHECK_EQ(sf_page_discard(area + sf_page_size, len - 2 * sf_page_size),
		 0);
	check_resident(2 * sf_page_size);
	CHECK_EQ(*page_at(0), 'p');
	CHECK_EQ(*page_at(NR_PAGES - 1), 'p');
	if (test_emulated())
		SKIP("an emulator may ignore the advice");
	CHECK_EQ(*page_at(1), 0);
	CHECK_EQ(*page_at(NR_PAGES - 2), 0);
	CHECK_EQ(sf_page_discard(area, len), 0);
	CHECK(!sf_page_any_resident(area, len));
}

static void locked_pages_are_discarded_by_the_call_for_them(void)
{
	sf_page_init();
	if (!sf_probe_has(SF_FEATURE_DONTNEED_LOCKED))
		SKIP("no MADV_DONTNEED_LOCKED");
	if (!commit())
		return;
	/* A raw call: sanitizers make mlock() do nothing. */
	if (syscall(SYS_mlock, area, len) != 0)
		SKIP("mlock: %s", strerror(errno));
	CHECK_EQ(sf_page_discard(area, len), -EINVAL);
	CHECK_EQ(*page_at(0), 'p');
	CHECK_EQ(sf_page_discard_locked(area, len), 0);
	check_resident(0);
	CHECK_EQ(*page_at(0), 0);
	CHECK_EQ(sf_page_unlock(area, len), 0);
	CHECK_EQ(test_status("VmLck"), 0);
	CHECK_EQ(sf_page_discard(area, len), 0);
}

static void marked_pages_are_gone_and_trap(void)
{
	long before;

	if (!test_has_guard())
		SKIP("no guard markers");
	if (!commit())
		return;
	before = test_mappings();
	CHECK_EQ(sf_page_mark(area + sf_page_size, 3 * sf_page_size), 0);
	check_resident(len - 3 * sf_page_size);
	CHECK_EQ(test_touches(page_at(1)), 1);
	CHECK_EQ(test_touches(page_at(3)), 1);
	CHECK_EQ(*page_at(4), 'p');
	/* Markers are no mappings, and stay when pages are discarded. */
	CHECK_EQ(test_mappings(), before);
	CHECK_EQ(sf_page_discard(area, len), 0);
	CHECK_EQ(test_touches(page_at(2)), 1);
	CHECK_EQ(sf_page_unmark(area, len), 0);
	for (size_t i = 0; i < NR_PAGES; i++)
		CHECK_EQ(*page_at(i), 0);
}

static void check_populate(void)
{
	if (!reserve() || !CHECK_EQ(sf_page_commit(area, len), 0))
		return;
	CHECK_EQ(sf_page_populate(area + sf_page_size, len - sf_page_size), 0);
	check_resident(len - sf_page_size);
	for (size_t i = 0; i < NR_PAGES; i++)
		CHECK_EQ(*page_at(i), 0);
}

static void populated_pages_are_resident(void)
{
	check_populate();
}

static void pages_are_populated_by_touching_on_old_kernels(void)
{
	refuse(__NR_madvise, EINVAL, 0, REFUSE_ALWAYS);
	sf_page_init();
	CHECK(!sf_probe_has(SF_FEATURE_POPULATE_WRITE));
	refuse_nothing();
	check_populate();
}

static void populating_goes_on_after_an_interruption(void)
{
	sf_page_init();
	if (!sf_probe_has(SF_FEATURE_POPULATE_WRITE))
		SKIP("no MADV_POPULATE_WRITE");
	refuse(__NR_madvise, EINTR, 0, 2);
	refuse(__NR_madvise, EAGAIN, 0, 2);
	check_populate();
	CHECK_EQ(refuse_seen(), 5);
	refuse_nothing();
	refuse(__NR_madvise, EFAULT, 0, 1);
	CHECK_EQ(sf_page_populate(area, len), -ENOMEM);
}

static void residence_is_told_page_by_page(void)
{
	size_t nr = 3000; /* more than one look takes in */
	uintptr_t at;

	sf_page_init();
	if (test_emulated())
		SKIP("the emulator's own pages are seen");
	if (!CHECK_EQ(sf_page_reserve(nr * sf_page_size, &at), 0) ||
	    !CHECK_EQ(sf_page_set_huge(at, nr * sf_page_size, false), 0) ||
	    !CHECK_EQ(sf_page_commit(at, nr * sf_page_size), 0))
		return;
	CHECK(!sf_page_any_resident(at, nr * sf_page_size));
	*(char *)(at + 2900 * sf_page_size) = 1;
	CHECK(sf_page_any_resident(at, nr * sf_page_size));
	CHECK(!sf_page_any_resident(at, 2900 * sf_page_size));
	CHECK(sf_page_any_resident(at + 2900 * sf_page_size, sf_page_size));
	CHECK(!sf_page_any_resident(at + 2901 * sf_page_size,
				    99 * sf_page_size));
	/* When it can't be told, it may be. */
	refuse(__NR_mincore, ENOMEM, 0, 1);
	CHECK(sf_page_any_resident(at, sf_page_size));
}

static void a_file_takes_the_place_of_reserved_pages(void)
{
	int fd = memfd_create("page", MFD_CLOEXEC);

	if (!reserve() || !CHECK_GE(fd, 0))
		return;
	CHECK_OK(ftruncate(fd, 4 * (off_t)sf_page_size));
	CHECK_EQ(pwrite(fd, "file", 4, 2 * (off_t)sf_page_size), 4);
	CHECK_EQ(sf_page_map_file(area + sf_page_size, 2 * sf_page_size,
				  PROT_READ, MAP_SHARED, fd,
				  2 * (off_t)sf_page_size),
		 0);
	CHECK_EQ(memcmp(page_at(1), "file", 4), 0);
	CHECK_EQ(test_reads(page_at(0)), PROTECTED);
	CHECK_EQ(test_reads(page_at(3)), PROTECTED);
	CHECK_EQ(sf_page_map_file(area, sf_page_size, PROT_READ, MAP_SHARED, -1,
				  0),
		 -EBADF);
	close(fd);
}

static void refusals_come_back_as_errno(void)
{
	uintptr_t other = 7;

	if (!commit())
		return;
	errno = 1234;
	refuse(__NR_mmap, EAGAIN, 0, REFUSE_ALWAYS);
	refuse(__NR_munmap, EPERM, 0, REFUSE_ALWAYS);
	refuse(__NR_mprotect, EACCES, 0, REFUSE_ALWAYS);
	refuse(__NR_madvise, EINVAL, 0, REFUSE_ALWAYS);
	CHECK_EQ(sf_page_reserve(len, &other), -EAGAIN);
	CHECK_EQ(other, 7);
	CHECK_EQ(sf_page_reserve_at(area, len), -EAGAIN);
	CHECK_EQ(sf_page_uncommit(area, len), -EAGAIN);
	CHECK_EQ(sf_page_map_file(area, len, 0, MAP_SHARED, -1, 0), -EAGAIN);
	CHECK_EQ(sf_page_unmap(area, len), -EPERM);
	CHECK_EQ(sf_page_commit(area, len), -EACCES);
	CHECK_EQ(sf_page_discard(area, len), -EINVAL);
	CHECK_EQ(sf_page_discard_locked(area, len), -EINVAL);
	CHECK_EQ(sf_page_mark(area, len), -EINVAL);
	CHECK_EQ(sf_page_unmark(area, len), -EINVAL);
	CHECK_EQ(sf_page_set_huge(area, len, true), -EINVAL);
	refuse_nothing();
	CHECK_EQ(*page_at(0), 'p');
	CHECK_EQ(sf_page_unmap(area + 1, len), -EINVAL);
	CHECK_EQ(sf_page_reserve((size_t)1 << 60, &other), -ENOMEM);
	CHECK_EQ(errno, 1234);
}

static const struct test tests[] = {
	{ "the page size is the kernel's", the_page_size_is_the_kernels },
	{ "reserved pages cannot be touched",
	  reserved_pages_cannot_be_touched },
	{ "reserving here takes nothing from others",
	  reserving_here_takes_nothing_from_others },
	{ "committed pages are zero and writable",
	  committed_pages_are_zero_and_writable },
	{ "uncommitting takes pages and protection back",
	  uncommitting_takes_pages_and_protection_back },
	{ "discarding gives pages back", discarding_gives_pages_back },
	{ "locked pages are discarded by the call for them",
	  locked_pages_are_discarded_by_the_call_for_them },
	{ "marked pages are gone and trap", marked_pages_are_gone_and_trap },
	{ "populated pages are resident", populated_pages_are_resident },
	{ "pages are populated by touching on old kernels",
	  pages_are_populated_by_touching_on_old_kernels },
	{ "populating goes on after an interruption",
	  populating_goes_on_after_an_interruption },
	{ "residence is told page by page", residence_is_told_page_by_page },
	{ "a file takes the place of reserved pages",
	  a_file_takes_the_place_of_reserved_pages },
	{ "refusals come back as errno", refusals_come_back_as_errno },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
