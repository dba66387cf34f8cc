// SPDX-License-Identifier: MIT
/*
 * cli/mapped_file: what is mapped is opened, and nothing else that has its name
 * by then.
 */
#include "mapped_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "test.h"

static char folder[] = "/tmp/mapped_file.XXXXXX";
static char name[64];
static char other[64];

/* A file called name, and another; what maps would say of the first. */
static bool make(struct sf_mapped_file *file)
{
	struct stat st;
	int fd;

	if (!CHECK(mkdtemp(folder) != NULL))
		return false;
	snprintf(name, sizeof(name), "%s/file", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (!CHECK(fd >= 0) || !CHECK_OK(fstat(fd, &st)))
		return false;
	close(fd);
	fd = open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (!CHECK(fd >= 0))
		return false;
	close(fd);
	*file = (struct sf_mapped_file){ .pid = getpid(),
					 .name = name,
					 .inode = st.st_ino,
					 .major = major(st.st_dev),
					 .minor = minor(st.st_dev) };
	return true;
}

static void clean(void)
{
	unlink(name);
	unlink(other);
	rmdir(folder);
}

/* Whether it opens now; the test hangs where open() waits. */
static bool opens(const struct sf_mapped_file *file)
{
	int fd = sf_mapped_file_open(file);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void the_file_is_opened(void)
{
	struct sf_mapped_file file;

	if (!make(&file))
		return;
	CHECK(opens(&file));
	/* The process has ended. */
	file.pid = 0;
	CHECK(opens(&file));
	clean();
}

static void a_fifo_is_not(void)
{
	struct sf_mapped_file file;
	struct stat st;

	if (!make(&file))
		return;
	unlink(name);
	CHECK_OK(mkfifo(name, 0600));
	/* Its own number, too. */
	CHECK(!opens(&file));
	if (CHECK_OK(stat(name, &st)))
		file.inode = st.st_ino;
	CHECK(!opens(&file));
	clean();
}

static void a_device_is_not(void)
{
	struct sf_mapped_file file = { .pid = getpid(), .name = "/dev/null" };
	struct stat st;

	if (!CHECK_OK(stat(file.name, &st)))
		return;
	file.inode = st.st_ino;
	file.major = major(st.st_dev);
	file.minor = minor(st.st_dev);
	CHECK(!opens(&file));
}

static void another_file_is_not(void)
{
	struct sf_mapped_file file;

	if (!make(&file))
		return;
	unlink(name);
	CHECK_OK(symlink(other, name));
	CHECK(!opens(&file));
	unlink(name);
	CHECK_OK(link(other, name));
	CHECK(!opens(&file));
	clean();
}

static void one_of_another_device_is_not(void)
{
	struct sf_mapped_file file;
	bool has_device;

	if (!make(&file))
		return;
	has_device = file.major != 0;
	file.minor++;
	CHECK(opens(&file) == !has_device);
	clean();
}

static const struct test tests[] = {
	{ "the file is opened", the_file_is_opened },
	{ "a FIFO is not", a_fifo_is_not },
	{ "a device is not", a_device_is_not },
	{ "another file is not", another_file_is_not },
	{ "one of another device is not", one_of_another_device_is_not },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
