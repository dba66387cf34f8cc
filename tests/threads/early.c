// SPDX-License-Identifier: MIT
/* A library with a worker thread, see early.h. */
#include "early.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define EXPORT __attribute__((visibility("default")))
#define LEN    65536

static pthread_t worker;
static sem_t may_end;
static int is_running;
static int nr_workers;

static void allocate(void)
{
	char *volatile block = malloc(100);

	memset(block, 1, 100);
	free(block);
	/* Blocks of a size that this thread has not had yet, and large ones. */
	for (size_t len = 16; len <= 1 << 20; len *= 2) {
		block = malloc(len);
		block[0] = 1;
		free(block);
	}
}

static void map(void)
{
	char *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	p[0] = 1;
	mprotect(p, LEN / 2, PROT_READ);
	munmap(p, LEN);
}

static void *work(void *arg)
{
	while (sem_wait(&may_end) != 0)
		;
	allocate();
	map();
	return arg;
}

EXPORT int early_start(void)
{
	is_running = pthread_create(&worker, NULL, work, NULL) == 0;
	nr_workers += is_running;
	return is_running;
}

EXPORT int early_stop(void)
{
	if (is_running) {
		sem_post(&may_end);
		pthread_join(worker, NULL);
		is_running = 0;
	}
	return nr_workers;
}

/* Around fork(): those who had a worker have one again. */
static int had_worker;

static void prepare(void)
{
	had_worker = is_running;
	early_stop();
}

static void start_again(void)
{
	if (had_worker)
		early_start();
}

__attribute__((constructor)) static void at_load(void)
{
	sem_init(&may_end, 0, 0);
	pthread_atfork(prepare, start_again, start_again);
}
