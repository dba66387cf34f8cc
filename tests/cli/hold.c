// SPDX-License-Identifier: MIT
/*
 * A process to be looked at. Says "ready", then obeys lines on standard input,
 * and answers each with a line when it is done:
 *
 *	map N		have N more mappings, or one fewer
 *	refused N	have N calls of mmap() refused
 *	torn N		have N calls of madvise() fail for a hole
 *	threads N	start N threads that wait
 *	leave		end the first thread, when another obeys already
 *
 * Ends with its input.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* More than any address space has. */
#define REFUSED_LEN ((size_t)1 << 62)

static pthread_t first;

/* Readable pages amid inaccessible ones: two for each, one for the whole. */
static int map(long nr)
{
	size_t page_len = (size_t)sysconf(_SC_PAGESIZE);
	size_t len = ((size_t)nr + 1) * page_len;
	char *addr = mmap(NULL, len, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (addr == MAP_FAILED || madvise(addr, len, MADV_SEQUENTIAL) != 0)
		return errno;
	for (long i = 1; i < nr - 1; i += 2) {
		if (mprotect(addr + (size_t)i * page_len, page_len,
			     PROT_READ) != 0)
			return errno;
	}
	return 0;
}

static int be_refused(long nr)
{
	for (long i = 0; i < nr; i++) {
		if (mmap(NULL, REFUSED_LEN, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
			return EEXIST;
	}
	return 0;
}

static int be_torn(long nr)
{
	size_t page_len = (size_t)sysconf(_SC_PAGESIZE);
	char *addr = mmap(NULL, 3 * page_len, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (addr == MAP_FAILED || munmap(addr + page_len, page_len) != 0)
		return errno;
	for (long i = 0; i < nr; i++) {
		if (madvise(addr, 3 * page_len, MADV_DONTNEED) == 0 ||
		    errno != ENOMEM)
			return EEXIST;
	}
	return 0;
}

static void *wait_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static int start_threads(long nr)
{
	pthread_t thread;
	int err = 0;

	for (long i = 0; err == 0 && i < nr; i++)
		err = pthread_create(&thread, NULL, wait_for_ever, NULL);
	return err;
}

static void *obey(void *arg)
{
	char line[64];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		char *space = strchr(line, ' ');
		long nr = space != NULL ? strtol(space, NULL, 10) : 0;
		int err = EINVAL;

		if (strncmp(line, "map ", 4) == 0)
			err = map(nr);
		else if (strncmp(line, "refused ", 8) == 0)
			err = be_refused(nr);
		else if (strncmp(line, "torn ", 5) == 0)
			err = be_torn(nr);
		else if (strncmp(line, "threads ", 8) == 0)
			err = start_threads(nr);
		else if (strcmp(line, "leave\n") == 0)
			err = pthread_cancel(first);
		printf("%s %ld\n", err == 0 ? "done" : strerror(err), nr);
		fflush(stdout);
	}
	exit(0);
	return arg;
}

int main(void)
{
	pthread_t thread;

	puts("ready");
	fflush(stdout);
	first = pthread_self();
	if (pthread_create(&thread, NULL, obey, NULL) != 0)
		return 1;
	wait_for_ever(NULL);
	return 0;
}
