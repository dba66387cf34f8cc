// SPDX-License-Identifier: MIT
/* Statements of scenarios that are calls. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "script_parts.h"
#include "words.h"

#define FILE_PAGES 64
#define ROW_TRIES  200
#define NOBODY	   65534

void script_say_result(long result)
{
	if (result == 0 && errno != ERRNO_KEPT)
		script_say(" -> ok, and errno is %s\n", words_errno(errno));
	else if (result == 0)
		script_say(" -> ok\n");
	else
		script_say(" -> %ld %s\n", result, words_errno(errno));
}

/* Say what a call returned that gives an address; NULL wanted: anywhere. */
static bool say_mapped(const char *addr, const char *wanted)
{
	if (addr == MAP_FAILED) {
		script_say(" -> %s\n", words_errno(errno));
		return false;
	}
	if (((uintptr_t)addr & (script_page_len - 1)) != 0)
		script_say(" -> not aligned:");
	if (errno != ERRNO_KEPT)
		script_say(" -> errno is %s:", words_errno(errno));
	if (wanted == NULL)
		script_say(" -> ok\n");
	else
		script_say(" -> %s\n", addr == wanted ? "there" : "elsewhere");
	return true;
}

/* A file of FILE_PAGES pages, filled with 'A', 'B', ... */
static int open_file(void)
{
	static char page[64 << 10];
	int fd = memfd_create("scenario", MFD_CLOEXEC);

	if (fd < 0 || script_page_len > sizeof(page))
		_exit(5);
	for (int i = 0; i < FILE_PAGES; i++) {
		memset(page, 'A' + i % 26, script_page_len);
		if (write(fd, page, script_page_len) !=
		    (ssize_t)script_page_len)
			_exit(5);
	}
	return fd;
}

/* mmap() with the script_words of a statement from the given one on. */
static char *map_words(char *addr, const char **word)
{
	int fd = -1;
	bool is_file = strstr(word[2], "file") != NULL;
	int flags = (int)words_value(WORDS_FLAGS, word[2]);
	char *p;

	if (is_file)
		fd = open_file();
	else if (strstr(word[2], "fd3") != NULL)
		fd = 3;
	errno = ERRNO_KEPT;
	p = mmap(addr, script_len(word[0]),
		 (int)words_value(WORDS_PROT, word[1]), flags, fd,
		 strstr(word[2], "odd") != NULL ? 1 : 0);
	if (is_file) {
		int err = errno;

		close(fd);
		errno = err;
	}
	return p;
}

static void run_map(void)
{
	struct script_name *name = script_named(script_words[1]);
	char *p = map_words(NULL, &script_words[2]);

	if (!say_mapped(p, NULL))
		return;
	name->addr = p;
	name->len = script_len(script_words[2]);
}

static void run_mapat(void)
{
	char *addr = script_addr(script_words[1]);
	char *p = map_words(addr, &script_words[2]);

	/* What lies elsewhere can't be named. */
	if (say_mapped(p, addr) && p != addr)
		munmap(p, script_len(script_words[2]));
}

static int compare_names(const void *a, const void *b)
{
	const struct script_name *x = a;
	const struct script_name *y = b;

	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

/* Maps that lie apart are left, so that the next ones find another place. */
static void run_row(void)
{
	size_t len = script_len(script_words[4]);

	for (int try = 0; try < ROW_TRIES; try++) {
		struct script_name row[3];

		for (int i = 0; i < 3; i++) {
			row[i].addr = mmap(NULL, len, PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			row[i].len = len;
		}
		qsort(row, 3, sizeof(row[0]), compare_names);
		if (row[0].addr + len != row[1].addr ||
		    row[1].addr + len != row[2].addr)
			continue;
		for (int i = 0; i < 3; i++)
			*script_named(script_words[1 + i]) = row[i];
		script_say(" -> ok\n");
		return;
	}
	script_say(" -> apart\n");
}

static void run_remap(void)
{
	struct script_name *name = script_named(script_words[1]);
	char *to = script_words[6][0] != '\0' ? script_addr(script_words[6]) :
						NULL;
	size_t len = script_len(script_words[4]);
	char *p;

	errno = ERRNO_KEPT;
	p = mremap(script_addr(script_words[2]), script_len(script_words[3]),
		   len, (int)words_value(WORDS_REMAP, script_words[5]), to);
	if (!say_mapped(p, to))
		return;
	name->addr = p;
	name->len = len;
}

/* A call that takes a range and returns 0 or -1. */
static void run_range(void)
{
	const char *verb = script_words[0];
	char *addr = script_addr(script_words[1]);
	size_t len = script_len(script_words[2]);
	int prot = (int)words_value(WORDS_PROT, script_words[3]);
	int advice = (int)words_value(WORDS_ADVICE, script_words[3]);
	long result = 0;

	errno = ERRNO_KEPT;
	if (strcmp(verb, "unmap") == 0)
		result = munmap(addr, len);
	else if (strcmp(verb, "protect") == 0)
		result = mprotect(addr, len, prot);
	else if (strcmp(verb, "pkey") == 0)
		result = pkey_mprotect(addr, len, prot, atoi(script_words[4]));
	else if (strcmp(verb, "advise") == 0)
		result = madvise(addr, len, advice);
	else if (strcmp(verb, "lock") == 0)
		result = mlock(addr, len);
	else if (strcmp(verb, "unlock") == 0)
		result = munlock(addr, len);
	else if (strcmp(verb, "lock2") == 0)
		result = mlock2(addr, len,
				(unsigned int)strtoul(script_words[3], NULL,
						      0));
	script_say_result(result);
}

/* Returns the error, and leaves errno alone. */
static void run_padvise(void)
{
	int err;

	errno = ERRNO_KEPT;
	err = posix_madvise(script_addr(script_words[1]),
			    script_len(script_words[2]),
			    (int)words_value(WORDS_ADVICE, script_words[3]));
	script_say(" -> %s%s\n", err == 0 ? "ok" : words_errno(err),
		   errno == ERRNO_KEPT ? "" : ", and errno changed");
}

static void run_lockall(void)
{
	errno = ERRNO_KEPT;
	if (strcmp(script_words[0], "unlockall") == 0)
		script_say_result(munlockall());
	else
		script_say_result(mlockall(
			(int)words_value(WORDS_LOCKALL, script_words[1])));
}

static void run_limit(void)
{
	size_t len = script_len(script_words[1]);
	struct rlimit limit = { len, len };

	errno = ERRNO_KEPT;
	script_say_result(setrlimit(RLIMIT_MEMLOCK, &limit));
}

/* Of address space; "max": what it may be. */
static void run_aslimit(void)
{
	struct rlimit limit = { 0, 0 };

	errno = ERRNO_KEPT;
	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = script_len(script_words[1]);
	if (strcmp(script_words[1], "max") == 0)
		limit.rlim_cur = limit.rlim_max;
	script_say_result(setrlimit(RLIMIT_AS, &limit));
}

static void run_memlock(void)
{
	size_t len = script_len(script_words[1]);
	struct rlimit limit = { len, len };

	if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 ||
	    (geteuid() == 0 && setuid(NOBODY) != 0) ||
	    prctl(PR_SET_DUMPABLE, 1) != 0) /* /proc/self stays readable */
		script_say(" -> %s\n", words_errno(errno));
	else
		script_say(" -> ok\n");
}

const struct script_verb script_calls[] = {
	{ "map", run_map },	      { "mapat", run_mapat },
	{ "row", run_row },	      { "unmap", run_range },
	{ "protect", run_range },     { "pkey", run_range },
	{ "advise", run_range },      { "padvise", run_padvise },
	{ "lock", run_range },	      { "unlock", run_range },
	{ "lock2", run_range },	      { "lockall", run_lockall },
	{ "unlockall", run_lockall }, { "remap", run_remap },
	{ "memlock", run_memlock },   { "limit", run_limit },
	{ "aslimit", run_aslimit },   { NULL, NULL },
};
