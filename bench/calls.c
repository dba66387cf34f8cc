// SPDX-License-Identifier: MIT
/*
 * What tracing costs a program whose memory calls succeed. The program makes
 * 100,000 of them a second, of six kinds, and computes between them; it is run
 * in turns alone and under a command, and tells the CPU time that it took.
 *
 *	bench-calls ROUNDS COMMAND [ARGUMENT ...]
 *
 * COMMAND runs what is appended to it:
 *
 *	bench-calls 40 surefree trace -o /dev/null --
 *
 * As `bench-calls work CALLS STEPS` it is the program: so many calls, so many
 * steps of computing between two.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/bench.h"

#define RATE	    100000.0 /* calls a second */
#define NR_CALLS    50000ul  /* in a run */
#define KINDS	    6ul
#define WORDS_MAX   64
#define ROUNDS_MAX  1000ul
#define FIRST_STEPS 2000ul

static char own_path[4096];

static double cpu_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static uint64_t compute(uint64_t value, size_t steps)
{
	for (size_t i = 0; i < steps; i++)
		value = value * 6364136223846793005 + 1442695040888963407;
	return value;
}

/* One call of each kind, with computing behind each. False: one failed. */
static bool call_each(size_t page_len, size_t steps, uint64_t *value)
{
	size_t len = 8 * page_len;
	char *addr = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool good = addr != MAP_FAILED;

	*value = compute(*value, steps);
	good = good && mprotect(addr, 2 * page_len, PROT_READ) == 0;
	*value = compute(*value, steps);
	good = good && madvise(addr, len, MADV_DONTNEED) == 0;
	*value = compute(*value, steps);
	good = good && mremap(addr + 4 * page_len, 4 * page_len, 2 * page_len,
			      0) != MAP_FAILED;
	*value = compute(*value, steps);
	good = good && sbrk(0) != (void *)-1 && brk(sbrk(0)) == 0;
	*value = compute(*value, steps);
	good = good && munmap(addr, len) == 0;
	*value = compute(*value, steps);
	return good;
}

/* The program: prints nanoseconds of CPU time. */
static int work(size_t nr_calls, size_t steps)
{
	size_t page_len = (size_t)sysconf(_SC_PAGESIZE);
	volatile uint64_t sink;
	uint64_t value = 1;
	double start = cpu_now();

	for (size_t i = 0; i < nr_calls / KINDS; i++)
		if (!call_each(page_len, steps, &value))
			return 1;
	sink = value;
	(void)sink;
	printf("%.0f\n", cpu_now() - start);
	return 0;
}

/* Run it under a command, or alone; nanoseconds of its CPU time. */
static double run(char *const *command, size_t nr_words, size_t steps)
{
	char *words[WORDS_MAX + 5];
	char calls_text[24];
	char steps_text[24];
	char line[64] = "";
	int out[2];
	ssize_t len;
	pid_t pid;

	snprintf(calls_text, sizeof(calls_text), "%lu", NR_CALLS);
	snprintf(steps_text, sizeof(steps_text), "%zu", steps);
	memcpy(words, command, nr_words * sizeof(*words));
	words[nr_words++] = own_path;
	words[nr_words++] = "work";
	words[nr_words++] = calls_text;
	words[nr_words++] = steps_text;
	words[nr_words] = NULL;
	if (pipe(out) != 0)
		bench_usage("no pipe");
	pid = fork();
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		execvp(words[0], words);
		_exit(127);
	}
	close(out[1]);
	len = read(out[0], line, sizeof(line) - 1);
	close(out[0]);
	waitpid(pid, NULL, 0);
	if (pid < 0 || len <= 0 || strtod(line, NULL) <= 0)
		bench_usage("the command does not run the program");
	return strtod(line, NULL);
}

/* How much must be computed between two calls. */
static size_t calibrate(void)
{
	double none = run(NULL, 0, 0);
	double first = run(NULL, 0, FIRST_STEPS);
	double wanted = (double)NR_CALLS / RATE * 1e9;

	if (none >= wanted || first <= none)
		bench_usage("memory calls take too long for that rate");
	return (size_t)((wanted - none) * (double)FIRST_STEPS / (first - none));
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *values, size_t nr)
{
	qsort(values, nr, sizeof(*values), compare);
	return bench_median(values, nr);
}

int main(int argc, char **argv)
{
	static double alone[ROUNDS_MAX], traced[ROUNDS_MAX], ratio[ROUNDS_MAX];
	size_t rounds, steps;

	if (argc == 4 && strcmp(argv[1], "work") == 0)
		return work(strtoul(argv[2], NULL, 10),
			    strtoul(argv[3], NULL, 10));
	if (argc < 3 || argc - 2 > WORDS_MAX)
		bench_usage("bench-calls ROUNDS COMMAND [ARGUMENT ...]");
	rounds = strtoul(argv[1], NULL, 10);
	if (rounds == 0 || rounds > ROUNDS_MAX)
		bench_usage("bench-calls: 1 to 1000 rounds");
	if (readlink("/proc/self/exe", own_path, sizeof(own_path) - 1) < 0)
		bench_usage("no /proc");
	steps = calibrate();
	for (size_t i = 0; i < rounds; i++) {
		/* Whoever is first in a round may be luckier. */
		if (i % 2 == 0)
			alone[i] = run(NULL, 0, steps);
		traced[i] = run(argv + 2, (size_t)argc - 2, steps);
		if (i % 2 != 0)
			alone[i] = run(NULL, 0, steps);
		ratio[i] = traced[i] / alone[i];
	}
	qsort(ratio, rounds, sizeof(*ratio), compare);
	printf("rounds:    %zu of %lu calls, %zu steps between two\n", rounds,
	       NR_CALLS, steps);
	printf("alone:     %.1f ns a call\n",
	       median(alone, rounds) / (double)NR_CALLS);
	printf("traced:    %.1f ns a call\n",
	       median(traced, rounds) / (double)NR_CALLS);
	printf("slower by: %.2f %% (median of the rounds; quartiles %.2f %%, "
	       "%.2f %%)\n",
	       100 * (ratio[rounds / 2] - 1), 100 * (ratio[rounds / 4] - 1),
	       100 * (ratio[rounds * 3 / 4] - 1));
	return 0;
}
