// SPDX-License-Identifier: MIT
/*
 * A program that uses up mappings in a way of its choice, for tests of commands
 * that look at others. Prints "ready" and ends when its input does.
 * usage: victim WAY COUNT, with one of the ways at the end; victim spare LIMIT
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define STACK_LEN   ((size_t)256 << 10)
#define BLOCK_LEN   ((size_t)64 << 10)
#define REFUSED_LEN ((size_t)1 << 62) /* more than any address space has */

static sem_t ended;
static pthread_t first;

static void *wait_for_end(void *arg)
{
	sem_wait(&ended);
	return arg;
}

static void *map(size_t len, int prot)
{
	void *addr = mmap(NULL, len, prot,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (addr == MAP_FAILED)
		perror("mmap");
	return addr != MAP_FAILED ? addr : NULL;
}

static int threads(size_t nr)
{
	pthread_t thread;

	for (size_t i = 0; i < nr; i++) {
		int err = pthread_create(&thread, NULL, wait_for_end, NULL);

		if (err != 0) {
			fprintf(stderr, "pthread_create: %s\n", strerror(err));
			return 3;
		}
	}
	return 0;
}

/* Stacks with a guard at the low end. */
static int fibers(size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		char *stack = map(STACK_LEN, PROT_READ | PROT_WRITE);

		if (stack == NULL)
			return 3;
		stack[STACK_LEN - 1] = 1;
		if (mprotect(stack, 4096, PROT_NONE) != 0) {
			perror("mprotect");
			return 3;
		}
	}
	return 0;
}

/* Every second block released. */
static int holes(size_t nr)
{
	char *addr = map(nr * BLOCK_LEN, PROT_READ | PROT_WRITE);

	if (addr == NULL)
		return 3;
	memset(addr, 1, nr * BLOCK_LEN);
	for (size_t i = 1; i < nr; i += 2) {
		if (munmap(addr + i * BLOCK_LEN, BLOCK_LEN) != 0) {
			perror("munmap");
			return 3;
		}
	}
	return 0;
}

/* Calls about a range with a hole: they fail, and do what they are to do. */
static int torn(size_t nr)
{
	char *addr = map(3 * BLOCK_LEN, PROT_READ | PROT_WRITE);

	if (addr == NULL || munmap(addr + BLOCK_LEN, BLOCK_LEN) != 0)
		return 3;
	for (size_t i = 0; i < nr; i++)
		if (madvise(addr, 3 * BLOCK_LEN, MADV_DONTNEED) == 0 ||
		    errno != ENOMEM)
			return 3;
	return mprotect(addr, 3 * BLOCK_LEN, PROT_READ) != 0 ? 0 : 3;
}

/* A hole of 2^nr bytes without the first and the last page, if it can be made. */
static int vast(size_t nr)
{
	size_t len = (size_t)1 << nr;
	char *addr = map(len, PROT_NONE);

	if (addr == NULL)
		return 77;
	return munmap(addr + 4096, len - 2 * 4096) == 0 ? 0 : 3;
}

/* Every second block of a reservation made accessible. */
static int commit(size_t nr)
{
	char *addr = map(2 * nr * BLOCK_LEN, PROT_NONE);

	for (size_t i = 0; addr != NULL && i < nr; i++) {
		char *block = addr + (2 * i + 1) * BLOCK_LEN;

		if (mprotect(block, BLOCK_LEN / 4, PROT_READ | PROT_WRITE))
			return 3;
	}
	return addr != NULL ? 0 : 3;
}

static int views(size_t nr)
{
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	for (size_t i = 0; i < nr; i++)
		if (mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED)
			return 3;
	return 0;
}

/* Calls that are refused, at any limit. */
static int refused(size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (mmap(NULL, REFUSED_LEN, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
			return 3;
	return 0;
}

/*
 * The same at a line of input, by a program whose file is gone; to open what
 * has its names now is to wait for ever.
 */
static int hidden(size_t nr)
{
	char name[512];
	ssize_t len = readlink("/proc/self/exe", name, 256);

	if (len < 0 || len == 256)
		return 3;
	name[len] = '\0';
	if (unlink(name) != 0 || mkfifo(name, 0666) != 0)
		return 3;
	strcpy(name + len, " (deleted)");
	if (mkfifo(name, 0666) != 0)
		return 3;
	puts("hidden");
	fflush(stdout);
	while (read(STDIN_FILENO, name, 1) == 1 && name[0] != '\n')
		;
	return refused(nr);
}

/*
 * Use up all mappings, and have four of ten pages not released. When the first
 * thread has ended.
 */
static void *leak_pages(void *arg)
{
	size_t nr = *(size_t *)arg;
	char *addr = map((2 * nr + 10) * 4096, PROT_READ | PROT_WRITE);
	char *pages = addr + 2 * nr * 4096;
	int failed = 0;

	pthread_join(first, NULL);
	for (size_t i = 0; addr != NULL && i < nr; i++)
		if (mprotect(addr + 2 * i * 4096, 4096, PROT_READ) != 0)
			break;
	for (size_t i = 0; addr != NULL && i < 10; i++)
		pages[i * 4096] = 1;
	for (size_t i = 1; addr != NULL && i < 9; i += 2)
		failed += munmap(pages + i * 4096, 4096) != 0;
	exit(failed == 4 ? 0 : 3);
	return arg;
}

static int unled(size_t nr)
{
	static size_t wanted;
	pthread_t thread;

	first = pthread_self();
	wanted = nr;
	if (pthread_create(&thread, NULL, leak_pages, &wanted) != 0)
		return 3;
	pthread_exit(NULL);
	return 0;
}

/* Print how many mappings are left, before anything is mapped. */
static int spare(size_t limit)
{
	char buf[4096];
	size_t nr = 0;
	ssize_t len;
	int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);

	while ((len = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < len; i++)
			nr += buf[i] == '\n';
	/* [vsyscall] is a line and no mapping; x86_64 has it at most. */
	nr -= memmem(buf, sizeof(buf), "[vsyscall]", 10) != NULL;
	close(fd);
	dprintf(STDOUT_FILENO, "spare %zu\n", limit - nr);
	return 0;
}

/* Until input ends; the process then, too. */
static void *obey(void *arg)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) > 0 || errno == EINTR)
		;
	exit(0);
	return arg;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*make)(size_t nr);
	} ways[] = {
		{ "threads", threads },
		{ "fibers", fibers },
		{ "holes", holes },
		{ "torn", torn },
		{ "vast", vast },
		{ "commit", commit },
		{ "views", views },
		{ "spare", spare },
		{ "refused", refused },
		{ "hidden", hidden },
		{ "unled", unled },
		/* The first thread ends before the others. */
		{ "headless", threads },
	};
	size_t nr = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
	pthread_t thread;
	int code = 2;

	sem_init(&ended, 0, 0);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (argc == 3 && strcmp(argv[1], ways[i].name) == 0)
			code = ways[i].make(nr);
	if (code == 0) {
		puts("ready");
		fflush(stdout);
		if (strcmp(argv[1], "headless") != 0)
			obey(NULL);
		if (pthread_create(&thread, NULL, obey, NULL) == 0)
			pthread_exit(NULL);
		code = 3;
	}
	return code;
}
