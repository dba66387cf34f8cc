// SPDX-License-Identifier: MIT
/*
 * Where the kernel has no guard markers, as before 6.13, both modes say so in
 * one line and do all else. A filter that refuses them stands for such a kernel.
 */
#include "test.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "aborts.h"
#include "said.h"

#define GUARD_INSTALL 102

static const char *again; /* the test of the new program */

/* From here on madvise(MADV_GUARD_INSTALL) is an unknown advice. */
static bool refuse_markers(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, GUARD_INSTALL, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { TEST_COUNT(filter), filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void start_again(void)
{
	char *args[] = { (char *)"no_markers", (char *)again, NULL };

	if (refuse_markers())
		execv("/proc/self/exe", args);
	_exit(TEST_CHILD_FAILED);
}

/* Run [again] in a new program, and check its end and what it said. */
static void check(const char *name, int end, const char *words)
{
	char text[4096];

	again = name;
	CHECK_EQ(aborts_capture(start_again, text, sizeof(text)), end);
	if (strstr(text, "this kernel has no guard markers") == NULL ||
	    strstr(text, words) == NULL)
		FAIL("expected \"%s\" in \"%s\"", words, text);
}

static void work(void)
{
	for (size_t i = 0; i < 20000; i++) {
		size_t size = 1 + i * 7919 % 20000;
		char *p = said_block(size);
		char *q = calloc(1, size);

		if (!CHECK(q != NULL && q[0] == 0 && q[size - 1] == 0))
			return;
		memset(q, 1, size);
		free(p);
		free(q);
	}
}

static void write_beyond_end(void)
{
	char *volatile p = said_block(100);

	p[100] = 1;
	free(p);
}

static void free_twice(void)
{
	char *volatile p = said_block(100);

	free(p);
	free(p);
}

/* Of what nobody has, too: calloc() gives zeros all the same. */
static void write_anywhere(void)
{
	char *volatile p = said_block(100);
	char *q;

	p[2 * test_page()] = 1;
	q = calloc(1, 3 * test_page());
	for (size_t i = 0; q != NULL && i < 3 * test_page(); i++)
		if (!CHECK_EQ(q[i], 0))
			return;
}

static void blocks_are_had_and_freed(void)
{
	if (test_emulated())
		SKIP("programs are not started as they are");
	check("[work]", 0, "");
}

static void a_second_free_is_reported(void)
{
	if (test_emulated())
		SKIP("programs are not started as they are");
	check("[free twice]", -SIGABRT, "already free (a block of 1");
}

static void nothing_faults(void)
{
	const char *options = getenv("SUREFREE_OPTIONS");

	if (test_emulated())
		SKIP("programs are not started as they are");
	if (options != NULL && strstr(options, "fence") != NULL) {
		check("[write beyond]", -SIGABRT, "was written to");
		check("[write anywhere]", 0, "");
	} else {
		check("[write beyond]", 0, "");
	}
}

static const struct test tests[] = {
	{ "blocks are had and freed", blocks_are_had_and_freed },
	{ "a second free is reported", a_second_free_is_reported },
	{ "nothing faults", nothing_faults },
};

static const struct test parts[] = {
	{ "[work]", work },
	{ "[write beyond]", write_beyond_end },
	{ "[write anywhere]", write_anywhere },
	{ "[free twice]", free_twice },
};

int main(int argc, char **argv)
{
	if (argc == 2 && argv[1][0] == '[')
		return test_main(argc, argv, parts, TEST_COUNT(parts));
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
