// SPDX-License-Identifier: MIT
/*
 * Naming maps costs no mappings with the drop-in, and is told to have worked
 * where the kernel has names. Everything else that prctl() does is done.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "memory.h"
#include "test.h"

#define RW	(PROT_READ | PROT_WRITE)
#define NR_MAPS 500
#define SLACK	20 /* mappings that come and go otherwise */

/* Not in older headers. */
#define SET_VMA		  0x53564d41
#define SET_VMA_ANON_NAME 0UL

/* The low half of a field of what a filter looks at. */
#define LOAD(field) \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))

static int name(char *addr, size_t len, const char *text)
{
	return prctl(SET_VMA, SET_VMA_ANON_NAME, addr, len, text);
}

static char *map(size_t nr)
{
	char *p = mmap(NULL, nr * test_page(), RW, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	return CHECK(p != MAP_FAILED) ? p : NULL;
}

/* What the kernel says to a good name, of memory that is its own. */
static int err_of_names(void)
{
	size_t len = test_page();
	char *p = mmap(NULL, len, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int err = name(p, 0, "name") == 0 ? 0 : errno;

	munmap(p, len);
	return err;
}

static void they_cost_no_mappings(void)
{
	static char *maps[NR_MAPS];
	int err = err_of_names();
	long before = test_mappings();

	for (int i = 0; i < NR_MAPS; i++) {
		maps[i] = map(2);
		if (maps[i] == NULL)
			return;
		errno = 0;
		CHECK_EQ(name(maps[i], test_page(), "name"), err ? -1 : 0);
		CHECK_EQ(errno, err);
	}
	if (memory_is_surefree())
		CHECK_LE(test_mappings(), before + SLACK);
	for (int i = 0; i < NR_MAPS; i++)
		CHECK_OK(munmap(maps[i], 2 * test_page()));
	CHECK_LE(test_mappings(), before + SLACK);
}

static void what_is_wrong_is_told(void)
{
	size_t page = test_page();
	char *p = map(8);

	CHECK_ERRNO(name(p + 1, page, "name"), EINVAL);
	CHECK_ERRNO(name(p, page, "a\nb"), EINVAL);
	CHECK_OK(munmap(p + 4 * page, page));
	if (err_of_names() != 0)
		SKIP("the kernel has no names of mappings");
	CHECK_ERRNO(name(p, page, (const char *)1), EFAULT);
	CHECK_ERRNO(name(p, 8 * page, "name"), ENOMEM);
	CHECK_OK(name(p, 4 * page, "name"));
	CHECK_OK(name(p, 4 * page, NULL));
	CHECK_OK(name(p, 0, "name"));
}

static void all_else_is_done(void)
{
	char text[16] = "";
	int signal_nr = 0;

	CHECK_OK(prctl(PR_SET_NAME, "some name"));
	CHECK_OK(prctl(PR_GET_NAME, text));
	CHECK_STR(text, "some name");
	CHECK_OK(prctl(PR_SET_PDEATHSIG, SIGUSR1));
	CHECK_OK(prctl(PR_GET_PDEATHSIG, &signal_nr));
	CHECK_EQ(signal_nr, SIGUSR1);
	CHECK_OK(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
	CHECK_EQ(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
	CHECK_OK(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
	CHECK_EQ(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 1);
	CHECK_ERRNO(prctl(-1, 0, 0, 0, 0), EINVAL);
	/* The fifth argument is looked at. */
	CHECK_ERRNO(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 1), EINVAL);
	CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
}

/*
 * As if the kernel had names: of no pages it says yes, of others E2BIG, which
 * tells that it was asked.
 */
static bool pretend_names(void)
{
	struct sock_filter code[] = {
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_prctl, 0, 5),
		LOAD(args[0]),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SET_VMA, 0, 3),
		LOAD(args[3]),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | E2BIG),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
	};
	struct sock_fprog program = { TEST_COUNT(code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
		test_skip("no system call filter: %s", strerror(errno));
		return false;
	}
	return true;
}

static void the_kernel_is_not_asked_to_name_ours(void)
{
	size_t page = test_page();
	char *p = map(8);
	char *shared = mmap(NULL, page, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (!pretend_names())
		return;
	CHECK_ERRNO(name(shared, page, "name"), E2BIG);
	if (!memory_is_surefree()) {
		CHECK_ERRNO(name(p, page, "name"), E2BIG);
		return;
	}
	CHECK_OK(name(p, page, "name"));
	CHECK_OK(name(p, 8 * page, "name"));
	CHECK_OK(mprotect(p + page, page, PROT_READ));
	CHECK_OK(name(p, 8 * page, "name"));
	CHECK_OK(munmap(p + 4 * page, page));
	CHECK_ERRNO(name(p, 8 * page, "name"), ENOMEM);
	CHECK_OK(name(p + 5 * page, 3 * page, NULL));
}

static const struct test tests[] = {
	{ "they cost no mappings", they_cost_no_mappings },
	{ "what is wrong is told", what_is_wrong_is_told },
	{ "the kernel is not asked to name ours",
	  the_kernel_is_not_asked_to_name_ours },
	{ "all else is done", all_else_is_done },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
