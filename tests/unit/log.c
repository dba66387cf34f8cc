// SPDX-License-Identifier: MIT
/* base/log: one line, whole, in one write, and errno as it was. */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "aborts.h"
#include "test.h"

#define NR_THREADS 4
#define NR_LINES   50

static char text[65536];

static void warn_of_numbers(void)
{
	sf_warn("%s %d %#x", "words", -5, 0xabc);
}

static void a_line_has_its_prefix_and_newline(void)
{
	CHECK_EQ(aborts_capture(warn_of_numbers, text, sizeof(text)), 0);
	CHECK_STR(text, "surefree: words -5 0xabc\n");
}

static void warn_of_nothing(void)
{
	sf_warn("%s", "");
}

static void an_empty_line_is_a_line(void)
{
	CHECK_EQ(aborts_capture(warn_of_nothing, text, sizeof(text)), 0);
	CHECK_STR(text, "surefree: \n");
}

static size_t warned_len;

static void warn_at_length(void)
{
	static char words[2000];

	memset(words, 'w', warned_len);
	sf_warn("%s", words);
}

static void a_long_line_is_cut(void)
{
	const size_t prefix_len = strlen("surefree: ");

	for (warned_len = 490; warned_len < 520; warned_len++) {
		size_t len;

		aborts_capture(warn_at_length, text, sizeof(text));
		len = strlen(text);
		CHECK_LE(len, 512);
		if (len < 511)
			CHECK_EQ(len, prefix_len + warned_len + 1);
		/* What is there is right, and it ends a line. */
		CHECK_EQ(strspn(text + prefix_len, "w"), len - prefix_len - 1);
		CHECK_EQ(text[len - 1], '\n');
	}
	warned_len = 1999;
	aborts_capture(warn_at_length, text, sizeof(text));
	CHECK_EQ(strlen(text), 511);
}

static void warn_with_errno(void)
{
	errno = 1234;
	sf_warn("of something");
	CHECK_EQ(errno, 1234);
	close(STDERR_FILENO);
	sf_warn("of something that cannot be written");
	if (errno != 1234)
		_exit(1);
}

static void errno_stays(void)
{
	CHECK_EQ(aborts_capture(warn_with_errno, text, sizeof(text)), 0);
	CHECK_STR(text, "surefree: of something\n");
}

static void end_with_words(void)
{
	aborts_say("surefree: the end of 3");
	sf_fatal("the end of %d", 3);
}

static void a_fatal_line_ends_the_process(void)
{
	if (test_emulated())
		SKIP("an emulator adds words of its own");
	aborts(end_with_words);
}

static void *warn_often(void *arg)
{
	for (int i = 0; i < NR_LINES; i++)
		sf_warn("%s", (const char *)arg);
	return NULL;
}

static void warn_from_threads(void)
{
	static const char *const words[NR_THREADS] = {
		"aaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbb",
		"cccccccccccccccccccccccc", "dddddddddddddddddddddddd"
	};
	pthread_t threads[NR_THREADS];

	for (int i = 0; i < NR_THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, warn_often,
					(void *)(uintptr_t)words[i]),
			 0);
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void lines_of_threads_do_not_mix(void)
{
	size_t nr = 0;

	CHECK_EQ(aborts_capture(warn_from_threads, text, sizeof(text)), 0);
	for (char *line = strtok(text, "\n"); line != NULL;
	     line = strtok(NULL, "\n")) {
		char *words = line + strlen("surefree: ");
		char letter[2] = { *words, '\0' };

		CHECK_EQ(strncmp(line, "surefree: ", 10), 0);
		CHECK_EQ(strspn(words, letter), 24);
		CHECK_EQ(strlen(words), 24);
		nr++;
	}
	CHECK_EQ(nr, NR_THREADS * NR_LINES);
}

static const struct test tests[] = {
	{ "a line has its prefix and newline",
	  a_line_has_its_prefix_and_newline },
	{ "an empty line is a line", an_empty_line_is_a_line },
	{ "a long line is cut", a_long_line_is_cut },
	{ "errno stays", errno_stays },
	{ "a fatal line ends the process", a_fatal_line_ends_the_process },
	{ "lines of threads do not mix", lines_of_threads_do_not_mix },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
