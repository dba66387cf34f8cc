/* SPDX-License-Identifier: MIT */
/*
 * What every test is made of: a table of sentences that must hold, each with
 * the function that shows it, and helpers to bring the process to its limit of
 * mappings and to look at what the kernel did.
 *
 *	static void unmapping_frees_the_page(void)
 *	{
 *		char *p = surefree_map(4096, 0);
 *
 *		if (!CHECK(p != NULL))
 *			return;
 *		*p = 1;
 *		surefree_unmap(p, 4096);
 *		CHECK_EQ(test_resident(p, 4096), 0);
 *	}
 *
 *	static const struct test tests[] = {
 *		{ "unmapping frees the page", unmapping_frees_the_page },
 *	};
 *
 *	int main(int argc, char **argv)
 *	{
 *		return test_main(argc, argv, tests, TEST_COUNT(tests));
 *	}
 *
 * Each test runs in a process of its own, freshly executed, so that it finds
 * no mapping, lock or limit that another one left behind. "prog -l" lists the
 * tests; "prog WORDS" runs those whose sentence contains WORDS, in the calling
 * process, as a debugger wants it.
 *
 * The program exits 0 (passed), 1 (something failed) or 77 (nothing failed,
 * nothing passed: all skipped, and stderr says why).
 *
 * Nothing in here allocates: every helper works at the limit, with no spare
 * mapping and no heap. Linux, 64-bit, glibc or static, kernel 5.4 and later.
 */
#ifndef TEST_H
#define TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct test {
	const char *sentence; /* what must hold */
	void (*fn)(void);     /* shows it with CHECK, or skips with SKIP */
};

#define TEST_COUNT(tests) (sizeof(tests) / sizeof((tests)[0]))

/* Run the table; returns what main() shall return. */
int test_main(int argc, char **argv, const struct test *tests, size_t nr);

/*
 * Checks. Each is an expression: true when it held. When it did not, it prints
 * the place, the expression and the values, and the test has failed, but goes
 * on; return where that makes no sense. Any thread may check.
 */
#define CHECK(cond) test_check((cond) ? 1 : 0, __FILE__, __LINE__, #cond)

/* Integers or pointers: a OP b. */
#define CHECK_EQ(a, b) TEST_COMPARE(a, ==, b)
#define CHECK_NE(a, b) TEST_COMPARE(a, !=, b)
#define CHECK_LT(a, b) TEST_COMPARE(a, <, b)
#define CHECK_LE(a, b) TEST_COMPARE(a, <=, b)
#define CHECK_GT(a, b) TEST_COMPARE(a, >, b)
#define CHECK_GE(a, b) TEST_COMPARE(a, >=, b)

/* A call that returns 0, or anything else with errno, which is printed. */
#define CHECK_OK(call) test_check_ok((call), __FILE__, __LINE__, #call)

/* A call that must return -1 (an int) with errno == err. */
#define CHECK_ERRNO(call, err) \
	test_check_errno((call), (err), __FILE__, __LINE__, #call, #err)

/* Two strings that must be the same. */
#define CHECK_STR(a, b) \
	test_check_str((a), (b), __FILE__, __LINE__, #a " is " #b)

/* Fail with words of your own (printf style). */
#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)

/* Give the reason (printf style) and leave the test; void functions only. */
#define SKIP(...)                       \
	do {                            \
		test_skip(__VA_ARGS__); \
		return;                 \
	} while (0)

/* Whether a check of this process failed or it was skipped: time to leave. */
bool test_failed(void);
bool test_skipped(void);

/* Print a line of words to stdout (printf style, at most 500 bytes). */
void test_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * The limit
 */

/* vm.max_map_count. */
long test_limit(void);

/* The mappings of this process, counted as the kernel counts them. */
long test_mappings(void);

/*
 * Fill this process with mappings until exactly spare are left, that is until
 * test_mappings() == test_limit() - spare; -1 puts it one above the limit,
 * where test_can_exceed(). Takes some 0.05 s, and less when called again to
 * fill or empty to another number. False when that is not to be had; then
 * leave: the reason was printed, and it skips the test where an emulator or
 * the kernel is the cause.
 *
 * The filling is PROT_NONE and PROT_READ in turns, never touched, one page
 * each, and never merges with other memory. It counts for RLIMIT_AS and
 * RLIMIT_MEMLOCK, so fill before you lower those or lock future memory.
 */
bool test_fill(long spare);

/*
 * Whether mmap() at the limit still succeeds, so that the process has one
 * mapping more than vm.max_map_count. Tried once, in 0.1 s.
 */
bool test_can_exceed(void);

/* Take all of the filling away. Needs no mapping. */
void test_unfill(void);

/*
 * Look at memory
 */

/* The page size. */
size_t test_page(void);

/*
 * Bytes of [addr, addr + len) that are resident or swapped out, to the page.
 * Pages marked as guards count as not resident.
 */
size_t test_resident(const void *addr, size_t len);

/* Whether address space, data or commit charge is limited here: surefree keeps
 * less of it accessible then. */
bool test_is_limited(void);

/* Resident anonymous bytes of this process, exact (from its page tables). */
size_t test_rss_anon(void);

/*
 * The line "name: N kB" in bytes, 0 where there is none: of /proc/self/status
 * ("VmPTE", "VmLck"), /proc/self/smaps_rollup ("AnonHugePages") and
 * /proc/meminfo ("Committed_AS").
 */
size_t test_status(const char *name);
size_t test_rollup(const char *name);
size_t test_meminfo(const char *name);

/*
 * Read the byte at addr and write it back. 0 when both went well, else the
 * si_code of the SIGSEGV (1 SEGV_MAPERR: like unmapped memory; 2 SEGV_ACCERR:
 * protected), or 100 + si_code for SIGBUS. test_reads() only reads.
 */
int test_touches(void *addr);
int test_reads(const void *addr);

/*
 * Processes and kernels
 */

/*
 * Fork; the child returns fn(arg) as its exit status (0 to 99). Returns that
 * status, -signal when one ended the child, or TEST_CHILD_FAILED when a check
 * failed in it (it has printed which).
 */
int test_in_child(int (*fn)(void *arg), void *arg);
#define TEST_CHILD_FAILED 125

/*
 * The same in a new memory cgroup limited to limit_len bytes, so small that fn
 * can fill it. With killable false the child is not to be chosen by the OOM
 * killer (oom_score_adj -1000): what would kill it then fails. -1, and
 * skipped with the reason, where no cgroup or no such protection can be had
 * (needs root). */
int test_in_cgroup(size_t limit_len, bool killable, int (*fn)(void *arg),
		   void *arg);

/*
 * Bytes charged to that cgroup; called by fn. Where it is full, nothing that
 * opens a file works: test_mappings(), test_resident() and the like.
 */
size_t test_cgroup_usage(void);

/* Whether it is of cgroup version 2. */
bool test_cgroup_is_v2(void);

/* Whether the running kernel is major.minor or newer. */
bool test_kernel_since(int major, int minor);

/* Whether MADV_GUARD_INSTALL makes a page fault and REMOVE undoes it. */
bool test_has_guard(void);

/* Whether an emulator (qemu-user) stands between us and the kernel. */
bool test_emulated(void);

/*
 * Chance. The seed is printed, and TEST_SEED in the environment sets it.
 */
struct test_rng {
	uint64_t state; /* never 0 */
};

uint64_t test_seed(void);
struct test_rng test_rng(uint64_t seed);
uint64_t test_rand(struct test_rng *rng);
/* 0 <= result < bound. */
uint64_t test_rand_below(struct test_rng *rng, uint64_t bound);

/*
 * Behind the macros
 */
#define TEST_COMPARE(a, op, b)                                           \
	__extension__({                                                  \
		long long test_a = (long long)(a);                       \
		long long test_b = (long long)(b);                       \
		test_compare(test_a op test_b, test_a, test_b, __FILE__, \
			     __LINE__, #a " " #op " " #b);               \
	})

bool test_check(bool held, const char *file, int line, const char *what);
bool test_compare(bool held, long long a, long long b, const char *file,
		  int line, const char *what);
bool test_check_ok(int result, const char *file, int line, const char *what);
bool test_check_errno(int result, int err, const char *file, int line,
		      const char *what, const char *err_name);
bool test_check_str(const char *a, const char *b, const char *file, int line,
		    const char *what);
void test_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void test_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
