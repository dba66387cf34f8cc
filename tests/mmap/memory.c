// SPDX-License-Identifier: MIT
/*
 * Makes memory of every kind, and checks it. Nothing here needs a spare
 * mapping once the memory is made.
 */
#include "memory.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pages.h"
#include "test.h"

#define RW	   (PROT_READ | PROT_WRITE)
#define ERRNO_KEPT 4242 /* nobody sets this one */

/* The part that changes are made to; pages of MEMORY_PAGES. */
#define CHANGED_FIRST 16
#define CHANGED_NR    16

bool memory_is_surefree(void)
{
	return getenv("MMAP_TESTED") != NULL;
}

bool memory_has_markers(void)
{
	return getenv("MMAP_UNMARKED") == NULL && test_has_guard();
}

/*
 * Kinds
 */

static char *map_with(char *hint, size_t len, int prot, int flags, int fd)
{
	char *p = mmap(hint, len, prot, flags, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static char *make_plain(size_t len)
{
	return map_with(NULL, len, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* A reservation, of which all was committed. */
static char *make_committed(size_t len)
{
	char *p = map_with(NULL, 2 * len, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);

	if (p != NULL && mprotect(p, len, RW) != 0)
		return NULL;
	return p;
}

static char *make_shared(size_t len)
{
	return map_with(NULL, len, RW, MAP_SHARED | MAP_ANONYMOUS, -1);
}

static char *make_of_file(size_t len, int flags)
{
	int fd = memfd_create("memory", MFD_CLOEXEC);
	char *p = NULL;

	if (fd >= 0 && ftruncate(fd, (off_t)len) == 0)
		p = map_with(NULL, len, RW, flags, fd);
	close(fd);
	return p;
}

static char *make_file(size_t len)
{
	return make_of_file(len, MAP_SHARED);
}

static char *make_copied_file(size_t len)
{
	return make_of_file(len, MAP_PRIVATE);
}

/* In the middle of one larger mapping, where a hint said. */
static char *make_hinted(size_t len)
{
	char *hint = map_with(NULL, 4 * len, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (hint == NULL || munmap(hint, 4 * len) != 0)
		return NULL;
	return map_with(hint, len, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

/* Part of a gibibyte. */
static char *make_in_large(size_t len)
{
	(void)len;
	return map_with(NULL, (size_t)1 << 30, RW,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
}

const struct memory_kind memory_kinds[] = {
	{ "private memory", true, make_plain },
	{ "a committed reservation", false, make_committed },
	{ "shared memory", false, make_shared },
	{ "a shared file", false, make_file },
	{ "a private file", false, make_copied_file },
	{ "memory at a hint", false, make_hinted },
	{ "a part of 1 GiB", false, make_in_large },
	{ NULL, false, NULL },
};

/*
 * Changes
 */

static void change_nothing(char *addr)
{
	(void)addr;
}

static void make_read_only(char *addr)
{
	CHECK_OK(mprotect(addr, CHANGED_NR * test_page(), PROT_READ));
}

static void make_inaccessible(char *addr)
{
	CHECK_OK(mprotect(addr, CHANGED_NR * test_page(), PROT_NONE));
}

/* Untouched again, so that guards need no mapping. */
static void make_guards(char *addr)
{
	size_t page = test_page();

	CHECK_OK(madvise(addr, CHANGED_NR * page, MADV_DONTNEED));
	for (size_t i = 0; i < CHANGED_NR; i += 2)
		CHECK_OK(mprotect(addr + i * page, page, PROT_NONE));
}

/* As far as RLIMIT_MEMLOCK allows it. */
static void lock_pages(char *addr, size_t nr)
{
	if (mlock(addr, nr * test_page()) != 0)
		CHECK(errno == ENOMEM || errno == EPERM);
}

static void lock(char *addr)
{
	lock_pages(addr, CHANGED_NR);
}

static void hide_from_children(char *addr)
{
	CHECK_OK(madvise(addr, CHANGED_NR * test_page(), MADV_DONTFORK));
}

static void leave_out_of_dumps(char *addr)
{
	CHECK_OK(madvise(addr, CHANGED_NR * test_page(), MADV_DONTDUMP));
}

static void wipe_for_children(char *addr)
{
	CHECK_OK(madvise(addr, CHANGED_NR * test_page(), MADV_WIPEONFORK));
}

/* By the drop-in, if that is there. Kernels may do without it. */
static void set_policy(char *addr)
{
	size_t len = CHANGED_NR * test_page();
	unsigned long node = 1;
	void *symbol = dlsym(RTLD_DEFAULT, "mbind");
	long (*bind)(void *addr, unsigned long len, int mode,
		     const unsigned long *nodes, unsigned long nr_nodes,
		     unsigned flags);

	memcpy(&bind, &symbol, sizeof(bind));
	if (bind != NULL)
		bind(addr, len, MPOL_BIND, &node, 8, 0);
	else
		syscall(SYS_mbind, addr, len, MPOL_BIND, &node, 8, 0);
}

static void map_over(char *addr, int flags)
{
	size_t len = CHANGED_NR * test_page();
	int fd = memfd_create("over", MFD_CLOEXEC);

	CHECK_OK(ftruncate(fd, (off_t)len));
	CHECK(mmap(addr, len, RW, flags | MAP_FIXED, fd, 0) == addr);
	pages_fill(addr, CHANGED_NR, 'o');
	close(fd);
}

static void map_file_over(char *addr)
{
	map_over(addr, MAP_SHARED);
}

static void map_copied_file_over(char *addr)
{
	map_over(addr, MAP_PRIVATE);
}

static void everything(char *addr)
{
	size_t quarter = CHANGED_NR / 4 * test_page();

	map_file_over(addr);
	lock_pages(addr, CHANGED_NR / 4);
	CHECK_OK(madvise(addr + quarter, quarter, MADV_DONTFORK));
	CHECK_OK(mprotect(addr + 2 * quarter, quarter, PROT_NONE));
}

const struct memory_change memory_changes[] = {
	{ "unchanged", false, change_nothing },
	{ "partly read-only", true, make_read_only },
	{ "partly inaccessible", true, make_inaccessible },
	{ "with guards", false, make_guards },
	{ "partly locked", true, lock },
	{ "partly hidden from children", true, hide_from_children },
	{ "partly left out of dumps", true, leave_out_of_dumps },
	{ "partly wiped for children", true, wipe_for_children },
	{ "partly bound to a node", true, set_policy },
	{ "with a file over it", true, map_file_over },
	{ "with a private file over it", true, map_copied_file_over },
	{ "with everything", true, everything },
	{ NULL, false, NULL },
};

/*
 * Using it
 */

bool memory_make(struct memory *m, const struct memory_kind *kind,
		 const struct memory_change *change)
{
	size_t page = test_page();

	memset(m, 0, sizeof(*m));
	m->kind = kind;
	m->change = change;
	m->addr = kind->make(MEMORY_PAGES * page);
	if (!CHECK(m->addr != NULL))
		return false;
	for (size_t i = 0; i < MEMORY_PAGES; i++)
		pages_fill(m->addr + i * page, 1, 'a' + (int)i % 26);
	change->change(m->addr + CHANGED_FIRST * page);
	for (size_t i = 0; i < MEMORY_PAGES; i++) {
		char *p = m->addr + i * page;

		m->access[i] = (unsigned char)pages_access(p);
		if (m->access[i] != PAGES_NONE)
			m->byte[i] = (short)pages_byte(p);
	}
	return !test_failed();
}

/* Its ends fault where there are markers. */
static void check_traps(struct memory *m, char *addr, size_t len)
{
	if (!memory_has_markers() || m->change->marks_not)
		return;
	CHECK_NE(test_touches(addr), 0);
	CHECK_NE(test_touches(addr + len - 1), 0);
}

void memory_unmap(struct memory *m, size_t first, size_t nr)
{
	size_t page = test_page();
	char *addr = m->addr + first * page;
	bool had_failed = test_failed();

	errno = ERRNO_KEPT;
	CHECK_OK(munmap(addr, nr * page));
	CHECK_EQ(errno, ERRNO_KEPT);
	CHECK_EQ(test_resident(addr, nr * page), 0);
	for (size_t i = 0; i < nr; i++) {
		CHECK(!pages_mapped(addr + i * page));
		m->unmapped[first + i] = true;
	}
	check_traps(m, addr, nr * page);
	if (test_failed() && !had_failed)
		FAIL("so it was for %s, %s, pages %zu to %zu", m->kind->name,
		     m->change->name, first, first + nr - 1);
}

void memory_check(struct memory *m)
{
	size_t page = test_page();

	for (size_t i = 0; i < MEMORY_PAGES; i++) {
		char *p = m->addr + i * page;
		enum pages_access access;

		if (m->unmapped[i])
			continue;
		access = pages_access(p);
		if (access == m->access[i] &&
		    (access == PAGES_NONE || pages_byte(p) == m->byte[i]))
			continue;
		FAIL("page %zu of %s, %s: access %d, not %d, byte %d, not %d",
		     i, m->kind->name, m->change->name, access, m->access[i],
		     access == PAGES_NONE ? 0 : pages_byte(p), m->byte[i]);
		return;
	}
}
