// SPDX-License-Identifier: MIT
/*
 * Does looking at a process hold it up? One process has many mappings and maps
 * and unmaps a page in a loop, timing each call. On the other CPU a second one
 * looks at it without a pause, in one of three ways, or keeps that CPU busy
 * with something else. These take turns, so that what else the machine does
 * hits both alike.
 *
 *	bpf	the snapshot of all processes that surefree ps takes by BPF
 *	proc	the one that it takes by /proc, reading with rests
 *	maps	/proc/PID/maps from end to end, as everybody does
 *
 *	bench-stall [SECONDS]
 *
 * The last column tells whether a lock was waited for, also on a busy machine:
 * how often the process went to sleep of its own accord, which it does for
 * nothing else.
 */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bench.h"
#include "os/maps.h"
#include "process.h"

#define NR_MAPPINGS 60000
#define TURN_US	    100000
#define NR_BUCKETS  512
#define PER_DOUBLE  16.0 /* buckets from one power of two to the next */
#define FIRST	    64.0 /* nanoseconds */

enum { ALONE, WATCHED, NR_STATES };

/* Shared with the process that is watched. */
struct shared {
	_Atomic int state; /* which histogram counts */
	_Atomic uint64_t count[NR_STATES][NR_BUCKETS];
	_Atomic uint64_t longest[NR_STATES]; /* nanoseconds */
	_Atomic uint64_t nr_sleeps[NR_STATES];
	_Atomic size_t nr_looks;
};

static struct shared *shared;

/* Bucket i holds FIRST * 2^(i / PER_DOUBLE) and more; no libm. */
static double lower[NR_BUCKETS + 1];

static void make_buckets(void)
{
	const double step = 1.0442737824274138; /* 2^(1/16) */

	lower[0] = FIRST;
	for (size_t i = 1; i <= NR_BUCKETS; i++)
		lower[i] = lower[i - 1] * step;
}

static size_t bucket_of(double ns)
{
	size_t low = 0, high = NR_BUCKETS;

	while (high - low > 1) {
		size_t middle = (low + high) / 2;

		if (ns >= lower[middle])
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void note(int state, double ns)
{
	uint64_t longest = shared->longest[state];

	shared->count[state][bucket_of(ns)]++;
	if ((uint64_t)ns > longest)
		shared->longest[state] = (uint64_t)ns;
}

static uint64_t sleeps(void)
{
	struct rusage usage = { .ru_nvcsw = 0 };

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_nvcsw;
}

/* The process that is watched; never returns. */
static void be_watched(int ready)
{
	size_t page_len = (size_t)sysconf(_SC_PAGESIZE);
	char *addr = mmap(NULL, (NR_MAPPINGS + 1) * page_len, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(0);
	for (size_t i = 1; addr != MAP_FAILED && i < NR_MAPPINGS; i += 2)
		mprotect(addr + i * page_len, page_len, PROT_READ);
	close(ready);
	for (;;) {
		int state = shared->state;
		uint64_t before = sleeps();
		double begin = bench_now();
		void *page = mmap(NULL, page_len, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (page != MAP_FAILED)
			munmap(page, page_len);
		note(state, (bench_now() - begin) / 2);
		shared->nr_sleeps[state] += sleeps() - before;
	}
}

static pid_t start_watched(void)
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
		close(ready[0]);
		be_watched(ready[1]);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 0)
		bench_usage("the process is none");
	close(ready[0]);
	return pid;
}

static void look_by_maps(pid_t pid)
{
	size_t nr;

	sf_maps_count(pid, &nr);
}

/* The process that looks at pid; never returns. */
static void watch(const char *how, pid_t pid)
{
	bool by_maps = strcmp(how, "maps") == 0;
	bool by_proc = strcmp(how, "proc") == 0;
	const struct sf_process_filter filter = { .pids = &pid,
						  .nr_pids = by_proc };
	struct sf_processes all;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(1);
	if (sf_processes_open(&all,
			      by_proc || by_maps ? SF_PROCESS_PROC :
						   SF_PROCESS_BPF,
			      SF_REFUSALS_NONE) != 0)
		_exit(1);
	for (;;) {
		if (shared->state == ALONE) {
			getppid();
			continue;
		}
		if (by_maps)
			look_by_maps(pid);
		else
			sf_processes_read(&all, &filter);
		shared->nr_looks++;
	}
}

/* Returns false when it cannot be done here. */
static bool take_turns(double seconds, const char *how, pid_t watched)
{
	double end = bench_now() + seconds * 1e9;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		bench_usage("no process");
	if (pid == 0)
		watch(how, watched);
	while (bench_now() < end) {
		shared->state = ALONE;
		usleep(TURN_US);
		shared->state = WATCHED;
		usleep(TURN_US);
	}
	shared->state = ALONE;
	if (waitpid(pid, &status, WNOHANG) == pid)
		return false;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return true;
}

static double quantile(int state, double share)
{
	uint64_t total = 0, seen = 0;
	size_t i;

	for (i = 0; i < NR_BUCKETS; i++)
		total += shared->count[state][i];
	for (i = 0; i < NR_BUCKETS; i++) {
		seen += shared->count[state][i];
		if ((double)seen >= share * (double)total)
			break;
	}
	return lower[i < NR_BUCKETS ? i : NR_BUCKETS - 1];
}

static void print_state(const char *name, int state)
{
	static const double shares[] = { 0.5, 0.9, 0.99, 0.999, 0.9999 };
	uint64_t total = 0;

	for (size_t i = 0; i < NR_BUCKETS; i++)
		total += shared->count[state][i];
	printf("%-8s %10llu", name, (unsigned long long)total);
	for (size_t i = 0; i < BENCH_COUNT(shares); i++)
		printf(" %9.1f", quantile(state, shares[i]) / 1000);
	printf(" %9.1f %7llu\n", (double)shared->longest[state] / 1000,
	       (unsigned long long)shared->nr_sleeps[state]);
}

static void measure(double seconds, const char *how)
{
	pid_t pid;
	bool could;

	memset(shared, 0, sizeof(*shared));
	pid = start_watched();
	could = take_turns(seconds, how, pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (!could) {
		printf("%s: not here\n", how);
		return;
	}
	print_state("alone", ALONE);
	print_state(how, WATCHED);
	printf("%-8s looked at %zu times\n", "", shared->nr_looks);
}

int main(int argc, char **argv)
{
	static const char *const ways[] = { "bpf", "proc", "maps" };
	double seconds = 10;

	if (argc > 1)
		seconds = (double)bench_parse_count(argv[1], 3600);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		bench_usage("no memory");
	make_buckets();
	printf("microseconds of mmap() or munmap(), %d mappings\n",
	       NR_MAPPINGS);
	printf("%-8s %10s %9s %9s %9s %9s %9s %9s %7s\n", "", "pairs", "50 %",
	       "90 %", "99 %", "99.9 %", "99.99 %", "longest", "slept");
	for (size_t i = 0; i < BENCH_COUNT(ways); i++)
		measure(seconds, ways[i]);
	return 0;
}
