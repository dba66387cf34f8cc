// SPDX-License-Identifier: MIT
/*
 * Threads allocate, free and pass blocks on while any of them forks. A child
 * goes on with all it inherited, with threads of its own, and forks again.
 *
 * Blocks wait in slots. A child finds there what the parent had at that
 * moment; only what a thread had in hand is lost to it.
 *
 * FORKS in the environment sets the number of forks.
 */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "blocks.h"
#include "calls.h"

#define NR_THREADS   6
#define NR_SLOTS     512
#define DEADLOCK_SEC 120

extern char **environ;

/* A block's description is in a block of its own. */
static _Atomic(struct block *) slots[NR_SLOTS];
static atomic_bool stopping;
static unsigned long nr_forks = 24;

static struct block *allocate(struct test_rng *rng)
{
	static const size_t most[] = { 40,   200,   200,   1000,
				       3000, 20000, 90000, 3000000 };
	size_t limit = most[test_rand_below(rng, TEST_COUNT(most))];
	struct block *block = malloc(sizeof(*block));
	size_t len = 1 + test_rand_below(rng, limit);

	if (limit > 1000000 && test_rand_below(rng, 16) != 0)
		len %= 1000;
	if (!CHECK(block != NULL))
		_exit(1);
	switch (test_rand_below(rng, 4)) {
	case 0:
		*block = block_fill(calloc(1, len), len, CALLS_ALIGN);
		break;
	case 1:
		*block = block_fill(aligned_alloc(256, len), len, 256);
		break;
	default:
		*block = block_fill(malloc(len), len, CALLS_ALIGN);
		break;
	}
	return block;
}

static void release(struct block *block)
{
	if (block != NULL && block_check(block)) {
		free(block->p);
		free(block);
	}
}

static struct block *resize(struct block *block, struct test_rng *rng)
{
	size_t len = 1 + test_rand_below(rng, 2 * block->len);
	size_t kept = len < block->len ? len : block->len;

	block->p = realloc(block->p, len);
	if (!CHECK(block->p != NULL) || !block_check_len(block, kept))
		return NULL;
	block->align = CALLS_ALIGN;
	block->len = len;
	block_refill(block, kept);
	return block;
}

static void operate(struct test_rng *rng)
{
	size_t from = test_rand_below(rng, NR_SLOTS);
	size_t to = test_rand_below(rng, NR_SLOTS);
	struct block *block = atomic_exchange_explicit(&slots[from], NULL,
						       memory_order_acq_rel);

	if (block == NULL) {
		block = allocate(rng);
	} else if (test_rand_below(rng, 3) == 0) {
		block = resize(block, rng);
	} else {
		release(block);
		return;
	}
	release(atomic_exchange_explicit(&slots[to], block,
					 memory_order_acq_rel));
}

static void empty_slots(void)
{
	for (size_t i = 0; i < NR_SLOTS; i++)
		release(atomic_exchange(&slots[i], NULL));
}

static void *operate_some(void *arg)
{
	struct test_rng rng = test_rng((uintptr_t)arg);

	for (int i = 0; i < 500 && !test_failed(); i++)
		operate(&rng);
	return NULL;
}

static void in_threads(int nr)
{
	pthread_t threads[4];

	for (int i = 0; i < nr; i++)
		if (pthread_create(&threads[i], NULL, operate_some,
				   (void *)(uintptr_t)(getpid() + i)) != 0)
			FAIL("pthread_create: %s", strerror(errno));
	for (int i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
}

static void check_exit(pid_t pid)
{
	int status;

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

static void live_in_child(int depth);

/* Fork a child that does the same, depth generations of them. */
static void fork_one(int depth)
{
	pid_t pid = fork();

	if (pid == 0) {
		live_in_child(depth);
		if (depth % 2 == 0)
			exit(test_failed());
		_exit(test_failed());
	}
	check_exit(pid);
}

static void live_in_child(int depth)
{
	struct test_rng rng = test_rng((uint64_t)getpid());

	alarm(DEADLOCK_SEC);
	for (int i = 0; i < 300 && !test_failed(); i++)
		operate(&rng);
	if (depth > 0)
		fork_one(depth - 1);
	in_threads(2);
	if (depth > 0)
		fork_one(depth - 1);
	empty_slots();
	calls_trim();
	for (int i = 0; i < 100 && !test_failed(); i++)
		operate(&rng);
	empty_slots();
}

struct worker {
	pthread_t thread;
	uint64_t seed;
	unsigned long nr_forks; /* that it does itself */
};

static void *operate_and_fork(void *arg)
{
	struct worker *worker = arg;
	struct test_rng rng = test_rng(worker->seed);
	unsigned long left = worker->nr_forks;

	while (!atomic_load_explicit(&stopping, memory_order_relaxed) &&
	       !test_failed()) {
		operate(&rng);
		if (left > 0 && test_rand_below(&rng, 2000) == 0) {
			fork_one(0);
			left--;
		}
	}
	return NULL;
}

/* Have NR_THREADS operate while fn() runs. */
static void beside_threads(void (*fn)(void), unsigned long nr_forks_each)
{
	struct worker workers[NR_THREADS];
	uint64_t seed = test_seed();

	alarm(2 * DEADLOCK_SEC);
	for (size_t i = 0; i < NR_THREADS; i++) {
		workers[i].seed = seed + i;
		workers[i].nr_forks = nr_forks_each;
		if (!CHECK_EQ(pthread_create(&workers[i].thread, NULL,
					     operate_and_fork, &workers[i]),
			      0))
			return;
	}
	fn();
	atomic_store(&stopping, true);
	for (size_t i = 0; i < NR_THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	empty_slots();
}

static void fork_some(void)
{
	for (unsigned long i = 0; i < nr_forks && !test_failed(); i++)
		fork_one(i % 8 == 0 ? 2 : 0);
}

static void the_main_thread_forks(void)
{
	beside_threads(fork_some, 0);
}

static void every_thread_forks(void)
{
	beside_threads(fork_some, nr_forks / NR_THREADS);
}

/*
 * fork() handlers allocate, before and after ours.
 */

static void *by_handler;

static void prepare(void)
{
	by_handler = malloc(1000);
}

static void in_parent(void)
{
	free(by_handler);
	free(calloc(1, 100000));
}

static void in_child(void)
{
	free(by_handler);
	free(malloc(40));
	free(realloc(malloc(100), 30000));
}

static void handlers_of_fork_allocate(void)
{
	if (!CHECK_EQ(pthread_atfork(prepare, in_parent, in_child), 0))
		return;
	beside_threads(fork_some, 0);
}

static pid_t start_by_vfork(char **argv)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(1);
	}
	return pid;
}

static void spawn_some(void)
{
	char *argv[] = { (char *)"true", NULL };

	for (unsigned long i = 0; i < nr_forks / 4 && !test_failed(); i++) {
		pid_t pid;

		if (CHECK_EQ(posix_spawnp(&pid, "true", NULL, NULL, argv,
					  environ),
			     0))
			check_exit(pid);
		CHECK_EQ(system("exit 3"), 3 << 8);
		check_exit(start_by_vfork(argv));
	}
}

static void other_programs_are_started(void)
{
	beside_threads(spawn_some, 0);
}

/* A process of one thread, as most are. */
static void a_single_thread_forks_a_chain(void)
{
	struct test_rng rng = test_rng(test_seed());

	alarm(DEADLOCK_SEC);
	for (int i = 0; i < 2000; i++)
		operate(&rng);
	fork_one(3);
	empty_slots();
}

static const struct test tests[] = {
	{ "the main thread forks", the_main_thread_forks },
	{ "every thread forks", every_thread_forks },
	{ "handlers of fork allocate", handlers_of_fork_allocate },
	{ "other programs are started", other_programs_are_started },
	{ "a single thread forks a chain", a_single_thread_forks_a_chain },
};

int main(int argc, char **argv)
{
	if (getenv("FORKS") != NULL)
		nr_forks = strtoul(getenv("FORKS"), NULL, 0);
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
