// SPDX-License-Identifier: MIT
/*
 * Runs a table of tests, each in a process of its own, and keeps the score.
 *
 * A test's process is this program executed again with "--only N" in argv.
 * Where that cannot be (no /proc, a foreign architecture without binfmt) the
 * forked child runs the test itself. The score of a process is two flags;
 * its exit status carries them to the one that runs the table.
 *
 * Lines are formatted on the stack and leave in one write(2) each: nothing
 * here allocates, and lines of several threads do not mix.
 */
#include "test.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE_LEN 512

enum result { PASSED = 0, FAILED = 1, SKIPPED = 77 };

/* Set by any thread, read at the end; nothing is ordered by them. */
static atomic_bool has_failed;
static atomic_bool has_skipped;

/* Write the len bytes at text to fd; what cannot be written is lost. */
static void write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

/* Print prefix, the formatted words and a newline to fd. */
static void print_line(int fd, const char *prefix, const char *format,
		       va_list args)
{
	char line[LINE_LEN];
	size_t len = (size_t)snprintf(line, sizeof(line) / 2, "%s", prefix);
	int n = vsnprintf(line + len, sizeof(line) - len - 1, format, args);

	if (n > 0)
		len += (size_t)n;
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	line[len++] = '\n';
	write_all(fd, line, len);
}

void test_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line(STDOUT_FILENO, "", format, args);
	va_end(args);
}

/* The same to stderr. */
static void __attribute__((format(printf, 1, 2))) warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line(STDERR_FILENO, "", format, args);
	va_end(args);
}

bool test_failed(void)
{
	return atomic_load_explicit(&has_failed, memory_order_relaxed);
}

bool test_skipped(void)
{
	return atomic_load_explicit(&has_skipped, memory_order_relaxed);
}

void test_fail(const char *file, int line, const char *format, ...)
{
	char prefix[LINE_LEN / 2];
	va_list args;

	atomic_store_explicit(&has_failed, true, memory_order_relaxed);
	snprintf(prefix, sizeof(prefix), "%s:%d: ", file, line);
	va_start(args, format);
	print_line(STDERR_FILENO, prefix, format, args);
	va_end(args);
}

void test_skip(const char *format, ...)
{
	va_list args;

	atomic_store_explicit(&has_skipped, true, memory_order_relaxed);
	va_start(args, format);
	print_line(STDERR_FILENO, "skipped: ", format, args);
	va_end(args);
}

bool test_check(bool held, const char *file, int line, const char *what)
{
	if (!held)
		test_fail(file, line, "%s does not hold", what);
	return held;
}

bool test_compare(bool held, long long a, long long b, const char *file,
		  int line, const char *what)
{
	if (!held)
		test_fail(file, line, "%s: %lld (0x%llx), %lld (0x%llx)", what,
			  a, (unsigned long long)a, b, (unsigned long long)b);
	return held;
}

bool test_check_ok(int result, const char *file, int line, const char *what)
{
	int err = errno;

	if (result != 0)
		test_fail(file, line, "%s: returned %d, errno %d (%s)", what,
			  result, err, strerror(err));
	return result == 0;
}

bool test_check_errno(int result, int err, const char *file, int line,
		      const char *what, const char *err_name)
{
	int got = errno;
	bool held = result == -1 && got == err;

	if (result != -1)
		test_fail(file, line, "%s: returned %d, not -1 and %s", what,
			  result, err_name);
	else if (!held)
		test_fail(file, line, "%s: errno %d (%s), not %s", what, got,
			  strerror(got), err_name);
	return held;
}

bool test_check_str(const char *a, const char *b, const char *file, int line,
		    const char *what)
{
	bool held = strcmp(a, b) == 0;

	if (!held)
		test_fail(file, line, "%s: \"%s\", \"%s\"", what, a, b);
	return held;
}

/* What the checks of this process came to. */
static enum result score(void)
{
	if (test_failed())
		return FAILED;
	return test_skipped() ? SKIPPED : PASSED;
}

static enum result run_here(const struct test *test)
{
	atomic_store_explicit(&has_skipped, false, memory_order_relaxed);
	test->fn();
	test_unfill(); /* exit handlers and sanitizers may need mappings */
	return score();
}

/*
 * Run test number index in a process of its own. argv0 is for the name that
 * tools show. A signal that ends it is a failure.
 */
static enum result run_apart(const char *argv0, const struct test *test,
			     size_t index)
{
	char number[24];
	char *args[] = { (char *)argv0, (char *)"--only", number, NULL };
	int status;
	pid_t pid;

	snprintf(number, sizeof(number), "%zu", index);
	pid = fork();
	if (pid < 0) {
		warn("fork: %s", strerror(errno));
		return FAILED;
	}
	if (pid == 0) {
		execv("/proc/self/exe", args);
		_exit((int)run_here(test));
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status)) {
		warn("ended by signal %d (%s)", WTERMSIG(status),
		     strsignal(WTERMSIG(status)));
		return FAILED;
	}
	if (WEXITSTATUS(status) == PASSED || WEXITSTATUS(status) == SKIPPED)
		return (enum result)WEXITSTATUS(status);
	if (WEXITSTATUS(status) != FAILED)
		warn("exit status %d", WEXITSTATUS(status));
	return FAILED;
}

static const char *result_name(enum result result)
{
	switch (result) {
	case PASSED:
		return "ok  ";
	case SKIPPED:
		return "skip";
	case FAILED:
		break;
	}
	return "FAIL";
}

int test_main(int argc, char **argv, const struct test *tests, size_t nr)
{
	const char *words = argc > 1 ? argv[1] : NULL;
	size_t nr_passed = 0;
	size_t nr_failed = 0;
	size_t nr_skipped = 0;
	size_t i;

	if (argc == 3 && strcmp(words, "--only") == 0) {
		i = strtoul(argv[2], NULL, 10);
		return i < nr ? (int)run_here(&tests[i]) : (int)FAILED;
	}
	for (i = 0; i < nr; i++) {
		enum result result;

		if (words != NULL && strcmp(words, "-l") == 0) {
			test_say("%s", tests[i].sentence);
			continue;
		}
		if (words != NULL && strstr(tests[i].sentence, words) == NULL)
			continue;
		result = words != NULL ? run_here(&tests[i]) :
					 run_apart(argv[0], &tests[i], i);
		test_say("%s %s", result_name(result), tests[i].sentence);
		nr_passed += result == PASSED;
		nr_skipped += result == SKIPPED;
		nr_failed += result == FAILED;
	}
	if (nr_failed > 0)
		return FAILED;
	return nr_passed == 0 && nr_skipped > 0 ? SKIPPED : PASSED;
}

int test_in_child(int (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();

	if (pid < 0) {
		FAIL("fork: %s", strerror(errno));
		return TEST_CHILD_FAILED;
	}
	if (pid == 0) {
		int result = fn(arg);

		_exit(test_failed() ? TEST_CHILD_FAILED : result);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

uint64_t test_seed(void)
{
	const char *given = getenv("TEST_SEED");
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = (uint64_t)now.tv_nsec ^ ((uint64_t)now.tv_sec << 20) ^
	       (uint64_t)getpid();
	if (given != NULL)
		seed = strtoull(given, NULL, 0);
	test_say("TEST_SEED=0x%llx", (unsigned long long)seed);
	return seed;
}

struct test_rng test_rng(uint64_t seed)
{
	struct test_rng rng = { seed * 0x9e3779b97f4a7c15u };

	if (rng.state == 0)
		rng.state = 1;
	return rng;
}

uint64_t test_rand(struct test_rng *rng)
{
	rng->state ^= rng->state >> 12;
	rng->state ^= rng->state << 25;
	rng->state ^= rng->state >> 27;
	return rng->state * 0x2545f4914f6cdd1du;
}

uint64_t test_rand_below(struct test_rng *rng, uint64_t bound)
{
	return (uint64_t)(((unsigned __int128)test_rand(rng) * bound) >> 64);
}
