// SPDX-License-Identifier: MIT
/*
 * Giving back shared memory and views of files: MADV_DONTNEED reports success
 * and frees nothing of it, or brings the file's bytes back. Holes must be
 * punched (MADV_REMOVE, fallocate).
 */
#include "kernel.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NR 16

static void *map_fd(int fd, int prot, int flags)
{
	void *p = mmap(NULL, NR * test_page(), prot, flags, fd, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* Bytes that the file behind fd takes in memory. */
static size_t file_len(int fd)
{
	struct stat status;

	CHECK_OK(fstat(fd, &status));
	return (size_t)status.st_blocks * 512;
}

static void shared_dontneed(void)
{
	int fd = open_memory_file(NR);
	char *p = map_fd(fd, RW, MAP_SHARED);

	CHECK_OK(madvise(p, NR * test_page(), MADV_DONTNEED));
	CHECK_EQ(file_len(fd), NR * test_page());
	CHECK_EQ(p[0], 1);
	CHECK_ERRNO(madvise(p, NR * test_page(), MADV_FREE), EINVAL);
}

static void shared_remove(void)
{
	int fd = open_memory_file(NR);
	size_t page = test_page();
	char *p = map_fd(fd, RW, MAP_SHARED);

	CHECK_OK(madvise(p + 4 * page, 4 * page, MADV_REMOVE));
	CHECK_EQ(file_len(fd), (NR - 4) * page);
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			   (off_t)(4 * page)));
	CHECK_EQ(file_len(fd), (NR - 8) * page);
	CHECK_EQ(p[0], 0); /* to look takes a page again */
	CHECK_EQ(p[4 * page], 0);
	CHECK_EQ(file_len(fd), (NR - 6) * page);
}

static void make_shared(char *g)
{
	CHECK_OK(protect(g, 0, GROUND_PAGES, RW));
	touch(g, 0, GROUND_PAGES);
}

static int remove_middle(char *g)
{
	if (advise(g, 5, 4, MADV_REMOVE) != 0)
		return -1;
	CHECK_EQ(*at(g, 5), 0);
	CHECK_EQ(*at(g, 9), 9);
	return 0;
}

static void remove_at_limit(void)
{
	try_at_limit(make_shared, remove_middle, OK(0), OK(0), OK(0));
}

static void shared_unmap(void)
{
	int fd = open_memory_file(NR);
	char *p = map_fd(fd, RW, MAP_SHARED);

	CHECK_OK(munmap(p, (NR - 1) * test_page()));
	CHECK_EQ(file_len(fd), NR * test_page());
}

static void private_file(void)
{
	int fd = open_memory_file(NR);
	char *p = map_fd(fd, RW, MAP_PRIVATE);

	p[0] = 77;
	CHECK_OK(madvise(p, NR * test_page(), MADV_DONTNEED));
	CHECK_EQ(p[0], 1);
	CHECK_ERRNO(madvise(p, NR * test_page(), MADV_FREE), EINVAL);
	CHECK_ERRNO(madvise(p, NR * test_page(), MADV_REMOVE), EACCES);
}

static const struct test tests[] = {
	{ "MADV_DONTNEED of shared memory succeeds and frees nothing",
	  shared_dontneed },
	{ "MADV_REMOVE and punching holes free shared memory", shared_remove },
	{ "MADV_REMOVE is never refused for mappings", remove_at_limit },
	{ "unmapping shared memory frees nothing while another view is left",
	  shared_unmap },
	{ "MADV_DONTNEED of a private file view brings the file's bytes back",
	  private_file },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
