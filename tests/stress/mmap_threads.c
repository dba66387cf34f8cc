// SPDX-License-Identifier: MIT
/*
 * Threads map, protect, lock, replace, move and unmap memory of their own, side
 * by side, while a timer's handler does so too, on any of them, and the main
 * thread forks: children go on with what the forking thread had.
 */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mmap/alter.h"
#include "mmap/mmap.h"
#include "vm/state.h"

#define NR_THREADS   6
#define NR_ROUNDS    1500
#define NR_FORKS     20
#define MAX_PAGES    40
#define DEADLOCK_SEC 200

#define RW    (PROT_READ | PROT_WRITE)
#define FRESH (MAP_PRIVATE | MAP_ANONYMOUS)

static atomic_int nr_running;
static atomic_ulong nr_signals;

static char *map(size_t nr)
{
	long result = sf_mmap_map(0, nr * test_page(), RW, FRESH, -1, 0);

	return CHECK(result > 0) ? (char *)result : NULL;
}

/* Each page begins with a number of its own. */
static void fill(char *p, size_t nr, uint64_t number)
{
	for (size_t i = 0; i < nr; i++) {
		uint64_t *at = (uint64_t *)(p + i * test_page());

		if (*at != 0)
			FAIL("new memory at %p is not zero", (void *)at);
		*at = number + i;
	}
}

static void check(const char *p, size_t nr, uint64_t number)
{
	for (size_t i = 0; i < nr; i++) {
		uint64_t at;

		memcpy(&at, p + i * test_page(), sizeof(at));
		if (at != number + i)
			FAIL("%p holds %lx, not %lx", (const void *)p, at,
			     number + i);
	}
}

/* Do one thing to the first page, which leaves it as it was, or empty. */
static void alter(char *p, unsigned kind)
{
	uintptr_t addr = (uintptr_t)p;
	size_t page = test_page();

	switch (kind) {
	case 0:
		CHECK_EQ(sf_mmap_protect(addr, page, PROT_READ, -1), 0);
		CHECK_EQ(sf_mmap_protect(addr, page, RW, -1), 0);
		break;
	case 1:
		sf_mmap_lock(addr, page, 0);
		break;
	case 2:
		CHECK_EQ(sf_mmap_protect(addr, page, PROT_NONE, -1), 0);
		break;
	case 3:
		CHECK_EQ(sf_mmap_map(addr, page, RW, FRESH | MAP_FIXED, -1, 0),
			 addr);
		break;
	case 4:
		CHECK_EQ(sf_mmap_advise(addr, page, MADV_DONTDUMP), 0);
		break;
	case 5:
		CHECK_EQ(sf_mmap_map(addr, page, PROT_READ,
				     MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1,
				     0),
			 addr);
		break;
	default:
		CHECK_EQ(sf_mmap_advise(addr, page, MADV_DONTNEED), 0);
		break;
	}
}

static void one_round(struct test_rng *rng)
{
	size_t nr = 2 + test_rand_below(rng, MAX_PAGES);
	size_t more = nr + test_rand_below(rng, MAX_PAGES);
	uint64_t number = test_rand(rng) | 1;
	size_t page = test_page();
	char *p = map(nr);
	long result;

	if (p == NULL)
		return;
	fill(p, nr, number);
	if (test_rand_below(rng, 3) == 0) {
		result = sf_mmap_remap((uintptr_t)p, nr * page, more * page,
				       MREMAP_MAYMOVE, 0);
		if (!CHECK(result > 0))
			return;
		p = (char *)result;
		check(p, nr, number);
		fill(p + nr * page, more - nr, number + nr);
		nr = more;
	}
	alter(p, (unsigned)test_rand_below(rng, 8));
	check(p + page, nr - 1, number + 1);
	CHECK_EQ(sf_mmap_unmap((uintptr_t)p, page), 0);
	CHECK_EQ(sf_mmap_unmap((uintptr_t)p + page, (nr - 1) * page), 0);
}

static void on_timer(int signal)
{
	static _Thread_local struct test_rng rng;
	int saved = errno;

	(void)signal;
	if (rng.state == 0)
		rng = test_rng((uintptr_t)&rng);
	one_round(&rng);
	atomic_fetch_add(&nr_signals, 1);
	errno = saved;
}

static void *work(void *arg)
{
	struct test_rng rng = test_rng((uintptr_t)arg + 1);

	for (int i = 0; i < NR_ROUNDS && !test_failed(); i++)
		one_round(&rng);
	atomic_fetch_sub(&nr_running, 1);
	return NULL;
}

static int in_child(void *arg)
{
	char *p = arg;
	struct test_rng rng = test_rng((uint64_t)getpid());

	alarm(DEADLOCK_SEC);
	check(p, MAX_PAGES, 7);
	for (int i = 0; i < 50; i++)
		one_round(&rng);
	CHECK_EQ(sf_mmap_unmap((uintptr_t)p, MAX_PAGES * test_page()), 0);
	for (size_t i = 0; i < sf_state_nr_regions(); i++)
		sf_region_check(sf_state_region(i));
	return 0;
}

static void start_timer(long usec)
{
	struct itimerval timer = { { 0, usec }, { 0, usec } };

	setitimer(ITIMER_REAL, &timer, NULL);
}

static void run(bool with_signals, int nr_forks)
{
	struct sigaction action = { .sa_handler = on_timer,
				    .sa_flags = SA_RESTART };
	pthread_t threads[NR_THREADS];
	char *p;

	sf_mmap_start();
	p = map(MAX_PAGES);
	if (p == NULL)
		return;
	fill(p, MAX_PAGES, 7);
	atomic_store(&nr_running, NR_THREADS);
	for (size_t i = 0; i < NR_THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, work, (void *)i), 0);
	if (with_signals) {
		sigaction(SIGALRM, &action, NULL);
		start_timer(2000);
	}
	for (int i = 0; i < nr_forks && atomic_load(&nr_running) > 0; i++)
		CHECK_EQ(test_in_child(in_child, p), 0);
	for (size_t i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	start_timer(0);
	check(p, MAX_PAGES, 7);
	CHECK_EQ(sf_mmap_unmap((uintptr_t)p, MAX_PAGES * test_page()), 0);
	for (size_t i = 0; i < sf_state_nr_regions(); i++) {
		sf_region_check(sf_state_region(i));
		if (sf_state_region(i)->kind == SF_REGION_MAP)
			CHECK_EQ(sf_state_region(i)->nr_used, 0);
	}
	if (with_signals)
		CHECK_GT(atomic_load(&nr_signals), 10);
}

static void threads_side_by_side(void)
{
	run(false, 0);
}

static void with_forks(void)
{
	run(false, NR_FORKS);
}

static void with_signals(void)
{
	run(true, 0);
}

static const struct test tests[] = {
	{ "threads change their maps side by side", threads_side_by_side },
	{ "forked children go on", with_forks },
	{ "handlers may do it too", with_signals },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
