// SPDX-License-Identifier: MIT
/*
 * Random calls of the mmap family do what a model of Linux says, in one
 * thread, in several, and in children. TEST_SEED repeats a run in one thread,
 * MODEL_TRACE shows its calls, MODEL_STEPS says how many, and MODEL_WITHOUT
 * has names of calls that are left out, with commas between them.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "memory.h"
#include "model.h"
#include "test.h"

#define NR_ROUNDS   6
#define NR_STEPS    3000
#define CHILD_STEPS 60
#define NR_THREADS  4
#define CHECK_EVERY 100
#define FORK_EVERY  250

static struct model_world worlds[NR_THREADS];

static size_t nr_steps(void)
{
	const char *given = getenv("MODEL_STEPS");

	return given != NULL ? strtoul(given, NULL, 0) : NR_STEPS;
}

static void run(struct model_world *w, size_t nr, bool forks);

/* The child goes on by itself, and the parent sees nothing of it. */
static int run_child(void *world)
{
	struct model_world *w = world;

	w->op = "fork";
	model_become_child(w);
	model_check_all(w);
	run(w, CHILD_STEPS, !w->shared && model_pick(w, 4) == 0);
	return 0;
}

static void run(struct model_world *w, size_t nr, bool forks)
{
	size_t end = w->step + nr;

	while (w->step < end && !w->failed) {
		model_step(w);
		model_check_some(w);
		if (w->step % CHECK_EVERY == 0)
			model_check_all(w);
		if (!forks || w->step % FORK_EVERY != 0 || w->failed)
			continue;
		if (test_in_child(run_child, w) != 0)
			model_fail(w, "the child went wrong");
		w->op = "a child's end";
		model_check_all(w);
	}
	model_check_all(w);
}

static void one_thread(void)
{
	uint64_t seed = test_seed();

	for (uint64_t i = 0; i < NR_ROUNDS && !test_failed(); i++) {
		model_init(worlds, seed + i, false);
		run(worlds, nr_steps(), true);
		model_end(worlds);
		test_say("%ld mappings", test_mappings());
	}
}

static void *run_thread(void *world)
{
	run(world, nr_steps(), true);
	return NULL;
}

static void several_threads(void)
{
	pthread_t threads[NR_THREADS];
	uint64_t seed = test_seed();

	for (uint64_t i = 0; i < NR_THREADS; i++) {
		model_init(&worlds[i], seed + i, true);
		CHECK_EQ(pthread_create(&threads[i], NULL, run_thread,
					&worlds[i]),
			 0);
	}
	for (int i = 0; i < NR_THREADS; i++) {
		pthread_join(threads[i], NULL);
		model_end(&worlds[i]);
	}
}

/* Maps, and changes of length and contents, which need no mapping. */
static void nothing_spare(void)
{
	uint64_t seed = test_seed();

	if (!test_fill(memory_is_surefree() ? 0 : 30000))
		return;
	for (uint64_t i = 0; i < NR_ROUNDS / 3 && !test_failed(); i++) {
		model_init(worlds, seed + i, false);
		worlds->plain = true;
		worlds->without = "protect,lock,move";
		run(worlds, nr_steps() / 3, true);
		model_end(worlds);
	}
}

static const struct test tests[] = {
	{ "one thread's random calls do what the model says", one_thread },
	{ "several threads' random calls do what the models say",
	  several_threads },
	{ "with nothing spare, random calls do what the model says",
	  nothing_spare },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
