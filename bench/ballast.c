// SPDX-License-Identifier: MIT
/*
 * Would it help to hold spare mappings ready, the ballast, and to drop them
 * when something needs some? Measures what that costs, which of the C library's
 * own calls then work at the limit, and what it costs to know that it is near.
 * The verdict is in docs/design.md.
 *
 * Run it without a preloaded allocator: the calls are those of the C library.
 */
#include <dlfcn.h>
#include <err.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fill.h"
#include "lib/bench.h"
#include "os/maps.h"

#define NR_RUNS	   21
#define PAGE_LEN   ((size_t)4096)
#define NR_SPARE   33 /* of the ballast, for the calls */
#define NR_THREADS 48
#define CHUNK_LEN  ((size_t)4 << 20)
#define NR_CHUNKS  32

struct ballast {
	char *addr;
	size_t len;
};

/* Every second page readable: as many mappings as pages. */
static struct ballast make(size_t nr)
{
	struct ballast ballast = { .len = nr * PAGE_LEN };

	ballast.addr = mmap(NULL, ballast.len, PROT_NONE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ballast.addr == MAP_FAILED)
		err(3, "mmap");
	for (size_t at = PAGE_LEN; at < ballast.len; at += 2 * PAGE_LEN)
		if (mprotect(ballast.addr + at, PAGE_LEN, PROT_READ) != 0)
			err(3, "mprotect");
	return ballast;
}

static void drop(const struct ballast *ballast)
{
	if (munmap(ballast->addr, ballast->len) != 0)
		err(3, "munmap");
}

static void measure_making(size_t nr)
{
	double made[NR_RUNS];
	double dropped[NR_RUNS];

	for (int i = 0; i < NR_RUNS; i++) {
		double start = bench_now();
		struct ballast ballast = make(nr);

		made[i] = bench_now() - start;
		start = bench_now();
		drop(&ballast);
		dropped[i] = bench_now() - start;
	}
	printf("%zu\t%.1f\t%.1f\n", nr, bench_median(made, NR_RUNS) / 1000,
	       bench_median(dropped, NR_RUNS) / 1000);
}

/*
 * The C library's calls. Each is prepared below the limit, then tried; the
 * word says how it went.
 */

static void *wait_for_end(void *arg)
{
	while (arg != NULL && sem_wait(arg) != 0)
		;
	return NULL;
}

static void prepare_nothing(void)
{
}

static const char *try_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, wait_for_end, NULL) != 0)
		return "refused, and said";
	pthread_join(thread, NULL);
	return "done";
}

static pthread_t threads[NR_THREADS];
static sem_t may_end[NR_THREADS];

static void prepare_join(void)
{
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setguardsize(&attr, 0);
	for (int i = 0; i < NR_THREADS; i++) {
		sem_init(&may_end[i], 0, 0);
		if (pthread_create(&threads[i], &attr, wait_for_end,
				   &may_end[i]) != 0)
			errx(3, "cannot make a thread");
	}
}

static const char *try_join(void)
{
	for (int first = 1; first >= 0; first--)
		for (int i = first; i < NR_THREADS; i += 2) {
			sem_post(&may_end[i]);
			pthread_join(threads[i], NULL);
		}
	return "done";
}

static const char *try_dlopen(void)
{
	void *handle = dlopen("libz.so.1", RTLD_NOW);

	if (handle == NULL)
		return "refused, and said";
	dlclose(handle);
	return "done";
}

static const char *try_fopen(void)
{
	FILE *file = fopen("/proc/self/stat", "re");
	int c = file != NULL ? getc(file) : EOF;

	if (file != NULL)
		fclose(file);
	return c != EOF ? "done" : "refused, and said";
}

static char *chunks[NR_CHUNKS];

static void prepare_free(void)
{
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	for (int i = 0; i < NR_CHUNKS; i++) {
		chunks[i] = malloc(CHUNK_LEN);
		if (chunks[i] == NULL)
			errx(3, "cannot allocate");
		memset(chunks[i], 1, CHUNK_LEN);
	}
}

/* Every second one, so that each needs a mapping. */
static const char *try_free(void)
{
	size_t before;
	size_t after;

	if (sf_maps_resident(&before) != 0)
		return "unknown";
	for (int i = 1; i < NR_CHUNKS; i += 2)
		free(chunks[i]);
	if (sf_maps_resident(&after) != 0)
		return "unknown";
	return before - after > NR_CHUNKS / 2 * CHUNK_LEN * 3 / 4 ?
		       "done" :
		       "not done, nothing said";
}

static const char *try_spawn(void)
{
	char *args[] = { (char *)"true", NULL };
	pid_t pid;

	if (posix_spawnp(&pid, "true", NULL, NULL, args, environ) != 0)
		return "refused, and said";
	waitpid(pid, NULL, 0);
	return "done";
}

static const struct call {
	const char *name;
	void (*prepare)(void);
	const char *(*try)(void);
} calls[] = {
	{ "make a thread", prepare_nothing, try_thread },
	{ "join threads without guard", prepare_join, try_join },
	{ "dlopen, dlclose", prepare_nothing, try_dlopen },
	{ "fopen, read", prepare_nothing, try_fopen },
	{ "free large blocks", prepare_free, try_free },
	{ "posix_spawn", prepare_nothing, try_spawn },
};

static void run_call(const struct call *call, bool drop_it)
{
	struct ballast ballast = make(NR_SPARE);
	struct sf_fill fill;
	const char *word;
	int problem;

	call->prepare();
	problem = sf_fill_up(&fill, 0);
	if (problem != 0)
		errx(3, "%s", sf_fill_why(problem));
	if (drop_it)
		drop(&ballast);
	word = call->try();
	if (write(STDOUT_FILENO, word, strlen(word)) < 0)
		_exit(3);
	_exit(0);
}

static void run_in_child(const struct call *call, bool drop_it)
{
	struct rlimit no_core = { 0, 0 };
	int status;
	pid_t pid;

	printf("\t");
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		run_call(call, drop_it);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		err(3, "fork");
	if (WIFSIGNALED(status))
		printf("%s", strsignal(WTERMSIG(status)));
}

/* Two ways to know: count all, or try to cut a mapping in three. */
static void measure_knowing(void)
{
	char *page = mmap(NULL, 3 * PAGE_LEN, PROT_NONE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct sf_fill fill;
	double counted[NR_RUNS];
	double tried;
	size_t nr;

	if (page == MAP_FAILED || sf_fill_up(&fill, 8) != 0)
		errx(3, "cannot come near the limit");
	for (int i = 0; i < NR_RUNS; i++) {
		double start = bench_now();

		sf_maps_count(0, &nr);
		counted[i] = bench_now() - start;
	}
	tried = bench_now();
	for (int i = 0; i < 1000; i++) {
		mprotect(page + PAGE_LEN, PAGE_LEN, PROT_READ);
		mprotect(page + PAGE_LEN, PAGE_LEN, PROT_NONE);
	}
	tried = (bench_now() - tried) / 1000;
	printf("count %zu mappings\t%.1f\ntry for two spare ones\t%.2f\n", nr,
	       bench_median(counted, NR_RUNS) / 1000, tried / 1000);
	sf_fill_empty(&fill);
}

int main(void)
{
	printf("mappings\tmake, us\tdrop, us\n");
	for (size_t nr = 33; nr < 10000; nr = nr * 16 - 15)
		measure_making(nr);
	printf("\nno mapping spare\twith ballast\tballast dropped before\n");
	for (size_t i = 0; i < BENCH_COUNT(calls); i++) {
		printf("%s", calls[i].name);
		run_in_child(&calls[i], false);
		run_in_child(&calls[i], true);
		printf("\n");
	}
	printf("\nto know\tus\n");
	measure_knowing();
	return 0;
}
