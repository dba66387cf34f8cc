// SPDX-License-Identifier: MIT
/*
 * RLIMIT_AS and RLIMIT_DATA, lowered by the program or before it starts: they
 * bind malloc(), leave it most of what they allow, and leave others the rest.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "test.h"

#define MIB	  ((size_t)1 << 20)
#define LIMIT_LEN (400 * MIB)
#define BLOCK_LEN ((size_t)200000)
#define STARTED	  "TEST_STARTED_WITH_LIMIT"

static bool lower(__rlimit_resource_t which, size_t len)
{
	struct rlimit limit;

	if (!CHECK_OK(getrlimit(which, &limit)))
		return false;
	limit.rlim_cur = len;
	return CHECK_OK(setrlimit(which, &limit));
}

/* Allocate until no more is to be had, and free it. Returns how much it was. */
static size_t allocate_all(size_t block_len)
{
	void **last = NULL;
	size_t len = 0;
	void **block;

	while (len <= 2 * LIMIT_LEN && (block = malloc(block_len)) != NULL) {
		*block = last;
		last = block;
		len += block_len;
	}
	while (last != NULL) {
		block = *last;
		free(last);
		last = block;
	}
	return len;
}

/* Once more, too: what was freed is there again. */
static void check_share(size_t block_len, size_t percent)
{
	for (int i = 0; i < 2; i++) {
		size_t len = allocate_all(block_len);

		CHECK_GE(len, LIMIT_LEN / 100 * percent);
		CHECK_LE(len, LIMIT_LEN);
	}
}

static void *run(void *arg)
{
	*(bool *)arg = true;
	return NULL;
}

/* What needs address space that is not malloc's. */
static void check_others(size_t len)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	void *p = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
	bool ran = false;
	pthread_t thread;

	CHECK_NE(p, MAP_FAILED);
	munmap(p, len);
	close(fd);
	if (CHECK_EQ(pthread_create(&thread, NULL, run, &ran), 0)) {
		pthread_join(thread, NULL);
		CHECK(ran);
	}
	CHECK_EQ(system("true"), 0);
}

static void address_space_is_left(void)
{
	free(malloc(1));
	if (lower(RLIMIT_AS, LIMIT_LEN)) {
		check_others(LIMIT_LEN / 2);
		check_share(BLOCK_LEN, 75);
		check_share(1000, 70);
		check_share(30 * MIB, 50);
	}
}

static void address_space_below_use(void)
{
	char *p = malloc(64 * MIB);

	if (!CHECK(p != NULL) || !lower(RLIMIT_AS, 32 * MIB))
		return;
	p[0] = 1;
	p[64 * MIB - 1] = 1;
	CHECK(malloc(64 * MIB) == NULL);
	free(p);
	lower(RLIMIT_AS, LIMIT_LEN);
	check_share(BLOCK_LEN, 75);
}

static void data_is_left(void)
{
	free(malloc(1));
	if (lower(RLIMIT_DATA, LIMIT_LEN))
		check_share(BLOCK_LEN, 75);
}

/* By prlimit(), and by more than once. */
static void in_steps(void)
{
	for (size_t len = 8192 * MIB; len > LIMIT_LEN; len /= 2) {
		struct rlimit limit = { len, RLIM_INFINITY };
		char *p = malloc(BLOCK_LEN);

		CHECK(p != NULL);
		CHECK_OK(prlimit(getpid(), RLIMIT_AS, &limit, NULL));
		free(p);
	}
	if (lower(RLIMIT_AS, LIMIT_LEN))
		check_share(BLOCK_LEN, 75);
}

static void from_the_start(void)
{
	if (getenv(STARTED) == NULL) {
		lower(RLIMIT_AS, LIMIT_LEN);
		CHECK_OK(setenv(STARTED, "1", 1));
		execl("/proc/self/exe", "limits", "from the start", NULL);
		FAIL("cannot execute this program again");
		return;
	}
	check_others(LIMIT_LEN / 2);
	check_share(BLOCK_LEN, 75);
	check_share(1000, 70);
	check_share(30 * MIB, 50);
}

static void *churn(void *arg)
{
	const _Atomic bool *stop = arg;

	for (size_t i = 1; !*stop; i = i * 5 % 8191) {
		char *p = malloc(i * 100);

		if (p == NULL)
			continue;
		p[0] = 1;
		p[i * 100 - 1] = 1;
		free(p);
	}
	return NULL;
}

/* While other threads allocate. */
static void beside_threads(void)
{
	_Atomic bool stop = false;
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, churn, &stop), 0);
	for (size_t i = 0; i < 200; i++) {
		lower(RLIMIT_AS, (i % 2 + 1) * 4096 * MIB);
		lower(RLIMIT_DATA, (i % 3 + 1) * 2048 * MIB);
		usleep(1000);
	}
	stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	lower(RLIMIT_AS, LIMIT_LEN);
	check_share(BLOCK_LEN, 60);
}

static const struct test tests[] = {
	{ "RLIMIT_AS, lowered, binds malloc() and leaves others address space",
	  address_space_is_left },
	{ "RLIMIT_AS can be lower than what is in use",
	  address_space_below_use },
	{ "RLIMIT_DATA, lowered, leaves malloc() three quarters",
	  data_is_left },
	{ "RLIMIT_AS can be lowered again", in_steps },
	{ "RLIMIT_AS is obeyed from the start", from_the_start },
	{ "limits can be lowered while threads allocate", beside_threads },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
