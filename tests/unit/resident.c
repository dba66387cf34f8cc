// SPDX-License-Identifier: MIT
/*
 * cli/resident: how many pages of a range are there, found by the kernel and
 * page by page; of a range without end in no time.
 */
#include "resident.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define LEN ((size_t)1 << 42)

/* A reservation with some pages that are there; NULL: not to be had. */
static char *make(size_t nr)
{
	char *addr = mmap(NULL, LEN, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t page = test_page();

	if (addr == MAP_FAILED)
		return NULL;
	CHECK_OK(mprotect(addr, 2 * nr * page, PROT_READ | PROT_WRITE));
	for (size_t i = 0; i < nr; i++)
		addr[2 * i * page] = 1;
	return addr;
}

/* Of the first len bytes, in this process; as count() and how it ended. */
static int count(const char *addr, size_t len, bool by_page, uint64_t *nr)
{
	struct sf_resident look;
	int err = sf_resident_open(&look, getpid());

	*nr = 0;
	look.by_page = by_page;
	if (err == 0)
		err = sf_resident_count(&look, (uintptr_t)addr,
					(uintptr_t)addr + len, nr);
	sf_resident_close(&look);
	return err;
}

/* Whether the kernel can look. */
static bool scans(const char *addr)
{
	struct sf_resident look;
	uint64_t nr = 0;
	bool can;

	if (!CHECK_EQ(sf_resident_open(&look, getpid()), 0))
		return false;
	CHECK_EQ(sf_resident_count(&look, (uintptr_t)addr, (uintptr_t)addr + 1,
				   &nr),
		 0);
	can = !look.by_page;
	sf_resident_close(&look);
	return can;
}

static void both_ways_agree(void)
{
	size_t nr_pages = 2000;
	char *addr = make(nr_pages);
	uint64_t nr;

	if (addr == NULL)
		SKIP("no such address space");
	for (int by_page = 0; by_page < 2; by_page++) {
		CHECK_EQ(count(addr, 3 * nr_pages * test_page(), by_page, &nr),
			 0);
		CHECK_EQ(nr, nr_pages);
		/* From the middle of a page to that of another. */
		CHECK_EQ(count(addr + 1, 2 * test_page(), by_page, &nr), 0);
		CHECK_EQ(nr, 2);
	}
}

static void a_vast_range_takes_no_time(void)
{
	size_t nr_pages = 2000;
	char *addr = make(nr_pages);
	uint64_t nr;

	if (addr == NULL)
		SKIP("no such address space");
	/* 20 seconds, page by page. */
	alarm(10);
	CHECK_EQ(count(addr, LEN, true, &nr), -EFBIG);
	if (scans(addr)) {
		CHECK_EQ(count(addr, LEN, false, &nr), 0);
		CHECK_EQ(nr, nr_pages);
	}
	alarm(0);
}

static void it_can_be_stopped(void)
{
	volatile sig_atomic_t stop = 1;
	char *addr = make(1);
	struct sf_resident look;
	uint64_t nr = 0;

	if (addr == NULL)
		SKIP("no such address space");
	for (int by_page = 0; by_page < 2; by_page++) {
		if (!CHECK_EQ(sf_resident_open(&look, getpid()), 0))
			return;
		look.by_page = by_page;
		look.stop = &stop;
		CHECK_EQ(sf_resident_count(&look, (uintptr_t)addr,
					   (uintptr_t)addr + test_page(), &nr),
			 -EINTR);
		sf_resident_close(&look);
	}
}

static void who_has_ended_is_known(void)
{
	char *addr = make(10);
	struct sf_resident look[2];
	uint64_t nr = 0;
	pid_t pid;

	if (addr == NULL)
		SKIP("no such address space");
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	if (!CHECK(pid > 0))
		return;
	for (int i = 0; i < 2; i++)
		CHECK_EQ(sf_resident_open(&look[i], pid), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	look[1].by_page = true;
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(sf_resident_count(&look[i], (uintptr_t)addr,
					   (uintptr_t)addr + test_page(), &nr),
			 -ESRCH);
		sf_resident_close(&look[i]);
	}
}

static const struct test tests[] = {
	{ "both ways agree", both_ways_agree },
	{ "a vast range takes no time", a_vast_range_takes_no_time },
	{ "it can be stopped", it_can_be_stopped },
	{ "who has ended is known", who_has_ended_is_known },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
