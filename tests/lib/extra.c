// SPDX-License-Identifier: MIT
/*
 * Helpers for tests of the library, see extra.h. Threads are made before the
 * process is brought to the limit, where pthread_create() would be refused,
 * and joined after it has left it.
 */
#include "extra.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "test.h"

#define NR_THREADS 4
#define NR_ROUNDS  16
#define NOBODY	   65534
#define ERRNO_KEPT 4242 /* nobody sets this one */

static void run_once(const struct extra_case *c, bool shared)
{
	struct extra_work work = { .shared = shared };

	c->prepare(&work);
	if (!test_failed())
		c->act(&work);
}

static bool in_this_process(const struct extra_case *c, long spare)
{
	long before;

	if (!test_fill(spare))
		return false;
	before = test_mappings();
	run_once(c, false);
	CHECK_EQ(test_mappings(), before);
	return !test_failed();
}

struct child {
	const struct extra_case *c;
	struct extra_work work;
};

static int act_in_child(void *arg)
{
	struct child *child = arg;
	long before = test_mappings();

	child->c->act(&child->work);
	run_once(child->c, false);
	CHECK_EQ(test_mappings(), before);
	return 0;
}

static bool in_forked_child(const struct extra_case *c, long spare)
{
	struct child child = { .c = c };

	if (!test_fill(spare))
		return false;
	c->prepare(&child.work);
	if (test_failed())
		return false;
	CHECK_EQ(test_in_child(act_in_child, &child), 0);
	/* The parent's memory is as it was. */
	c->act(&child.work);
	return !test_failed();
}

static struct {
	pthread_barrier_t barrier;
	const struct extra_case *c;
	bool leave;
} together;

/* Each round starts and ends at the barrier, until told to leave. */
static void *thread_main(void *arg)
{
	(void)arg;
	for (;;) {
		pthread_barrier_wait(&together.barrier);
		if (together.leave)
			return NULL;
		for (int i = 0; i < NR_ROUNDS && !test_failed(); i++)
			run_once(together.c, true);
		pthread_barrier_wait(&together.barrier);
	}
}

static bool in_waiting_threads(long spare)
{
	long before;

	if (!test_fill(spare))
		return false;
	before = test_mappings();
	pthread_barrier_wait(&together.barrier);
	pthread_barrier_wait(&together.barrier);
	CHECK_EQ(test_mappings(), before);
	return !test_failed();
}

/* With least to most spare mappings; returns the number that went wrong. */
static long in_threads(const struct extra_case *c, long least, long most)
{
	pthread_t threads[NR_THREADS];
	long spare = least;

	together.c = c;
	pthread_barrier_init(&together.barrier, NULL, NR_THREADS + 1);
	for (int i = 0; i < NR_THREADS; i++)
		if (pthread_create(&threads[i], NULL, thread_main, NULL) != 0)
			abort(); /* the barrier would never open */
	while (spare <= most && in_waiting_threads(spare))
		spare++;
	test_unfill();
	together.leave = true;
	pthread_barrier_wait(&together.barrier);
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&together.barrier);
	together.leave = false;
	return spare;
}

static void run_with_spare(const struct extra_case *c, long least, long most)
{
	long spare = least;

	test_has_guard(); /* asked here, since asking needs a mapping */
	while (spare <= most && in_this_process(c, spare) &&
	       in_forked_child(c, spare))
		spare++;
	test_unfill();
	if (spare > most)
		spare = in_threads(c, least, most);
	if (test_failed())
		test_say("  with %ld spare mappings", spare);
}

void extra_at_limit(const struct extra_case *c)
{
	run_with_spare(c, 0, 2);
}

void extra_above_limit(const struct extra_case *c)
{
	run_with_spare(c, -1, -1);
}

void extra_set(char *addr, size_t len, int byte)
{
	memset(addr, byte, len);
}

bool extra_is(const char *addr, size_t len, int byte)
{
	for (size_t i = 0; i < len; i++) {
		if (addr[i] == (char)byte)
			continue;
		FAIL("byte %zu of %zu at %p is %d, must be %d", i, len,
		     (const void *)addr, addr[i], byte);
		return false;
	}
	return true;
}

void extra_unmap(void *addr, size_t len)
{
	errno = ERRNO_KEPT;
	surefree_unmap(addr, len);
	CHECK_EQ(errno, ERRNO_KEPT);
}

void extra_discard(void *addr, size_t len)
{
	errno = ERRNO_KEPT;
	surefree_discard(addr, len);
	CHECK_EQ(errno, ERRNO_KEPT);
}

void extra_check_released(char *addr, size_t len)
{
	size_t page = test_page();
	size_t step = len <= EXTRA_TRAP_LEN ? page : len - page;

	CHECK_EQ(test_resident(addr, len), 0);
	if (!test_has_guard())
		return;
	for (size_t at = 0; at < len; at += step)
		if (!CHECK_EQ(test_touches(addr + at), 1))
			return;
}

struct surefree_stats extra_stats(void)
{
	struct surefree_stats stats = { .size = sizeof(stats) };

	CHECK_OK(surefree_stats(&stats));
	return stats;
}

size_t extra_available(void)
{
	char text[4096];
	const char *at;
	ssize_t n;
	int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	at = strstr(text, "MemAvailable:");
	return at == NULL ? 0 : strtoul(at + 13, NULL, 10) * 1024;
}

struct ordinary {
	int (*fn)(void *arg);
	void *arg;
};

static int become_ordinary(void *arg)
{
	const struct ordinary *ordinary = arg;

	if (geteuid() == 0 && !CHECK_OK(setresuid(NOBODY, NOBODY, NOBODY)))
		return 1;
	return ordinary->fn(ordinary->arg);
}

int extra_in_ordinary_child(int (*fn)(void *arg), void *arg)
{
	struct ordinary ordinary = { fn, arg };

	return test_in_child(become_ordinary, &ordinary);
}

double extra_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
