// SPDX-License-Identifier: MIT
/*
 * os/proc: lines of every length come out of the buffer as they are in the
 * file. And what its users (maps, limit, pagemap) say when a file can't be
 * read.
 */
#include "os/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/limit.h"
#include "os/maps.h"
#include "os/page.h"
#include "os/pagemap.h"
#include "refuse.h"
#include "test.h"

#define BUF_LEN (sizeof(((struct sf_proc *)0)->buf) - 1)

static char path[40];
static char content[200000];
static char read_back[sizeof(content) + 1];

/* A file with this content; its name is in path. */
static bool make_file(const char *text, size_t len)
{
	int fd = memfd_create("proc", MFD_CLOEXEC);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return CHECK_GE(fd, 0) && CHECK_EQ(write(fd, text, len), len);
}

/* Read all, put the newlines back; returns the number of lines. */
static size_t read_lines(size_t *len)
{
	struct sf_proc proc;
	size_t nr = 0;
	char *line;
	int got;

	*len = 0;
	if (!CHECK_EQ(sf_proc_open(&proc, path), 0))
		return 0;
	while ((got = sf_proc_line(&proc, &line)) == 1) {
		size_t line_len = strlen(line);

		if (!CHECK_LT(*len + line_len, sizeof(content)))
			break;
		memcpy(read_back + *len, line, line_len + 1);
		*len += line_len;
		read_back[(*len)++] = '\n';
		nr++;
	}
	CHECK_EQ(got, 0);
	CHECK_EQ(sf_proc_line(&proc, &line), 0);
	sf_proc_close(&proc);
	return nr;
}

static void check_lines(size_t len, size_t nr_lines)
{
	size_t got_len;

	if (!make_file(content, len))
		return;
	CHECK_EQ(read_lines(&got_len), nr_lines);
	CHECK_EQ(got_len, len);
	CHECK_EQ(memcmp(read_back, content, len), 0);
}

static void lines_of_all_lengths_are_read(void)
{
	struct test_rng rng = test_rng(test_seed());

	for (int round = 0; round < 20; round++) {
		size_t len = 0;
		size_t nr = 0;

		while (len < sizeof(content) - BUF_LEN) {
			size_t most = test_rand_below(&rng, 8) ? 100 : BUF_LEN;
			size_t line_len = test_rand_below(&rng, most);

			memset(content + len, 'a' + (int)(nr % 26), line_len);
			len += line_len;
			content[len++] = '\n';
			nr++;
		}
		check_lines(len, nr);
	}
}

static void lines_at_the_end_of_the_buffer_are_read(void)
{
	for (size_t len = BUF_LEN - 3; len < BUF_LEN; len++) {
		for (size_t before = 0; before < 3; before++) {
			memset(content, 'x', sizeof(content));
			memset(content, '\n', before);
			content[before + len] = '\n';
			content[before + len + 2] = '\n';
			check_lines(before + len + 3, before + 2);
		}
	}
}

static void a_last_line_needs_no_newline(void)
{
	size_t len;

	if (!make_file("one\ntwo", 7))
		return;
	CHECK_EQ(read_lines(&len), 2);
	read_back[len] = '\0';
	CHECK_STR(read_back, "one\ntwo\n");
}

static void an_empty_file_has_no_line(void)
{
	size_t len;

	if (!make_file("", 0))
		return;
	CHECK_EQ(read_lines(&len), 0);
}

/* Its rest is no line, wherever reads end. */
static void a_line_too_long_is_cut(void)
{
	for (size_t len = BUF_LEN - 1; len < 4 * BUF_LEN; len += BUF_LEN / 2) {
		size_t cut_len = len < BUF_LEN ? len : BUF_LEN;
		size_t got_len;

		memset(content, 'y', len);
		memcpy(content + len, "\nz\n", 3);
		if (!make_file(content, len + 3))
			return;
		CHECK_EQ(read_lines(&got_len), 2);
		CHECK_EQ(got_len, cut_len + 3);
		CHECK_EQ(memcmp(read_back, content, cut_len), 0);
		CHECK_EQ(memcmp(read_back + cut_len, "\nz\n", 3), 0);
		/* The last of all, and without a newline. */
		if (!make_file(content, len))
			return;
		CHECK_EQ(read_lines(&got_len), 1);
		CHECK_EQ(got_len, cut_len + 1);
	}
}

#define DEPTH 12

/* Folders of this name below fd, which becomes the last. False: not so many. */
static bool descend(int *fd, const char *name)
{
	for (int i = 0; i < DEPTH; i++) {
		int above = *fd;

		if (!CHECK_EQ(mkdirat(above, name, 0700), 0))
			return false;
		*fd = openat(above, name, O_PATH | O_CLOEXEC);
		close(above);
		if (!CHECK_GE(*fd, 0))
			return false;
	}
	return true;
}

static void remove_again(int fd, const char *name)
{
	for (int i = 0; i < DEPTH; i++) {
		int above = openat(fd, "..", O_PATH | O_CLOEXEC);

		unlinkat(above, name, AT_REMOVEDIR);
		close(fd);
		fd = above;
	}
	close(fd);
}

/* A newline is shown as \012: the line is four times as long as the path. */
static void mappings_of_files_with_long_names_count_once(void)
{
	char folder[] = "/tmp/surefree-XXXXXX";
	char name[251];
	size_t before = 0, after = 0;
	void *addr;
	int fd, file;

	memset(name, '\n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	if (!CHECK(mkdtemp(folder) != NULL))
		return;
	fd = open(folder, O_PATH | O_CLOEXEC);
	if (!descend(&fd, name))
		return;
	file = openat(fd, "file", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	CHECK_EQ(sf_maps_count(0, &before), 0);
	addr = mmap(NULL, 1, PROT_READ, MAP_SHARED, file, 0);
	CHECK(addr != MAP_FAILED);
	CHECK_EQ(sf_maps_count(0, &after), 0);
	CHECK_EQ(after, before + 1);
	munmap(addr, 1);
	close(file);
	unlinkat(fd, "file", 0);
	remove_again(fd, name);
	rmdir(folder);
}

static void check_number(const char *text, int want, size_t value)
{
	size_t got = 77;

	if (!make_file(text, strlen(text)))
		return;
	CHECK_EQ(sf_proc_number(path, &got), want);
	CHECK_EQ(got, want == 0 ? value : 77);
}

static void a_number_is_what_a_file_begins_with(void)
{
	check_number("65530\n", 0, 65530);
	check_number("0\n", 0, 0);
	check_number("18446744073709551615", 0, SIZE_MAX);
	check_number("12 34\n", 0, 12);
	check_number("", -EINVAL, 0);
	check_number("\n", -EINVAL, 0);
	check_number("-1\n", -EINVAL, 0);
	check_number("max\n", -EINVAL, 0);
	/* Digits of base 16 are none of base 10. */
	check_number("a\n", -EINVAL, 0);
}

static void words_and_digits_are_told_apart(void)
{
	char line[] = "Key: 7fff12a-9Z";
	char *rest = NULL;

	CHECK(!sf_proc_starts(line, "Keys:", &rest));
	CHECK(!sf_proc_starts(line, "Key: 7fff12a-9Z ", &rest));
	CHECK(sf_proc_starts(line, "", &rest));
	CHECK_EQ(rest, line);
	if (!CHECK(sf_proc_starts(line, "Key: ", &rest)))
		return;
	CHECK_EQ(sf_proc_digits(&rest, 16), 0x7fff12a);
	CHECK_EQ(*rest, '-');
	CHECK_EQ(sf_proc_digits(&rest, 16), 0);
	rest++;
	CHECK_EQ(sf_proc_digits(&rest, 10), 9);
	CHECK_STR(rest, "Z");
}

static void an_interrupted_call_is_made_again(void)
{
	size_t got = 0;

	if (!make_file("42\n", 3))
		return;
	refuse(__NR_openat, EINTR, 0, 3);
	refuse(__NR_read, EINTR, 0, 3);
	CHECK_EQ(sf_proc_number(path, &got), 0);
	CHECK_EQ(got, 42);
	CHECK_EQ(refuse_seen(), 4);
}

static void errors_are_passed_on(void)
{
	struct sf_proc proc;
	char *line;
	size_t got;

	CHECK_EQ(sf_proc_open(&proc, "/proc/self/none"), -ENOENT);
	CHECK_EQ(sf_proc_number("/proc/self/none", &got), -ENOENT);
	CHECK_EQ(sf_proc_number("/", &got), -EISDIR);
	if (!make_file("42\n", 3))
		return;
	refuse(__NR_read, EIO, 0, 1);
	CHECK_EQ(sf_proc_open(&proc, path), 0);
	CHECK_EQ(sf_proc_line(&proc, &line), -EIO);
	sf_proc_close(&proc);
}

static void errno_stays(void)
{
	size_t got;

	errno = 1234;
	sf_proc_number("/proc/self/none", &got);
	sf_maps_count(0, &got);
	CHECK_EQ(errno, 1234);
}

static void mappings_that_cannot_be_read_are_an_error(void)
{
	struct sf_mapping mapping;
	size_t got = 5;

	CHECK_EQ(sf_maps_count(-1, &got), -ESRCH);
	refuse(__NR_openat, EMFILE, 0, REFUSE_ALWAYS);
	CHECK_EQ(sf_maps_count(0, &got), -EMFILE);
	CHECK_EQ(sf_maps_find((uintptr_t)path, &mapping), -EMFILE);
	CHECK_EQ(sf_maps_page_tables(&got), -EMFILE);
	CHECK_EQ(sf_maps_resident(&got), -EMFILE);
	refuse_nothing();
	refuse(__NR_openat, ENOENT, 0, 1);
	CHECK_EQ(sf_maps_count(1, &got), -ESRCH);
	refuse_nothing();
	refuse(__NR_read, EIO, 0, REFUSE_ALWAYS);
	CHECK_EQ(sf_maps_count(0, &got), -EIO);
	CHECK_EQ(sf_maps_find((uintptr_t)path, &mapping), -EIO);
	CHECK_EQ(sf_maps_page_tables(&got), -EIO);
	CHECK_EQ(got, 5);
}

static void a_limit_that_cannot_be_read_is_the_default(void)
{
	size_t got = 0;

	refuse(__NR_openat, EACCES, 0, REFUSE_ALWAYS);
	CHECK_EQ(sf_limit_mappings(&got), -EACCES);
	CHECK_EQ(got, 65530);
	CHECK(!sf_limit_overcommit_strict());
}

static void pages_that_cannot_be_asked_for_count_as_touched(void)
{
	struct sf_pagemap pagemap;
	char *p;

	sf_page_init();
	p = mmap(NULL, sf_page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		 0);
	if (!CHECK(p != MAP_FAILED))
		return;
	refuse(__NR_openat, EACCES, 0, 1);
	sf_pagemap_open(&pagemap);
	refuse(__NR_mincore, EAGAIN, 0, 1);
	CHECK(sf_pagemap_touched(&pagemap, (uintptr_t)p));
	refuse(__NR_sysinfo, EPERM, 0, REFUSE_ALWAYS);
	CHECK(!sf_pagemap_touched(&pagemap, (uintptr_t)p));
	sf_pagemap_close(&pagemap);
	refuse_nothing();
	refuse(__NR_pread64, EIO, 0, REFUSE_ALWAYS);
	sf_pagemap_open(&pagemap);
	CHECK(sf_pagemap_touched(&pagemap, (uintptr_t)p));
	sf_pagemap_close(&pagemap);
}

static const struct test tests[] = {
	{ "lines of all lengths are read", lines_of_all_lengths_are_read },
	{ "lines at the end of the buffer are read",
	  lines_at_the_end_of_the_buffer_are_read },
	{ "a last line needs no newline", a_last_line_needs_no_newline },
	{ "an empty file has no line", an_empty_file_has_no_line },
	{ "a line too long is cut", a_line_too_long_is_cut },
	{ "mappings of files with long names count once",
	  mappings_of_files_with_long_names_count_once },
	{ "a number is what a file begins with",
	  a_number_is_what_a_file_begins_with },
	{ "words and digits are told apart", words_and_digits_are_told_apart },
	{ "an interrupted call is made again",
	  an_interrupted_call_is_made_again },
	{ "errors are passed on", errors_are_passed_on },
	{ "errno stays", errno_stays },
	{ "mappings that cannot be read are an error",
	  mappings_that_cannot_be_read_are_an_error },
	{ "a limit that cannot be read is the default",
	  a_limit_that_cannot_be_read_is_the_default },
	{ "pages that cannot be asked for count as touched",
	  pages_that_cannot_be_asked_for_count_as_touched },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
