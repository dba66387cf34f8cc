// SPDX-License-Identifier: MIT
/*
 * How long it takes to learn the number of mappings: of one process that has
 * many, and of every process of a machine that has many processes. The ways of
 * surefree ps, and reading /proc/PID/maps from end to end, as everybody does.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bench.h"
#include "os/maps.h"
#include "process.h"

#define NR_MAPPINGS  65000
#define NR_PROCESSES 1000
#define NR_RUNS	     15

struct times {
	double median, least; /* microseconds */
};

/* Of NR_RUNS, which are sorted. */
static struct times times_of(double *us)
{
	double median = bench_median(us, NR_RUNS);

	return (struct times){ median, us[0] };
}

/* Lives until its parent ends. */
static void wait_for_ever(void)
{
	for (;;)
		pause();
}

static void map(size_t nr)
{
	size_t page_len = (size_t)sysconf(_SC_PAGESIZE);
	char *addr = mmap(NULL, (nr + 1) * page_len, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	for (size_t i = 1; addr != MAP_FAILED && i < nr; i += 2)
		mprotect(addr + i * page_len, page_len, PROT_READ);
}

/* Start a process with so many mappings more; 0: as it is. */
static pid_t start(size_t nr)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready) != 0)
		bench_usage("no pipe");
	pid = fork();
	if (pid < 0)
		bench_usage("no process");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (nr > 0)
			map(nr);
		close(ready[0]);
		close(ready[1]);
		wait_for_ever();
	}
	close(ready[1]);
	/* Ends when the child has closed it. */
	if (read(ready[0], &byte, 1) != 0)
		bench_usage("a process is no process");
	close(ready[0]);
	return pid;
}

/* Times of a snapshot; median 0: cannot be had here. */
static struct times snapshot(enum sf_process_source source,
			     const struct sf_process_filter *filter, size_t *nr)
{
	struct sf_processes all;
	double us[NR_RUNS];

	*nr = 0;
	if (sf_processes_open(&all, source, SF_REFUSALS_NONE) != 0) {
		sf_processes_close(&all);
		return (struct times){ 0 };
	}
	/* The first one looks up names of users. */
	for (int i = -1; i < NR_RUNS; i++) {
		double begin = bench_now();

		if (sf_processes_read(&all, filter) != 0)
			bench_usage("cannot read processes");
		us[i < 0 ? 0 : i] = (bench_now() - begin) / 1000;
	}
	*nr = filter->nr_pids == 1 ? all.row[0].mappings : all.nr;
	sf_processes_close(&all);
	return times_of(us);
}

static struct times whole_maps(pid_t pid, size_t *nr)
{
	double us[NR_RUNS];

	for (int i = 0; i < NR_RUNS; i++) {
		double begin = bench_now();

		if (sf_maps_count(pid, nr) != 0)
			bench_usage("cannot read maps");
		us[i] = (bench_now() - begin) / 1000;
	}
	return times_of(us);
}

static void print(const char *what, struct times us, size_t nr,
		  const struct times *base)
{
	printf("%-40s ", what);
	if (us.median <= 0) {
		printf("%10s\n", "not here");
		return;
	}
	printf("%10.1f %10.1f %7zu", us.median, us.least, nr);
	if (base != NULL)
		printf("  %.0f times faster", base->median / us.median);
	putchar('\n');
}

int main(void)
{
	pid_t victim = start(NR_MAPPINGS);
	const struct sf_process_filter one = { .pids = &victim, .nr_pids = 1 };
	const struct sf_process_filter all = { 0 };
	pid_t others[NR_PROCESSES];
	struct times maps, us;
	size_t nr;

	bench_print_facts(stdout, "");
	for (size_t i = 0; i < NR_PROCESSES; i++)
		others[i] = start(0);
	printf("%-40s %10s %10s %7s\n", "microseconds", "median", "least",
	       "number");
	maps = whole_maps(victim, &nr);
	print("one process: all of /proc/PID/maps", maps, nr, NULL);
	us = snapshot(SF_PROCESS_BPF, &one, &nr);
	print("one process: BPF", us, nr, &maps);
	us = snapshot(SF_PROCESS_PROC, &one, &nr);
	print("one process: /proc with rests", us, nr, NULL);
	us = snapshot(SF_PROCESS_BPF, &all, &nr);
	print("every process: BPF", us, nr, NULL);
	us = snapshot(SF_PROCESS_PROC, &all, &nr);
	print("every process: /proc with rests", us, nr, NULL);
	kill(victim, SIGKILL);
	for (size_t i = 0; i < NR_PROCESSES; i++)
		kill(others[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	return 0;
}
