// SPDX-License-Identifier: MIT
/*
 * Brings this process to an exact number of mappings.
 *
 * The bulk of the filling is one reservation whose pages 0, 2, 4, ... are made
 * readable: each such page in the middle costs two mappings, the page at the
 * head one. It is marked MADV_SEQUENTIAL, which changes nothing for untouched
 * memory but keeps the kernel from merging it with anybody else's. The last
 * TOP_NR mappings are single pages of shared memory, which never merge: with
 * them a change by a few mappings is quick, and only mmap() can take the one
 * above the limit.
 *
 * All calls are raw, so that no interposed function sees or counts them.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define TOP_NR 16

static char *bulk;	      /* NULL: none */
static size_t bulk_len;	      /* bytes */
static char *top[TOP_NR + 1]; /* the first nr_top are mapped */
static size_t nr_top;

size_t test_page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* At hint, where that is free, or anywhere. */
static char *map_pages(char *hint, size_t len, int prot, int flags)
{
	return (char *)syscall(SYS_mmap, hint, len, prot,
			       flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

long test_limit(void)
{
	char text[32];
	long limit = 65530;
	ssize_t n;
	int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return limit;
	n = read(fd, text, sizeof(text) - 1);
	if (n > 0) {
		text[n] = '\0';
		limit = strtol(text, NULL, 10);
	}
	close(fd);
	return limit;
}

/*
 * A line is a mapping, but for the [vsyscall] page, which is last where there
 * is one and which the kernel shows without counting it.
 */
long test_mappings(void)
{
	static const char vsyscall[] = "[vsyscall]\n";
	const size_t tail_len = sizeof(vsyscall) - 1;
	char text[4096 + 16];
	size_t kept = 0; /* end of the text before, at the start of text */
	long nr = 0;
	ssize_t n;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	while ((n = read(fd, text + kept, 4096)) > 0) {
		size_t len = kept + (size_t)n;

		for (size_t i = kept; i < len; i++)
			nr += text[i] == '\n';
		kept = len < tail_len ? len : tail_len;
		memmove(text, text + len - kept, kept);
	}
	close(fd);
	if (kept == tail_len && memcmp(text, vsyscall, tail_len) == 0)
		nr--;
	return nr;
}

bool test_emulated(void)
{
	static int answer; /* 0: not asked, 1: no, 2: yes */

	/* No kernel knows this advice; qemu-user says 0 to all of them. */
	if (answer == 0) {
		char *p = map_pages(NULL, test_page(), PROT_NONE, MAP_PRIVATE);

		answer = syscall(SYS_madvise, p, test_page(), 9999) == 0 ? 2 :
									   1;
		syscall(SYS_munmap, p, test_page());
	}
	return answer == 2;
}

bool test_kernel_since(int major, int minor)
{
	struct utsname name;
	char *rest;
	long has_major;
	long has_minor;

	if (uname(&name) != 0)
		return false;
	has_major = strtol(name.release, &rest, 10);
	has_minor = *rest == '.' ? strtol(rest + 1, NULL, 10) : 0;
	return has_major > major || (has_major == major && has_minor >= minor);
}

void test_unfill(void)
{
	while (nr_top > 0)
		syscall(SYS_munmap, top[--nr_top], test_page());
	if (bulk != NULL)
		syscall(SYS_munmap, bulk, bulk_len);
	bulk = NULL;
}

/*
 * Make the bulk, to bring the process to wanted mappings. The reservation is
 * one mapping itself, so wanted must be above what there is.
 */
static bool fill_bulk(long wanted)
{
	size_t page = test_page();
	long missing = wanted - test_mappings();
	char *p;

	bulk_len = ((size_t)missing + 4) * page;
	bulk = map_pages(NULL, bulk_len, PROT_NONE, MAP_PRIVATE);
	if (bulk == MAP_FAILED) {
		bulk = NULL;
		return false;
	}
	syscall(SYS_madvise, bulk, bulk_len, MADV_SEQUENTIAL);
	missing = wanted - test_mappings();
	if (missing % 2 != 0) {
		if (syscall(SYS_mprotect, bulk, page, PROT_READ) != 0)
			return false;
		missing--;
	}
	for (p = bulk + 2 * page; missing > 0; p += 2 * page, missing -= 2)
		if (syscall(SYS_mprotect, p, page, PROT_READ) != 0)
			return false;
	return missing == 0;
}

/* A page well below the bulk, so as not to close a hole that a test made. */
static char *map_top(void)
{
	char *hint = bulk - ((size_t)1 << 30) + nr_top * test_page();

	return map_pages(hint, test_page(), PROT_NONE, MAP_SHARED);
}

/* Map single pages, or unmap them where missing is negative. */
static bool fill_top(long missing)
{
	for (; missing < 0 && nr_top > 0; missing++)
		syscall(SYS_munmap, top[--nr_top], test_page());
	for (; missing > 0 && nr_top <= TOP_NR; missing--) {
		char *p = map_top();

		if (p == MAP_FAILED)
			return false;
		top[nr_top++] = p;
	}
	return missing == 0;
}

/* Whether single pages are enough to go from nr to wanted mappings. */
static bool top_suffices(long nr, long wanted)
{
	return bulk != NULL && wanted >= nr - (long)nr_top &&
	       wanted <= nr + (long)(TOP_NR - nr_top);
}

bool test_can_exceed(void)
{
	static int answer; /* 0: not asked, 1: no, 2: yes */
	bool was_filled = bulk != NULL;
	long nr = test_mappings();
	char *p;

	if (answer != 0 || !test_fill(0))
		return answer == 2;
	p = map_top();
	answer = p == MAP_FAILED ? 1 : 2;
	if (p != MAP_FAILED)
		syscall(SYS_munmap, p, test_page());
	if (was_filled)
		test_fill(test_limit() - nr);
	else
		test_unfill();
	return answer == 2;
}

bool test_fill(long spare)
{
	long limit = test_limit();
	long wanted = limit - spare;
	long nr;

	if (test_emulated()) {
		test_skip("an emulator's mappings cannot be counted");
		return false;
	}
	if (spare < 0 && !test_can_exceed()) {
		test_skip("this kernel stops at the limit, not one above");
		return false;
	}
	nr = test_mappings();
	if (!top_suffices(nr, wanted)) {
		test_unfill();
		nr = test_mappings();
		if (nr < 0 || spare < -1 || nr + TOP_NR >= wanted) {
			FAIL("cannot leave %ld of %ld mappings: %ld taken",
			     spare, limit, nr);
			return false;
		}
		if (!fill_bulk(wanted - TOP_NR / 2)) {
			FAIL("filling stopped at %ld mappings of %ld: %s",
			     test_mappings(), limit, strerror(errno));
			return false;
		}
		nr = wanted - TOP_NR / 2;
	}
	if (!fill_top(wanted - nr)) {
		FAIL("filling stopped at %ld mappings, not %ld: %s",
		     test_mappings(), wanted, strerror(errno));
		return false;
	}
	return CHECK_EQ(test_mappings(), wanted);
}
