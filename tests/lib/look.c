// SPDX-License-Identifier: MIT
/*
 * Looks at memory: what is resident, what faults, what this kernel can do.
 *
 * Resident pages are read from /proc/self/pagemap (the present and swapped
 * bits need no rights). Faults are caught by a handler that jumps back, which
 * is put in place at the first use and stays; it minds only the thread that
 * is touching, any other fault ends the process as usual.
 */
#include "test.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGEMAP_PRESENT (1ull << 63)
#define PAGEMAP_SWAPPED (1ull << 62) /* also set for guard markers */
#define PAGEMAP_GUARD	(1ull << 58) /* since 6.15 */

#define GUARD_INSTALL 102
#define GUARD_REMOVE  103

/* Where to go back to, or NULL. Volatile: the handler reads it. */
static __thread sigjmp_buf *volatile touching;

static bool page_is_resident(uint64_t entry)
{
	if (entry & PAGEMAP_PRESENT)
		return true;
	return (entry & PAGEMAP_SWAPPED) && !(entry & PAGEMAP_GUARD);
}

size_t test_resident(const void *addr, size_t len)
{
	uint64_t entries[512];
	size_t page = test_page();
	uintptr_t first = (uintptr_t)addr / page;
	uintptr_t end = ((uintptr_t)addr + len + page - 1) / page;
	size_t nr = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (!CHECK(fd >= 0))
		return 0;
	while (first < end) {
		size_t left = end - first;
		size_t want = left < 512 ? left : 512;
		ssize_t n = pread(fd, entries, want * 8, (off_t)first * 8);

		if (!CHECK(n > 0))
			break;
		for (size_t i = 0; i < (size_t)n / 8; i++)
			nr += page_is_resident(entries[i]);
		first += (size_t)n / 8;
	}
	close(fd);
	return nr * page;
}

/* Read the number behind "name:" in a /proc file, in kB, as bytes. */
static size_t read_kb(const char *path, const char *name)
{
	char text[4096];
	size_t len = strlen(name);
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	for (char *p = text; p != NULL; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (strncmp(p, name, len) == 0 && p[len] == ':')
			return strtoul(p + len + 1, NULL, 10) * 1024;
	}
	return 0;
}

size_t test_status(const char *name)
{
	return read_kb("/proc/self/status", name);
}

size_t test_rollup(const char *name)
{
	return read_kb("/proc/self/smaps_rollup", name);
}

size_t test_meminfo(const char *name)
{
	return read_kb("/proc/meminfo", name);
}

/* status is only nearly right (per-CPU counters); the roll-up walks tables. */
size_t test_rss_anon(void)
{
	if (access("/proc/self/smaps_rollup", R_OK) == 0)
		return test_rollup("Anonymous");
	return test_status("RssAnon");
}

bool test_is_limited(void)
{
	int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);
	struct rlimit data = { 0 };
	struct rlimit space = { 0 };
	char mode = '0';

	if (fd >= 0 && read(fd, &mode, 1) < 0)
		mode = '0';
	if (fd >= 0)
		close(fd);
	getrlimit(RLIMIT_DATA, &data);
	getrlimit(RLIMIT_AS, &space);
	return mode == '2' || data.rlim_cur != RLIM_INFINITY ||
	       space.rlim_cur != RLIM_INFINITY;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	int code = info->si_code + (sig == SIGBUS ? 100 : 0);

	(void)context;
	if (touching == NULL) {
		signal(sig, SIG_DFL);
		return; /* the same fault again ends the process */
	}
	siglongjmp(*touching, code);
}

static void catch_faults(void)
{
	static bool done; /* set twice by a race: no harm */
	struct sigaction action;

	if (__atomic_load_n(&done, __ATOMIC_RELAXED))
		return;
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = on_fault;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	__atomic_store_n(&done, true, __ATOMIC_RELAXED);
}

/* The access itself; sanitizers would stop at it before the kernel does. */
__attribute__((no_sanitize("address", "thread"))) static int
access_byte(volatile char *p, bool write_back)
{
	sigjmp_buf back;
	int code;

	catch_faults();
	code = sigsetjmp(back, 1);
	if (code == 0) {
		char byte;

		touching = &back;
		byte = *p;
		if (write_back)
			*p = byte;
	}
	touching = NULL;
	return code;
}

int test_touches(void *addr)
{
	return access_byte(addr, true);
}

int test_reads(const void *addr)
{
	return access_byte((volatile char *)(uintptr_t)addr, false);
}

bool test_has_guard(void)
{
	static int answer; /* 0: not asked, 1: no, 2: yes */
	size_t page = test_page();
	char *p;

	if (answer != 0)
		return answer == 2;
	answer = 1;
	p = mmap(NULL, page, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return false;
	if (madvise(p, page, GUARD_INSTALL) == 0 && test_touches(p) != 0 &&
	    madvise(p, page, GUARD_REMOVE) == 0 && test_touches(p) == 0)
		answer = 2;
	munmap(p, page);
	return answer == 2;
}
