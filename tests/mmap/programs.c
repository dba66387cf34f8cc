// SPDX-License-Identifier: MIT
/*
 * What programs do with memory besides calling: read /proc, ask mincore(),
 * run on it, map it before main(), use system calls past the C library.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory.h"
#include "pages.h"
#include "test.h"

#define RW	(PROT_READ | PROT_WRITE)
#define PAGES	16
#define NR_MAPS 3000

static char *map(size_t nr)
{
	char *p = mmap(NULL, nr * test_page(), RW, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	return CHECK(p != MAP_FAILED) ? p : NULL;
}

/* Or all of these tests would show nothing. */
static void calls_go_to_the_drop_in(void)
{
	static const char *const names[] = {
		"mmap",		 "mmap64",  "munmap",	"mprotect",
		"pkey_mprotect", "mremap",  "madvise",	"mlock",
		"mlock2",	 "munlock", "mlockall", "munlockall",
		"posix_madvise", "shmat",   "shmdt",	"mincore",
		"msync",
	};
	bool is_preloaded = getenv("LD_PRELOAD") != NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		void *call = dlsym(RTLD_DEFAULT, names[i]);
		Dl_info info;

		if (!CHECK(call != NULL && dladdr(call, &info) != 0))
			return;
		if ((strstr(info.dli_fname, "surefree") != NULL) !=
		    is_preloaded)
			FAIL("%s() is in %s", names[i], info.dli_fname);
	}
}

/*
 * Before main()
 */

static char *from_preinit;
static bool preinit_went_well;

/* Before any constructor, of the C library's too. */
static void preinit(int argc, char **argv, char **environment)
{
	size_t page = 4096;
	char *p;

	(void)argc;
	(void)argv;
	(void)environment;
	page = (size_t)sysconf(_SC_PAGESIZE);
	p = mmap(NULL, 8 * page, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return;
	memset(p + page, 'p', 7 * page);
	preinit_went_well = mprotect(p, page, PROT_NONE) == 0 &&
			    munmap(p + 4 * page, page) == 0 &&
			    madvise(p + page, page, MADV_DONTNEED) == 0;
	from_preinit = p;
}

__attribute__((section(".preinit_array"),
	       used)) static void (*preinit_entry)(int, char **,
						   char **) = preinit;

static void memory_is_mapped_before_main(void)
{
	size_t page = test_page();

	if (!CHECK(preinit_went_well))
		return;
	CHECK_EQ(pages_access(from_preinit), PAGES_NONE);
	CHECK_EQ(pages_byte(from_preinit + page), 0);
	CHECK_EQ(pages_byte(from_preinit + 2 * page), 'p');
	CHECK(!pages_mapped(from_preinit + 4 * page));
	CHECK_OK(munmap(from_preinit, 8 * page));
}

/*
 * /proc and mincore()
 */

/* The protection of the mapping at addr in /proc/self/maps, or "". */
static void find_in_maps(const char *addr, char prot[5])
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");

	prot[0] = '\0';
	if (!CHECK(maps != NULL))
		return;
	while (fgets(line, sizeof(line), maps) != NULL) {
		unsigned long start;
		unsigned long end;
		char found[5];

		if (sscanf(line, "%lx-%lx %4s", &start, &end, found) == 3 &&
		    (uintptr_t)addr >= start && (uintptr_t)addr < end)
			memcpy(prot, found, sizeof(found));
	}
	fclose(maps);
}

static void maps_are_in_proc_maps(void)
{
	size_t page = test_page();
	char *p = map(PAGES);
	char prot[5];

	pages_fill(p, PAGES, 'a');
	CHECK_OK(mprotect(p + page, page, PROT_READ));
	CHECK_OK(mprotect(p + 2 * page, page, PROT_NONE));
	find_in_maps(p, prot);
	CHECK_STR(prot, "rw-p");
	find_in_maps(p + page, prot);
	CHECK_STR(prot, "r--p");
	find_in_maps(p + 2 * page, prot);
	CHECK_STR(prot, "---p");
	find_in_maps(p + 3 * page, prot);
	CHECK_STR(prot, "rw-p");
}

static void mincore_tells_what_is_resident(void)
{
	size_t page = test_page();
	unsigned char vec[PAGES];
	char *p = map(PAGES);

	CHECK_OK(mincore(p, PAGES * page, vec));
	for (size_t i = 0; i < PAGES; i++)
		CHECK_EQ(vec[i] & 1, 0);
	pages_fill(p + 4 * page, 4, 'a');
	CHECK_OK(madvise(p + 6 * page, page, MADV_DONTNEED));
	CHECK_OK(mincore(p, PAGES * page, vec));
	for (size_t i = 0; i < PAGES; i++)
		CHECK_EQ(vec[i] & 1, i >= 4 && i < 8 && i != 6);
}

/*
 * Faults
 */

static int overrun(void *addr)
{
	signal(SIGSEGV, SIG_DFL);
	*(volatile char *)addr = 1;
	return 0;
}

static void faults_end_the_process(void)
{
	size_t page = test_page();
	bool traps = memory_has_markers() || !memory_is_surefree();
	char *p = map(PAGES);

	CHECK_OK(mprotect(p, page, PROT_NONE));
	pages_fill(p + page, 2, 'a');
	CHECK_OK(mprotect(p + page, page, PROT_READ));
	CHECK_OK(munmap(p + 4 * page, page));
	CHECK_EQ(test_in_child(overrun, p), -SIGSEGV);
	CHECK_EQ(test_in_child(overrun, p + page), -SIGSEGV);
	if (traps)
		CHECK_EQ(test_in_child(overrun, p + 4 * page), -SIGSEGV);
	CHECK_EQ(test_in_child(overrun, p + 5 * page), 0);
}

/*
 * Stacks
 */

#define STACK_LEN ((size_t)256 << 10)

static void *use_stack(void *arg)
{
	volatile char space[STACK_LEN / 2];

	for (size_t i = 0; i < sizeof(space); i += 512)
		space[i] = (char)i;
	return space[512] == 0 ? arg : NULL;
}

static void *overflow(void *arg)
{
	volatile char space[1024]; /* smaller than the guard */
	void *result = NULL;

	space[0] = space[sizeof(space) - 1] = 1;
	if (arg != NULL)
		result = overflow((char *)arg - space[0]);
	space[0] = 2; /* or the call would be a jump */
	return result;
}

/* Run fn on a stack that was mapped with a guard below; true when joined. */
static bool run_on_stack(void *(*fn)(void *arg))
{
	pthread_attr_t attr;
	pthread_t thread;
	void *result;
	char *stack = map(STACK_LEN / test_page());

	if (!CHECK_OK(mprotect(stack, test_page(), PROT_NONE)))
		return false;
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, stack, STACK_LEN);
	if (!CHECK_EQ(pthread_create(&thread, &attr, fn, stack), 0))
		return false;
	pthread_join(thread, &result);
	pthread_attr_destroy(&attr);
	CHECK_OK(munmap(stack, STACK_LEN));
	return result == stack;
}

static int overflow_stack(void *arg)
{
	(void)arg;
	signal(SIGSEGV, SIG_DFL);
	run_on_stack(overflow);
	return 0;
}

static void threads_run_on_mapped_stacks(void)
{
	for (int i = 0; i < 500; i++)
		if (!CHECK(run_on_stack(use_stack)))
			return;
	CHECK_EQ(test_in_child(overflow_stack, NULL), -SIGSEGV);
}

/*
 * Past the C library
 */

/* Who unmaps by a system call of his own leaves a hole that stays one. */
static void raw_system_calls_do_no_harm(void)
{
	static char *maps[NR_MAPS];
	size_t page = test_page();
	char *p = map(PAGES);
	char *q = map(PAGES);

	pages_fill(p, PAGES, 'p');
	pages_fill(q, PAGES, 'q');
	CHECK_OK((int)syscall(SYS_munmap, p + page, 2 * page));
	CHECK_OK((int)syscall(SYS_mprotect, q, page, PROT_READ));
	CHECK_OK(munmap(p, PAGES * page));
	CHECK_OK(mprotect(q, page, RW));
	for (size_t i = 0; i < NR_MAPS; i++) {
		maps[i] = map(1 + i % 4);
		if (maps[i] == NULL)
			return;
		CHECK_EQ(pages_access(maps[i]), PAGES_WRITE);
		CHECK_EQ(pages_byte(maps[i]), 0);
		pages_fill(maps[i], 1 + i % 4, 'm');
	}
	for (size_t i = 0; i < PAGES; i++)
		CHECK_EQ(pages_byte(q + i * page), 'q');
	for (size_t i = 0; i < NR_MAPS; i++)
		CHECK_OK(munmap(maps[i], (1 + i % 4) * page));
}

/*
 * Beside malloc()
 */

static void memory_of_malloc_can_be_protected(void)
{
	size_t page = test_page();

	for (int i = 0; i < 200; i++) {
		void *block = NULL;
		char *p;

		if (!CHECK_EQ(posix_memalign(&block, page, 20 * page), 0))
			return;
		p = block;
		pages_fill(p, 20, 'a');
		CHECK_OK(mprotect(p, page, PROT_NONE));
		CHECK_OK(mprotect(p + 10 * page, page, PROT_READ));
		CHECK_EQ(pages_access(p), PAGES_NONE);
		CHECK_EQ(pages_access(p + 10 * page), PAGES_READ);
		CHECK_OK(mprotect(p, 20 * page, RW));
		CHECK_EQ(pages_byte(p), 'a');
		CHECK_OK(madvise(p, 20 * page, MADV_DONTNEED));
		CHECK_EQ(pages_byte(p + page), 0);
		CHECK_OK(mlock(p, 2 * page));
		CHECK_OK(munlock(p, 2 * page));
		free(block);
	}
}

/* The C library unmaps blocks so large, and all that was set with them. */
static void protected_blocks_can_be_freed(void)
{
	const size_t len = (size_t)33 << 20;
	size_t page = test_page();

	if (getenv("LD_PRELOAD") != NULL)
		SKIP("our malloc() uses such a block again as it is");
	for (int i = 0; i < 8; i++) {
		char *p = malloc(len);
		char *part;

		if (!CHECK(p != NULL))
			return;
		memset(p, 'a', 64 * page);
		part = p + 8 * page - ((uintptr_t)p & (page - 1));
		CHECK_OK(mprotect(part, page, PROT_NONE));
		CHECK_OK(mprotect(part + 3 * page, page, PROT_READ));
		CHECK_OK(mlock(part + 8 * page, page));
		free(p);
	}
	for (int i = 0; i < 8; i++) {
		char *p = malloc(len);

		if (!CHECK(p != NULL))
			return;
		memset(p, 'b', 64 * page);
	}
	CHECK_EQ(test_status("VmLck"), 0);
}

/* Since 6.17 Linux moves such a range; before, it says EFAULT. */
static void what_was_unmapped_is_not_moved(void)
{
	const size_t nr = 1024;
	size_t page = test_page();
	char *from = map(nr);
	char *to = map(nr);
	char *stranger;

	if (from == NULL || to == NULL)
		return;
	CHECK_OK(munmap(from + nr / 4 * page, nr / 2 * page));
	(void)mremap(from, nr * page, nr * page, MREMAP_MAYMOVE | MREMAP_FIXED,
		     to);
	/* Would lie in the hole, if there was one. */
	stranger = mmap(from + nr / 2 * page, 64 * page, RW,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(stranger != MAP_FAILED);
	for (size_t i = 0; i < 2 * nr; i++) {
		char *p = map(1);

		if (p == NULL ||
		    !CHECK(p < stranger || p >= stranger + 64 * page))
			return;
		p[0] = 1;
	}
}

static void nothing_grows_beyond_all_addresses(void)
{
	size_t page = test_page();
	char *p = map(1);

	if (p == NULL)
		return;
	p[0] = 'a';
	for (unsigned int bits = 45; bits < 64; bits++) {
		char *q = mremap(p, page, (size_t)1 << bits, MREMAP_MAYMOVE);

		CHECK(q == MAP_FAILED);
		if (q != MAP_FAILED)
			return;
	}
	CHECK_ERRNO(mremap(p, page, SIZE_MAX, MREMAP_MAYMOVE) == MAP_FAILED ?
			    -1 :
			    0,
		    EINVAL);
	CHECK_EQ(p[0], 'a');
	CHECK_OK(munmap(p, page));
}

static void segments_can_be_attached_over_maps(void)
{
	size_t page = test_page();
	int id = shmget(IPC_PRIVATE, PAGES * page, IPC_CREAT | 0600);
	char *segment = shmat(id, NULL, 0);
	char *p = map(PAGES);
	char *q = map(PAGES);
	size_t nr_used = 0;

	shmctl(id, IPC_RMID, NULL);
	if (!CHECK(segment != (void *)-1) || p == NULL || q == NULL)
		return;
	CHECK_EQ(shmat(id, p, SHM_REMAP) == p, 1);
	CHECK_EQ(shmat(id, q, SHM_REMAP) == q, 1);
	pages_fill(segment, PAGES, 's');
	CHECK_EQ(pages_byte(q), 's');
	CHECK_OK(munmap(p, PAGES * page));
	CHECK_OK(shmdt(q));
	for (int i = 0; i < 8 * PAGES; i++) {
		p = map(1);
		if (p == NULL)
			return;
		nr_used += pages_byte(p) != 0;
		pages_fill(p, 1, 'n');
	}
	CHECK_EQ(nr_used, 0);
	CHECK_EQ(pages_byte(segment), 's');
}

static void refused_maps_take_nothing(void)
{
	const size_t nr = 512;
	size_t page = test_page();
	char *p = map(nr);
	size_t nr_free = 0;

	if (p == NULL)
		return;
	for (size_t i = 0; i < nr; i += 2)
		CHECK_OK(munmap(p + i * page, page));
	CHECK(mmap(p, nr * page, RW, MAP_PRIVATE | MAP_FIXED, -1, 0) ==
	      MAP_FAILED);
	for (size_t i = 0; i < nr; i += 2)
		nr_free += mmap(p + i * page, page, RW,
				MAP_PRIVATE | MAP_ANONYMOUS |
					MAP_FIXED_NOREPLACE,
				-1, 0) == p + i * page;
	CHECK_EQ(nr_free, nr / 2);
	CHECK_OK(munmap(p, nr * page));
}

static void limits_are_errors_and_no_more(void)
{
	const size_t len = (size_t)16 << 20;
	struct rlimit limit = { (rlim_t)1 << 30, (rlim_t)1 << 30 };
	static char *maps[1024];
	size_t nr = 0;

	CHECK_OK(setrlimit(RLIMIT_DATA, &limit));
	while (nr < 1024) {
		maps[nr] = mmap(NULL, len, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				0);
		if (maps[nr] == MAP_FAILED)
			break;
		maps[nr++][len - 1] = 1;
	}
	CHECK_EQ(errno, ENOMEM);
	CHECK_GE(nr, 32);
	CHECK_LT(nr, 80);
	test_say("%zu maps of 16 MiB under RLIMIT_DATA of 1 GiB", nr);
	for (size_t i = 0; i < nr; i++)
		CHECK_OK(munmap(maps[i], len));
	for (size_t i = 0; i < nr / 2; i++) {
		maps[i] = map(len / test_page());
		if (maps[i] == NULL)
			return;
		CHECK_EQ(maps[i][len - 1], 0);
	}
}

/*
 * Cancellation: of these functions only msync() is a point of it.
 */

static void *call_cancelled(void *arg)
{
	size_t page = test_page();
	char *p = map(4);

	(void)arg;
	pthread_cancel(pthread_self());
	CHECK_OK(mprotect(p, page, PROT_READ));
	CHECK_OK(madvise(p, page, MADV_DONTNEED));
	CHECK_OK(mprotect(p, page, RW));
	CHECK_OK(munmap(p + page, page));
	msync(p, page, MS_SYNC);
	FAIL("not cancelled in msync()");
	return NULL;
}

static void *call_cancelled_on_kernels(void *arg)
{
	pthread_cancel(pthread_self());
	msync(arg, test_page(), MS_SYNC);
	FAIL("not cancelled in msync()");
	return NULL;
}

static void a_thread_is_cancelled_in_msync(void)
{
	char *p = mmap(NULL, test_page(), RW, MAP_SHARED | MAP_ANONYMOUS, -1,
		       0);
	pthread_t thread;
	void *result = NULL;

	if (!CHECK(p != MAP_FAILED))
		return;
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(pthread_create(&thread, NULL,
					i == 0 ? call_cancelled :
						 call_cancelled_on_kernels,
					p),
			 0);
		CHECK_EQ(pthread_join(thread, &result), 0);
		CHECK_EQ(result, PTHREAD_CANCELED);
	}
	/* No lock is held by the one that ended. */
	CHECK_OK(msync(p, test_page(), MS_SYNC));
	CHECK_OK(munmap(map(2), test_page()));
}

static const struct test tests[] = {
	{ "calls go to the drop-in, where that is preloaded",
	  calls_go_to_the_drop_in },
	{ "memory is mapped before main()", memory_is_mapped_before_main },
	{ "/proc/self/maps shows maps", maps_are_in_proc_maps },
	{ "mincore() tells what is resident", mincore_tells_what_is_resident },
	{ "faults end the process", faults_end_the_process },
	{ "threads run on mapped stacks", threads_run_on_mapped_stacks },
	{ "raw system calls do no harm", raw_system_calls_do_no_harm },
	{ "memory of malloc() can be protected",
	  memory_of_malloc_can_be_protected },
	{ "protected blocks can be freed", protected_blocks_can_be_freed },
	{ "what was unmapped is not moved", what_was_unmapped_is_not_moved },
	{ "nothing grows beyond all addresses",
	  nothing_grows_beyond_all_addresses },
	{ "segments can be attached over maps",
	  segments_can_be_attached_over_maps },
	{ "maps that are refused take nothing", refused_maps_take_nothing },
	{ "resource limits are errors and no more",
	  limits_are_errors_and_no_more },
	{ "a thread is cancelled in msync(), and nowhere else",
	  a_thread_is_cancelled_in_msync },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
