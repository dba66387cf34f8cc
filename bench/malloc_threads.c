// SPDX-License-Identifier: MIT
/*
 * Blocks that one thread allocates and another frees.
 *
 * bench_pass: the even threads allocate and hand blocks, 256 at a time, to
 * their odd neighbours, which read and free them. At most 16 such batches are
 * under way.
 *
 * bench_larson: like P. Larson's server. A thread replaces blocks of its table
 * at random for a while, starts a thread that goes on with the table, and ends.
 *
 * bench_swap: threads that live on, and swap tables.
 *
 * Times are for one operation of one thread, as time passes.
 */
#include <err.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bench.h"
#include "malloc_work.h"

#define BATCH	    256u
#define DEPTH	    16u
#define MAX_THREADS 8u
#define LARSON_OPS  20000u
#define SWAP_OPS    50000u

static struct lens lens;

static void *allocate(uint64_t random)
{
	size_t len = bench_len(&lens, random);
	char *p = bench_use(malloc(len), len);

	*(volatile size_t *)p = len;
	p[len - 1] = 1;
	return p;
}

/* A ring of batches; each side writes only its own counter. */
struct ring {
	_Atomic size_t nr_filled __attribute__((aligned(64)));
	_Atomic size_t nr_emptied __attribute__((aligned(64)));
	void *batches[DEPTH][BATCH];
};

struct pass {
	struct ring *rings; /* one for each pair */
};

/* Until counter is at least value: look for a while, then let others run. */
static void wait_for(_Atomic size_t *counter, size_t value)
{
	unsigned nr_looks = 0;

	/* acquire: with the release of the side that counts */
	while (atomic_load_explicit(counter, memory_order_acquire) < value)
		if (++nr_looks % 1024 == 0)
			sched_yield();
}

static void produce(struct ring *ring, size_t nr_batches, uint64_t random)
{
	for (size_t n = 0; n < nr_batches; n++) {
		void **batch = ring->batches[n % DEPTH];

		if (n >= DEPTH)
			wait_for(&ring->nr_emptied, n - DEPTH + 1);
		for (unsigned i = 0; i < BATCH; i++)
			batch[i] = allocate(bench_random(&random));
		atomic_store_explicit(&ring->nr_filled, n + 1,
				      memory_order_release);
	}
}

static void consume(struct ring *ring, size_t nr_batches)
{
	for (size_t n = 0; n < nr_batches; n++) {
		void **batch = ring->batches[n % DEPTH];

		wait_for(&ring->nr_filled, n + 1);
		for (unsigned i = 0; i < BATCH; i++) {
			(void)*(volatile size_t *)batch[i];
			free(batch[i]);
		}
		atomic_store_explicit(&ring->nr_emptied, n + 1,
				      memory_order_release);
	}
}

static void work_pass(void *arg, unsigned thread, size_t nr_ops)
{
	struct pass *pass = arg;
	struct ring *ring = &pass->rings[thread / 2];

	if (thread % 2 == 0)
		produce(ring, nr_ops / BATCH, bench_seed(thread));
	else
		consume(ring, nr_ops / BATCH);
}

double bench_pass(const struct workload *w, size_t nr_ops)
{
	struct pass pass;

	bench_draw_lens(&lens, w->min_len, w->max_len);
	pass.rings = bench_map(w->nr_threads / 2 * sizeof(*pass.rings));
	nr_ops = (nr_ops + BATCH - 1) / BATCH * BATCH;
	return bench_threads(w->nr_threads, work_pass, &pass, nr_ops);
}

static void replace(void **slots, size_t nr, uint64_t *random, size_t nr_ops)
{
	while (nr_ops--) {
		size_t i = bench_below(random, nr);

		free(slots[i]);
		slots[i] = allocate(*random >> 8);
	}
}

static void free_all(void **slots, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		free(slots[i]);
}

/* A table, and the threads that have it one after the other. */
struct server {
	void **slots;
	size_t nr_slots;
	size_t nr_rounds; /* to come */
	uint64_t random;
	sem_t *done;
};

static void *serve(void *arg);

static void start_server(struct server *server)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, serve, server))
		errx(3, "cannot start a thread");
	pthread_attr_destroy(&attr);
}

static void *serve(void *arg)
{
	struct server *server = arg;

	replace(server->slots, server->nr_slots, &server->random, LARSON_OPS);
	if (--server->nr_rounds) {
		start_server(server);
	} else {
		free_all(server->slots, server->nr_slots);
		sem_post(server->done);
	}
	return NULL;
}

double bench_larson(const struct workload *w, size_t nr_ops)
{
	struct server servers[MAX_THREADS];
	size_t nr_rounds = nr_ops / LARSON_OPS + 1;
	double start, ns;
	sem_t done;

	bench_draw_lens(&lens, w->min_len, w->max_len);
	sem_init(&done, 0, 0);
	for (unsigned i = 0; i < w->nr_threads; i++)
		servers[i] = (struct server){
			.slots = bench_map(w->nr_slots * sizeof(void *)),
			.nr_slots = w->nr_slots,
			.nr_rounds = nr_rounds,
			.random = bench_seed(i),
			.done = &done,
		};
	start = bench_clock();
	for (unsigned i = 0; i < w->nr_threads; i++)
		start_server(&servers[i]);
	for (unsigned i = 0; i < w->nr_threads; i++)
		while (sem_wait(&done))
			;
	ns = bench_clock() - start;
	if (bench_cpu_time)
		ns /= w->nr_threads;
	return ns / (double)(nr_rounds * LARSON_OPS);
}

struct swap {
	void **slots[MAX_THREADS];
	size_t nr_slots;
	unsigned nr_threads;
	pthread_barrier_t barrier;
};

static void work_swap(void *arg, unsigned thread, size_t nr_ops)
{
	struct swap *swap = arg;
	uint64_t random = bench_seed(thread);
	size_t round;

	for (round = 0; round < nr_ops / SWAP_OPS; round++) {
		replace(swap->slots[(thread + round) % swap->nr_threads],
			swap->nr_slots, &random, SWAP_OPS);
		pthread_barrier_wait(&swap->barrier);
	}
	free_all(swap->slots[(thread + round) % swap->nr_threads],
		 swap->nr_slots);
}

double bench_swap(const struct workload *w, size_t nr_ops)
{
	struct swap swap = { .nr_slots = w->nr_slots,
			     .nr_threads = w->nr_threads };

	bench_draw_lens(&lens, w->min_len, w->max_len);
	for (unsigned i = 0; i < w->nr_threads; i++)
		swap.slots[i] = bench_map(w->nr_slots * sizeof(void *));
	pthread_barrier_init(&swap.barrier, NULL, w->nr_threads);
	nr_ops = (nr_ops / SWAP_OPS + 1) * SWAP_OPS;
	return bench_threads(w->nr_threads, work_swap, &swap, nr_ops);
}
