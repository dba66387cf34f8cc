// SPDX-License-Identifier: MIT
/*
 * Tries system calls at the limit. The calls are raw, so that a library under
 * test does not stand in between.
 */
#include "kernel.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

char *at(char *ground, size_t page)
{
	return ground + page * test_page();
}

char *ground_make(void)
{
	char *p = (char *)syscall(SYS_mmap, NULL, GROUND_PAGES * test_page(),
				  PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		FAIL("no ground to test on: %s", strerror(errno));
	return p;
}

void ground_remove(char *ground)
{
	CHECK_OK(unmap(ground, 0, GROUND_PAGES));
}

int map_over(char *ground, size_t page, size_t nr, int prot)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	long result = syscall(SYS_mmap, at(ground, page), nr * test_page(),
			      prot, flags, -1, 0);

	return result == -1 ? -1 : 0;
}

void place(char *ground, size_t page, size_t nr, int prot, int flags)
{
	flags |= MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	if (syscall(SYS_mmap, at(ground, page), nr * test_page(), prot, flags,
		    -1, 0) == -1)
		FAIL("placing %zu pages: %s", nr, strerror(errno));
}

void touch(char *ground, size_t page, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		*(volatile char *)at(ground, page + i) = (char)(page + i);
}

int unmap(char *ground, size_t page, size_t nr)
{
	return (int)syscall(SYS_munmap, at(ground, page), nr * test_page());
}

int protect(char *ground, size_t page, size_t nr, int prot)
{
	return (int)syscall(SYS_mprotect, at(ground, page), nr * test_page(),
			    prot);
}

int advise(char *ground, size_t page, size_t nr, int advice)
{
	return (int)syscall(SYS_madvise, at(ground, page), nr * test_page(),
			    advice);
}

void make_untouched(char *ground)
{
	place(ground, 1, 16, RW, 0);
}

void make_touched(char *ground)
{
	place(ground, 1, 16, RW, 0);
	touch(ground, 1, 16);
}

int open_memory_file(size_t nr)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	size_t page = test_page();

	if (fd < 0 || ftruncate(fd, (off_t)(nr * page)) != 0)
		FAIL("no file in memory: %s", strerror(errno));
	for (size_t i = 0; i < nr; i++) {
		char byte = (char)(i + 1);

		if (pwrite(fd, &byte, 1, (off_t)(i * page)) != 1)
			FAIL("writing a file in memory: %s", strerror(errno));
	}
	return fd;
}

/* For the message. */
static const char *where(long spare)
{
	switch (spare) {
	case -1:
		return "one above the limit";
	case 0:
		return "no mapping spare";
	case 1:
		return "one mapping spare";
	default:
		return "a few mappings spare";
	}
}

static const char *errno_words(int err)
{
	return err == 0 ? "success" : strerror(err);
}

/* Do op on a ground that was made for it, with spare mappings left. */
static bool try_on(char *ground, long spare, int (*op)(char *ground),
		   struct outcome want)
{
	long change;
	int err;

	if (!test_fill(spare))
		return false;
	err = op(ground) == 0 ? 0 : errno;
	change = test_mappings() - (test_limit() - spare);
	if (err != want.err)
		FAIL("%s: %s, not %s", where(spare), errno_words(err),
		     errno_words(want.err));
	if (change != want.delta)
		FAIL("%s: mappings %+ld, not %+d", where(spare), change,
		     want.delta);
	ground_remove(ground);
	return true;
}

bool try_with(long spare, void (*make)(char *ground), int (*op)(char *ground),
	      struct outcome want)
{
	char *ground;

	test_unfill();
	ground = ground_make();
	make(ground);
	return try_on(ground, spare, op, want);
}

void try_at_limit(void (*make)(char *ground), int (*op)(char *ground),
		  struct outcome one_spare, struct outcome none_spare,
		  struct outcome above)
{
	char *grounds[3];

	test_unfill();
	for (size_t i = 0; i < 3; i++) {
		grounds[i] = ground_make();
		make(grounds[i]);
	}
	if (try_on(grounds[0], 1, op, one_spare) &&
	    try_on(grounds[1], 0, op, none_spare) && test_can_exceed())
		try_on(grounds[2], -1, op, above);
}
