// SPDX-License-Identifier: MIT
/*
 * Eight threads map, change and release, mostly what another one has mapped,
 * while the main thread forks and the children go on with what they inherit.
 *
 *	threads_forks [OPERATIONS [FORKS]]    (or STRESS, STRESS_FORKS)
 *
 * Operations are per thread. 0 forks is for tools that dislike them.
 *
 * Memory passes between threads in slots. It begins with a header that says
 * what it is, and the last byte of each page holds a number: both are checked
 * by whoever takes it. What a child finds in the slots is complete, so after
 * releasing that it holds no more than what threads had in hand when it was
 * forked.
 */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "extra.h"
#include "surefree.h"

#define NR_THREADS   8
#define NR_SLOTS     256
#define NR_PAGES_MAX 700
#define AREA_PAGES   128 /* where a page is guarded and unguarded */
#define MAGIC	     0x51ab5eedu
#define DEADLOCK_SEC 120

struct header {
	uint32_t magic;
	uint32_t is_stack;
	size_t nr_pages;
	struct surefree_stack stack;
	uint64_t number;
};

static struct header *_Atomic slots[NR_SLOTS];
static unsigned long nr_operations = 8000;
static unsigned long nr_forks = 20;
static atomic_ulong nr_running;
static char *area;

static void mark_page(char *page, uint64_t number)
{
	page[test_page() - 1] = (char)(number | 1);
}

static struct header *write_header(void *addr, size_t nr_pages, uint64_t number)
{
	struct header *header = addr;

	for (size_t i = 0; i < nr_pages; i++)
		mark_page((char *)addr + i * test_page(), number + i);
	*header = (struct header){
		.magic = MAGIC,
		.nr_pages = nr_pages,
		.number = number,
	};
	return header;
}

static bool check_header(const struct header *header)
{
	const char *addr = (const char *)header;
	bool right = header->magic == MAGIC;

	for (size_t i = 0; right && i < header->nr_pages; i++)
		right = addr[(i + 1) * test_page() - 1] ==
			(char)((header->number + i) | 1);
	if (!right)
		FAIL("%p holds what it should not", (const void *)header);
	return right;
}

static struct header *map_some(struct test_rng *rng)
{
	static const unsigned flags[] = { 0, 0, 0, SUREFREE_NOTRAP,
					  SUREFREE_POPULATE };
	size_t nr = 1 + test_rand_below(rng, 24);
	char *p;

	if (test_rand_below(rng, 64) == 0)
		nr = 1 + test_rand_below(rng, NR_PAGES_MAX);
	p = surefree_map(nr * test_page(), flags[test_rand_below(rng, 5)]);
	if (!CHECK(p != NULL))
		return NULL;
	for (size_t i = 0; i < nr; i++)
		if (p[i * test_page()] != 0 ||
		    p[(i + 1) * test_page() - 1] != 0) {
			FAIL("new memory at %p is not zero", (void *)p);
			return NULL;
		}
	return write_header(p, nr, test_rand(rng));
}

static struct header *map_stack(struct test_rng *rng)
{
	struct surefree_stack stack;
	struct header *header;

	if (!CHECK_OK(surefree_stack_map(16 * test_page(), &stack)))
		return NULL;
	header = write_header(stack.addr, 16, test_rand(rng));
	header->is_stack = 1;
	header->stack = stack;
	return header;
}

static void unmap_in_pieces(struct header *header, struct test_rng *rng)
{
	size_t left = header->nr_pages;
	char *end = (char *)header + left * test_page();

	while (left > 0) {
		size_t nr = 1 + test_rand_below(rng, left);

		end -= nr * test_page();
		left -= nr;
		surefree_unmap(end, nr * test_page());
	}
}

/* Make it longer or shorter; returns where it is then. */
static struct header *resize(struct header *header, struct test_rng *rng)
{
	size_t old = header->nr_pages;
	size_t nr = 1 + test_rand_below(rng, 40);
	char *p = surefree_remap(header, old * test_page(), nr * test_page(),
				 0);

	if (!CHECK(p != NULL))
		return NULL;
	header = (struct header *)(void *)p;
	for (size_t i = old; i < nr; i++)
		mark_page(p + i * test_page(), header->number + i);
	header->nr_pages = nr;
	return header;
}

/* Release it in some way, or return what is to go back into a slot. */
static struct header *use(struct header *header, struct test_rng *rng)
{
	size_t len = header->nr_pages * test_page();
	struct surefree_stack stack = header->stack;

	if (header->is_stack) {
		surefree_stack_unmap(&stack);
		return NULL;
	}
	switch (test_rand_below(rng, 8)) {
	case 0:
		unmap_in_pieces(header, rng);
		return NULL;
	case 1:
		surefree_discard(header, len);
		CHECK_EQ(header->magic, 0);
		surefree_unmap(header, len);
		return NULL;
	case 2:
	case 3:
		return resize(header, rng);
	default:
		surefree_unmap(header, len);
		return NULL;
	}
}

static void put(struct header *header, struct test_rng *rng)
{
	struct header *other;

	if (header == NULL)
		return;
	/* Release: what is written in it; acquire: likewise by others. */
	other = atomic_exchange_explicit(&slots[test_rand_below(rng, NR_SLOTS)],
					 header, memory_order_acq_rel);
	if (other != NULL && check_header(other)) {
		if (other->is_stack) {
			struct surefree_stack stack = other->stack;

			surefree_stack_unmap(&stack);
		} else {
			surefree_unmap(other, other->nr_pages * test_page());
		}
	}
}

static void operate(struct test_rng *rng)
{
	struct header *header = atomic_exchange_explicit(
		&slots[test_rand_below(rng, NR_SLOTS)], NULL,
		memory_order_acq_rel);

	if (header == NULL)
		header = test_rand_below(rng, 8) == 0 ? map_stack(rng) :
							map_some(rng);
	else if (check_header(header))
		header = use(header, rng);
	put(header, rng);
}

static void toggle_guard(void)
{
	char *page = area + AREA_PAGES / 2 * test_page();

	if (!test_has_guard())
		return;
	CHECK_OK(surefree_guard(page, test_page()));
	CHECK_OK(surefree_unguard(page, test_page()));
}

static void *thread_main(void *arg)
{
	size_t number = (size_t)arg;
	struct test_rng rng = test_rng(number * 7919 + 1);

	for (unsigned long i = 0; i < nr_operations && !test_failed(); i++) {
		operate(&rng);
		if (number == 0)
			toggle_guard();
		if (number == 1 && i % 512 == 0)
			surefree_trim(i % 1024);
	}
	atomic_fetch_sub(&nr_running, 1);
	return NULL;
}

static void empty_slots(void)
{
	for (size_t i = 0; i < NR_SLOTS; i++) {
		struct test_rng rng = test_rng(i);
		struct header *header = atomic_exchange(&slots[i], NULL);

		while (header != NULL && check_header(header))
			header = use(header, &rng);
	}
}

/* The guard that a thread was putting into it must not outlive the area. */
static void reuse_area(void)
{
	size_t len = AREA_PAGES * test_page();
	char *maps[64];

	surefree_unmap(area, len);
	for (int i = 0; i < 64; i++) {
		maps[i] = surefree_map(len, 0);
		if (!CHECK(maps[i] != NULL))
			return;
		for (size_t at = 0; at < len; at += test_page())
			maps[i][at] = 1;
	}
	for (int i = 0; i < 64; i++)
		surefree_unmap(maps[i], len);
}

static int child_main(void)
{
	struct test_rng rng = test_rng((uint64_t)getpid());
	size_t in_hand = NR_THREADS * 2 * NR_PAGES_MAX * test_page();
	pid_t pid;
	int status;

	alarm(DEADLOCK_SEC);
	for (int i = 0; i < 300 && !test_failed(); i++)
		operate(&rng);
	pid = fork();
	if (pid == 0) {
		alarm(DEADLOCK_SEC);
		for (int i = 0; i < 100 && !test_failed(); i++)
			operate(&rng);
		_exit(test_failed());
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	reuse_area();
	empty_slots();
	surefree_trim(0);
	CHECK_EQ(extra_stats().retained_len, 0);
	CHECK_EQ(extra_stats().nr_stacks_kept, 0);
	CHECK_LE(extra_stats().used_len, in_hand);
	CHECK_EQ(extra_stats().nr_stuck, 0);
	return test_failed();
}

static void fork_once(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(child_main());
	if (!CHECK(pid > 0))
		return;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		FAIL("a child was ended by signal %d (%s)", WTERMSIG(status),
		     WTERMSIG(status) == SIGALRM ? "it hung" : "?");
	else
		CHECK_EQ(WEXITSTATUS(status), 0);
}

static void run_threads(void)
{
	pthread_t threads[NR_THREADS];

	area = surefree_map(AREA_PAGES * test_page(), 0);
	if (!CHECK(area != NULL))
		return;
	test_has_guard();
	alarm(2 * DEADLOCK_SEC);
	atomic_store(&nr_running, NR_THREADS);
	for (size_t i = 0; i < NR_THREADS; i++)
		if (pthread_create(&threads[i], NULL, thread_main, (void *)i) !=
		    0)
			abort();
	for (unsigned long i = 0; i < nr_forks && !test_failed(); i++) {
		if (atomic_load(&nr_running) == 0)
			break;
		fork_once();
	}
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	empty_slots();
	surefree_unmap(area, AREA_PAGES * test_page());
	surefree_trim(0);
	CHECK_EQ(extra_stats().used_len, 0);
	CHECK_EQ(extra_stats().retained_len, 0);
	CHECK_EQ(extra_stats().nr_stuck, 0);
}

static void threads_and_children_keep_apart(void)
{
	run_threads();
}

static void the_same_with_retained_memory(void)
{
	CHECK_OK(surefree_set("retain", "4M"));
	run_threads();
}

/* The frontier then moves all the time. */
static void the_same_with_little_committed_ahead(void)
{
	CHECK_OK(surefree_set("ahead", "64K"));
	run_threads();
}

static const struct test tests[] = {
	{ "threads and children keep apart", threads_and_children_keep_apart },
	{ "the same with retained memory", the_same_with_retained_memory },
	{ "the same with little committed ahead",
	  the_same_with_little_committed_ahead },
};

int main(int argc, char **argv)
{
	char *given = getenv("STRESS");

	/* Handed on to the programs that run one test each. */
	if (argc > 1 && strtoul(argv[1], NULL, 0) > 0) {
		setenv("STRESS", argv[1], 1);
		if (argc > 2)
			setenv("STRESS_FORKS", argv[2], 1);
		given = argv[1];
		argc = 1;
	}
	if (given != NULL)
		nr_operations = strtoul(given, NULL, 0);
	if (getenv("STRESS_FORKS") != NULL)
		nr_forks = strtoul(getenv("STRESS_FORKS"), NULL, 0);
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
