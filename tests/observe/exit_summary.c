// SPDX-License-Identifier: MIT
/* stats=exit: what is written when a process ends, and when nothing is. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "observe.h"
#include "test.h"

#define OTHER_FILE "SUREFREE_TEST_FILE"
#define NR_BLOCKS  20000
#define BLOCK_LEN  160

static void *volatile blocks[NR_BLOCKS];
static char text[65536];

static void fill(void)
{
	for (size_t i = 0; i < NR_BLOCKS; i++)
		blocks[i] = malloc(BLOCK_LEN);
}

static void at_once(void)
{
	fill();
	_exit(0);
}

/* As many tools do that look whether their output was written. */
static void without_stderr(void)
{
	fill();
	fclose(stderr);
}

/* The number of the copy of stderr is another file's by now. */
static void with_other_files(void)
{
	int fd = open(getenv(OTHER_FILE), O_WRONLY | O_APPEND);

	fill();
	CHECK_GE(fd, 0);
	for (int i = STDERR_FILENO + 1; i < 1024; i++)
		if (i != fd)
			dup2(fd, i);
	close(STDERR_FILENO);
}

static const struct observe_case cases[] = {
	{ "fill", fill },
	{ "at_once", at_once },
	{ "without_stderr", without_stderr },
	{ "with_other_files", with_other_files },
};

/* The number that follows words in the text. */
static long number_after(const char *words)
{
	const char *at = strstr(text, words);

	if (at == NULL) {
		FAIL("no \"%s\" in: %s", words, text);
		return -1;
	}
	return strtol(at + strlen(words), NULL, 10);
}

static void check_summary(void)
{
	char line[64];
	const char *at;
	long slabs = 0;
	long used = 0;

	CHECK(strncmp(text, "surefree: process ", 18) == 0);
	CHECK_GT(number_after("surefree: process "), 0);
	CHECK(strstr(text, ") at exit\n") != NULL);
	CHECK_GE(number_after("  blocks in use "), 3);
	CHECK(strstr(text, "  retained ") != NULL);
	CHECK(strstr(text, "bound 128.0 MiB\n") != NULL);
	CHECK(strstr(text, "refused") == NULL);
	/* Most slabs are of the blocks that were filled. */
	snprintf(line, sizeof(line), "\n  %10d ", BLOCK_LEN);
	at = strstr(text, line);
	if (!CHECK(at != NULL))
		return;
	CHECK_EQ(sscanf(at, "%*d %ld %*s %*s %ld", &slabs, &used), 2);
	CHECK_GE(slabs * 65536, NR_BLOCKS * BLOCK_LEN);
	CHECK_GE(used, NR_BLOCKS);
	CHECK_LE(at, strstr(text, "filled\n") + strlen("filled"));
}

static void a_summary_is_written_at_exit(void)
{
	if (observe_run("stats=exit", "fill", text, sizeof(text)))
		check_summary();
}

static void the_bound_is_the_options(void)
{
	if (observe_run("stats=exit,retain=0", "fill", text, sizeof(text)))
		CHECK(strstr(text, "peak 0 B, bound 0 B\n") != NULL);
}

static void nothing_is_written_without_the_option(void)
{
	if (observe_run("", "fill", text, sizeof(text)))
		CHECK_STR(text, "");
	if (observe_run("stats=off", "fill", text, sizeof(text)))
		CHECK_STR(text, "");
}

static void nothing_is_written_by__exit(void)
{
	if (observe_run("stats=exit", "at_once", text, sizeof(text)))
		CHECK_STR(text, "");
}

static void it_is_written_where_stderr_was(void)
{
	if (observe_run("stats=exit", "without_stderr", text, sizeof(text)))
		check_summary();
}

static void it_is_not_written_into_other_files(void)
{
	char path[] = "/tmp/surefree-test-XXXXXX";
	int fd = mkstemp(path);

	if (!CHECK_GE(fd, 0))
		return;
	setenv(OTHER_FILE, path, 1);
	if (observe_run("stats=exit", "with_other_files", text, sizeof(text)))
		CHECK_STR(text, "");
	CHECK_EQ(lseek(fd, 0, SEEK_END), 0);
	close(fd);
	unlink(path);
}

static void other_words_are_refused(void)
{
	if (observe_run("stats=yes", "fill", text, sizeof(text)))
		CHECK_STR(text, "surefree: SUREFREE_OPTIONS: stats=yes: "
				"expected exit or off\n");
}

static const struct test tests[] = {
	{ "a summary is written at exit", a_summary_is_written_at_exit },
	{ "the bound is the option's", the_bound_is_the_options },
	{ "nothing is written without the option",
	  nothing_is_written_without_the_option },
	{ "nothing is written by _exit", nothing_is_written_by__exit },
	{ "it is written where stderr was", it_is_written_where_stderr_was },
	{ "it is not written into other files",
	  it_is_not_written_into_other_files },
	{ "other words are refused", other_words_are_refused },
};

int main(int argc, char **argv)
{
	observe_cases(argc, argv, cases, TEST_COUNT(cases));
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
