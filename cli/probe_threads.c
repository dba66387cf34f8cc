// SPDX-License-Identifier: MIT
/*
 * Create threads, use up every mapping, join every second thread, then the
 * others. The C library keeps stacks of ended threads up to 40 MiB and unmaps
 * the rest; where stacks lie in one mapping (no guards, or glibc 2.42 and newer
 * with guards that are no mappings) that munmap() is refused, and glibc aborts.
 * The third row gives threads stacks from surefree.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/prctl.h>

#include "base/compiler.h"
#include "cmd.h"
#include "experiment.h"
#include "fill.h"
#include "surefree.h"

#define NAME	   "threads"
#define NR_THREADS 48
#define STACK_LEN  ((size_t)4 << 20) /* 24 of them: more than 40 MiB */

enum kind { DEFAULT, NO_GUARD, FROM_SUREFREE, NR_KINDS };

static const char *const kind_names[NR_KINDS] = {
	[DEFAULT] = "default",
	[NO_GUARD] = "no guard",
	[FROM_SUREFREE] = "surefree",
};

/* What a child found; in shared memory. */
struct result {
	int err; /* could not be tried: from sf_fill_up() */
	size_t nr_created;
	size_t nr_create_failed;
	size_t nr_joined;
};

struct run {
	enum kind kind;
	struct result *result;
	struct sf_child_end end;
};

/* In the child, static: at the limit nothing may be allocated. */
struct thread {
	pthread_t id;
	sem_t go_on;
	struct surefree_stack stack;
};

static struct thread threads[NR_THREADS];

static void *wait_to_end(void *arg)
{
	struct thread *thread = arg;

	while (sem_wait(&thread->go_on) != 0)
		;
	return NULL;
}

/* 0 or an errno, as pthread_create(). */
static int create(enum kind kind, struct thread *thread)
{
	pthread_attr_t attr;
	int err;

	sem_init(&thread->go_on, 0, 0);
	err = pthread_attr_init(&attr);
	if (err != 0)
		return err;
	err = pthread_attr_setstacksize(&attr, STACK_LEN);
	if (err == 0 && kind == NO_GUARD)
		err = pthread_attr_setguardsize(&attr, 0);
	if (err == 0 && kind == FROM_SUREFREE) {
		if (surefree_stack_map(STACK_LEN, &thread->stack) != 0)
			err = errno;
		else
			err = pthread_attr_setstack(&attr, thread->stack.addr,
						    thread->stack.len);
	}
	if (err == 0)
		err = pthread_create(&thread->id, &attr, wait_to_end, thread);
	pthread_attr_destroy(&attr);
	return err;
}

static void join_every_second(const struct run *run, size_t first)
{
	size_t i;

	for (i = first; i < run->result->nr_created; i += 2) {
		sem_post(&threads[i].go_on);
		if (pthread_join(threads[i].id, NULL) == 0)
			run->result->nr_joined++;
		if (run->kind == FROM_SUREFREE)
			surefree_stack_unmap(&threads[i].stack);
	}
}

/* In the child. */
static void work(void *arg)
{
	const struct run *run = arg;
	struct result *result = run->result;
	struct sf_fill fill;

	/* A core handler may run in spite of the limit on core files. */
	prctl(PR_SET_DUMPABLE, 0);
	while (result->nr_created < NR_THREADS &&
	       create(run->kind, &threads[result->nr_created]) == 0)
		result->nr_created++;
	result->nr_create_failed = NR_THREADS - result->nr_created;
	result->err = sf_fill_up(&fill, 0);
	if (result->err != 0)
		return;
	join_every_second(run, 0);
	join_every_second(run, 1);
}

enum { STACKS, CREATED, CREATE_FAILED, JOINED, ENDED, NR_COLUMNS };

static void write_result(struct sf_out *out, const struct run *runs,
			 size_t nr_runs)
{
	static const struct sf_column columns[NR_COLUMNS] = {
		[STACKS] = { "stacks", "stacks" },
		[CREATED] = { "created", "created" },
		[CREATE_FAILED] = { "create_failed", "not created" },
		[JOINED] = { "joined", "joined" },
		[ENDED] = { "ended", "process ended" },
	};
	struct sf_cell cells[NR_KINDS][NR_COLUMNS];
	struct sf_table table = {
		.key = "runs",
		.columns = columns,
		.nr_columns = NR_COLUMNS,
		.cells = cells[0],
		.nr_rows = nr_runs,
	};
	char bufs[NR_KINDS][24];
	size_t i;

	for (i = 0; i < nr_runs; i++) {
		const struct result *result = runs[i].result;

		cells[i][STACKS] = sf_cell_text(kind_names[i]);
		cells[i][CREATED] = sf_cell_count(result->nr_created);
		cells[i][CREATE_FAILED] = sf_cell_count(
			result->nr_create_failed);
		cells[i][JOINED] = sf_cell_count(result->nr_joined);
		cells[i][ENDED] = sf_cell_mark(
			sf_cell_text(sf_child_end_text(&runs[i].end, bufs[i],
						       sizeof(bufs[i]))),
			runs[i].end.signal != 0);
	}
	sf_out_table(out, &table);
}

static int cannot_fill(int err)
{
	sf_experiment_say(NAME, "cannot use up the mappings: %s",
			  sf_fill_why(err));
	return SF_EXIT_CANNOT;
}

/* Run one kind. FINE, FINDING, or CANNOT after a message. */
static int run_kind(struct run *run)
{
	const struct result *result = run->result;
	int err = sf_child_run(work, run, &run->end);

	if (err != 0)
		return sf_experiment_cannot(NAME, err);
	if (result->err != 0)
		return cannot_fill(result->err);
	if (result->nr_create_failed > 0) {
		sf_experiment_say(NAME,
				  "%zu of %d threads could not be created; "
				  "raise ulimit -u or -v",
				  result->nr_create_failed, NR_THREADS);
		return SF_EXIT_CANNOT;
	}
	return sf_experiment_ended(NAME, &run->end);
}

int sf_experiment_threads(struct sf_out *out)
{
	size_t len = NR_KINDS * sizeof(struct result);
	struct run runs[NR_KINDS];
	struct result *results;
	int code = SF_EXIT_FINE;
	int one = sf_fill_check(0);
	char libc[32];
	size_t i;

	if (one != 0)
		return cannot_fill(one);
	results = sf_child_share(len);
	if (results == NULL)
		return sf_experiment_cannot(NAME, -ENOMEM);
	sf_experiment_libc(libc, sizeof(libc));
	sf_out_section(out, "threads",
		       "threads: %d joined with no mapping spare, %s",
		       NR_THREADS, libc);
	if (out->root != NULL)
		sf_out_value(out, "libc", "", sf_cell_text(libc));
	for (i = 0; i < NR_KINDS; i++) {
		runs[i] = (struct run){ (enum kind)i, &results[i], { 0 } };
		one = run_kind(&runs[i]);
		code = sf_experiment_worse(code, one);
		if (one == SF_EXIT_CANNOT)
			break;
	}
	if (i > 0)
		write_result(out, runs, i);
	sf_child_unshare(results, len);
	return code;
}
