// SPDX-License-Identifier: MIT
/*
 * Several threads: memory that one maps and another unmaps, and fork() while
 * others are in the calls.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"
#include "pages.h"
#include "test.h"

#define RW	    (PROT_READ | PROT_WRITE)
#define NR_THREADS  4
#define NR_SLOTS    64
#define NR_STEPS    3000
#define NR_FORKS    40
#define CHILD_STEPS 60
#define MAX_PAGES   24
#define PATIENCE    100 /* seconds; for a machine that is busy */

/* A map that is nobody's. Its first page says how long it is. */
static _Atomic(char *) slots[NR_SLOTS];
static atomic_bool stop;
static atomic_bool go;

static void change_some(struct test_rng *rng, char *p, size_t nr)
{
	size_t page = test_page();
	char *part = p + (1 + test_rand_below(rng, nr - 1)) * page;

	switch (test_rand_below(rng, 6)) {
	case 0:
		CHECK_OK(mprotect(part, page, PROT_NONE));
		break;
	case 1:
		CHECK_OK(mprotect(part, page, PROT_READ));
		break;
	case 2:
		CHECK_OK(madvise(part, page, MADV_WIPEONFORK));
		break;
	case 3:
		/* Not in the middle: others may map there. */
		p[0] = p[page - 1] = (char)(nr - 1);
		CHECK_OK(munmap(p + (nr - 1) * page, page));
		break;
	default:
		break;
	}
}

static char *map_some(struct test_rng *rng)
{
	size_t page = test_page();
	size_t nr = 2 + test_rand_below(rng, MAX_PAGES - 1);
	char *p = mmap(NULL, nr * page, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!CHECK(p != MAP_FAILED))
		return NULL;
	for (size_t i = 0; i < nr; i++) {
		if (p[i * page] != 0 || p[(i + 1) * page - 1] != 0) {
			FAIL("page %zu of %p is not new", i, (void *)p);
			return NULL;
		}
		p[i * page] = (char)nr;
		p[(i + 1) * page - 1] = (char)nr;
	}
	change_some(rng, p, nr);
	return p;
}

static void unmap_some(char *p)
{
	if (p == NULL)
		return;
	CHECK_EQ(p[0], p[test_page() - 1]);
	CHECK_OK(munmap(p, (size_t)p[0] * test_page()));
}

/* Replace what is in a random slot. */
static void step(struct test_rng *rng)
{
	size_t slot = test_rand_below(rng, NR_SLOTS);

	unmap_some(atomic_exchange(&slots[slot], map_some(rng)));
}

static void *run_steps(void *seed)
{
	struct test_rng rng = test_rng((uintptr_t)seed + 1);

	for (size_t i = 0; i < NR_STEPS && !test_failed(); i++)
		step(&rng);
	return NULL;
}

static void *run_until_stopped(void *seed)
{
	struct test_rng rng = test_rng((uintptr_t)seed + 1);

	while (!atomic_load(&stop) && !test_failed())
		step(&rng);
	return NULL;
}

static void empty_slots(void)
{
	for (size_t i = 0; i < NR_SLOTS; i++)
		unmap_some(atomic_exchange(&slots[i], NULL));
}

static void start(pthread_t *threads, void *(*fn)(void *arg))
{
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, fn, (void *)i), 0);
}

static void join(const pthread_t *threads)
{
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void one_maps_another_unmaps(void)
{
	pthread_t threads[NR_THREADS];

	alarm(PATIENCE);
	start(threads, run_steps);
	join(threads);
	empty_slots();
}

/* A child has only this thread, and all memory. */
static int use_as_child(void *seed)
{
	struct test_rng rng = test_rng(*(uint64_t *)seed);

	alarm(PATIENCE);
	for (size_t i = 0; i < CHILD_STEPS && !test_failed(); i++) {
		char *p = map_some(&rng);

		unmap_some(p);
	}
	return 0;
}

static void a_child_maps_while_others_do(void)
{
	pthread_t threads[NR_THREADS];
	uint64_t seed = test_seed();

	alarm(PATIENCE);
	start(threads, run_until_stopped);
	for (int i = 0; i < NR_FORKS && !test_failed(); i++, seed++)
		CHECK_EQ(test_in_child(use_as_child, &seed), 0);
	atomic_store(&stop, true);
	join(threads);
	empty_slots();
}

/* Each of the threads forks. */
static void *fork_now_and_then(void *arg)
{
	uint64_t seed = (uintptr_t)arg + 77;
	struct test_rng rng = test_rng(seed);

	for (int i = 0; i < NR_FORKS / NR_THREADS && !test_failed(); i++) {
		for (int k = 0; k < 20; k++)
			step(&rng);
		CHECK_EQ(test_in_child(use_as_child, &seed), 0);
	}
	return NULL;
}

static void every_thread_forks(void)
{
	pthread_t threads[NR_THREADS];

	alarm(PATIENCE);
	start(threads, fork_now_and_then);
	join(threads);
	empty_slots();
}

/*
 * With nothing spare: half of it the kernel's, which may be refused, and whose
 * middle can then only be unmapped by leaving it.
 */
static char *map_at_limit(struct test_rng *rng, size_t nr)
{
	size_t page = test_page();
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *p = MAP_FAILED;

	if (test_rand_below(rng, 2) == 0)
		p = mmap(NULL, nr * page, RW, MAP_SHARED | MAP_ANONYMOUS, -1,
			 0);
	if (p == MAP_FAILED)
		p = mmap(NULL, nr * page, RW, flags, -1, 0);
	if (!CHECK(p != MAP_FAILED))
		return NULL;
	for (size_t i = 0; i < nr; i++) {
		CHECK_EQ(p[i * page], 0);
		p[i * page] = (char)nr;
	}
	return p;
}

static void *run_at_limit(void *seed)
{
	struct test_rng rng = test_rng((uintptr_t)seed + 1);
	size_t page = test_page();

	while (!atomic_load(&go))
		sched_yield();
	for (size_t i = 0; i < NR_STEPS / 4 && !test_failed(); i++) {
		size_t nr = 3 + test_rand_below(&rng, MAX_PAGES);
		char *p = map_at_limit(&rng, nr);

		if (p == NULL)
			break;
		if (i % 4 == 0)
			CHECK_OK(mprotect(p + nr / 2 * page, page, RW));
		for (size_t k = 0; k < nr; k++) {
			CHECK_EQ(p[k * page], nr);
			CHECK_OK(munmap(p + k * page, page));
		}
	}
	return NULL;
}

static void threads_unmap_with_nothing_spare(void)
{
	pthread_t threads[NR_THREADS];

	alarm(PATIENCE);
	start(threads, run_at_limit);
	if (test_fill(memory_is_surefree() ? 2 : 30000))
		atomic_store(&go, true);
	join(threads);
}

/*
 * A thread that goes before all others maps where one of them, stopped anywhere
 * in its calls, had a map just now. That never writes to the first page.
 */

#define NR_FIRST 2000
#define URGENT	 10

static _Atomic(char *) last;

static void *map_in_turn(void *arg)
{
	size_t page = test_page();

	while (!atomic_load(&stop)) {
		char *p = mmap(NULL, 64 * page, RW, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		if (!CHECK(p != MAP_FAILED))
			break;
		atomic_store(&last, p);
		pages_fill(p + page, 63, 'x');
		CHECK_OK(munmap(p, 64 * page));
	}
	return arg;
}

static bool be_first_on_a_cpu(void)
{
	struct sched_param param = { .sched_priority = URGENT };

	if (sched_setscheduler(0, SCHED_FIFO, &param) == 0)
		return true;
	atomic_store(&stop, true);
	test_skip("SCHED_FIFO: %s", strerror(errno));
	return false;
}

static void map_there(void)
{
	struct test_rng rng = test_rng(test_seed());

	for (int i = 0; i < NR_FIRST && !test_failed(); i++) {
		struct timespec pause = { 0, 0 };
		char *p;

		pause.tv_nsec = 20000 + (long)test_rand_below(&rng, 200000);
		nanosleep(&pause, NULL);
		p = atomic_load(&last);
		if (p == NULL)
			continue;
		CHECK(mmap(p, test_page(), RW,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			   0) == p);
		CHECK_OK(munmap(p, test_page()));
	}
	atomic_store(&stop, true);
}

static void who_goes_first_waits_for_a_release(void)
{
	pthread_t thread;
	cpu_set_t cpus;
	int cpu = sched_getcpu();

	alarm(PATIENCE);
	CPU_ZERO(&cpus);
	CPU_SET(cpu >= 0 ? (size_t)cpu : 0, &cpus);
	if (!CHECK_OK(sched_setaffinity(0, sizeof(cpus), &cpus)) ||
	    !CHECK_EQ(pthread_create(&thread, NULL, map_in_turn, NULL), 0))
		return;
	if (be_first_on_a_cpu())
		map_there();
	pthread_join(thread, NULL);
}

static const struct test tests[] = {
	{ "one thread maps, another unmaps", one_maps_another_unmaps },
	{ "a child maps whatever other threads did at fork()",
	  a_child_maps_while_others_do },
	{ "every thread forks", every_thread_forks },
	{ "threads unmap with nothing spare",
	  threads_unmap_with_nothing_spare },
	{ "who goes first waits for a release",
	  who_goes_first_waits_for_a_release },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
