// SPDX-License-Identifier: MIT
/* Names for copied stacks, see stacks.h. */
#include "stacks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROCESSES_MAX 128
#define KNOWN_MAX     ((size_t)256)	    /* stacks of a process */
#define LOOK_AGAIN    ((uint64_t)100000000) /* nanoseconds */

/* A stack that was unwound: its return addresses, and where they lay. */
struct known {
	uint64_t ip[SF_WHERE_FRAMES];
	size_t slot[SF_WHERE_FRAMES]; /* in bytes from the stack pointer */
	struct sf_where where;
};

struct sf_stacks_process {
	pid_t pid;
	bool changed;
	uint64_t looked; /* when, in nanoseconds */
	uint64_t seen;
	struct sf_where_cache *cache;
	struct known **known;
	size_t nr_known;
	struct sf_where where; /* of a stack that is not kept */
};

static void forget_known(struct sf_stacks_process *process)
{
	while (process->nr_known > 0)
		free(process->known[--process->nr_known]);
	free(process->known);
	process->known = NULL;
}

static void forget(struct sf_stacks_process *process)
{
	forget_known(process);
	sf_where_forget(&process->cache);
	*process = (struct sf_stacks_process){ 0 };
}

/* A free place, or that of the process not seen for the longest time. */
static struct sf_stacks_process *make_room(struct sf_stacks *stacks)
{
	struct sf_stacks_process *oldest;

	if (stacks->process == NULL)
		stacks->process = calloc(PROCESSES_MAX,
					 sizeof(*stacks->process));
	if (stacks->process == NULL)
		return NULL;
	if (stacks->nr < PROCESSES_MAX)
		return &stacks->process[stacks->nr++];
	oldest = &stacks->process[0];
	for (size_t i = 1; i < stacks->nr; i++)
		if (stacks->process[i].seen < oldest->seen)
			oldest = &stacks->process[i];
	forget(oldest);
	return oldest;
}

static struct sf_stacks_process *find_process(const struct sf_stacks *stacks,
					      pid_t pid)
{
	for (size_t i = 0; i < stacks->nr; i++)
		if (stacks->process[i].pid == pid)
			return &stacks->process[i];
	return NULL;
}

/* The process, made when there is none; NULL: no memory. */
static struct sf_stacks_process *get(struct sf_stacks *stacks, pid_t pid)
{
	struct sf_stacks_process *process = find_process(stacks, pid);

	if (process == NULL)
		process = make_room(stacks);
	if (process != NULL) {
		process->pid = pid;
		process->seen = ++stacks->clock;
	}
	return process;
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* From what the kernel has told. 0, or -errno: nothing. */
static int recall(const struct sf_stacks *stacks,
		  struct sf_stacks_process *process)
{
	char *maps = stacks->code != NULL ?
			     sf_code_maps(stacks->code, process->pid) :
			     NULL;
	int err = -ESRCH;

	if (maps != NULL)
		err = sf_where_recall(&process->cache, process->pid, maps);
	free(maps);
	return err;
}

/*
 * Look at it, or, when it has ended, at what is known of it; else what was seen
 * last is kept.
 */
static void look(const struct sf_stacks *stacks,
		 struct sf_stacks_process *process)
{
	process->changed = false;
	process->looked = now();
	if (sf_where_remember(&process->cache, process->pid) == 0 ||
	    recall(stacks, process) == 0)
		forget_known(process);
}

void sf_stacks_changed(struct sf_stacks *stacks, pid_t pid, bool only_known)
{
	struct sf_stacks_process *process = only_known ?
						    find_process(stacks, pid) :
						    get(stacks, pid);

	if (process != NULL)
		process->changed = true;
}

void sf_stacks_refresh(struct sf_stacks *stacks)
{
	for (size_t i = 0; i < stacks->nr; i++)
		if (stacks->process[i].changed)
			look(stacks, &stacks->process[i]);
}

static uint64_t word_at(const struct sf_where_copy *copy, size_t at)
{
	uint64_t word = 0;

	if (at < copy->stack_len && copy->stack_len - at >= sizeof(word))
		memcpy(&word, copy->stack + at, sizeof(word));
	return word;
}

/*
 * How many of the known stack's frames the copy has at the same places, with
 * nothing that contradicts; 0: it is another.
 */
static size_t compare(const struct known *known,
		      const struct sf_where_copy *copy)
{
	size_t nr = 1;

	if (known->ip[0] != sf_regs_ip(&copy->regs))
		return 0;
	for (; nr < known->where.nr; nr++) {
		if (known->slot[nr] + sizeof(uint64_t) > copy->stack_len)
			break;
		if (word_at(copy, known->slot[nr]) != known->ip[nr])
			return 0;
	}
	return nr;
}

/* The known stack that has most in common with the copy, or NULL. */
static const struct known *find(const struct sf_stacks_process *process,
				const struct sf_where_copy *copy, bool *exact)
{
	const struct known *best = NULL;
	size_t most = 0;

	*exact = false;
	for (size_t i = 0; !*exact && i < process->nr_known; i++) {
		size_t nr = compare(process->known[i], copy);

		if (nr <= most)
			continue;
		most = nr;
		best = process->known[i];
		*exact = nr == best->where.nr;
	}
	return most > 1 || *exact ? best : NULL;
}

/* Find where the return addresses lie. False: not all are in the copy. */
static bool find_slots(struct known *known, const struct sf_where_copy *copy,
		       size_t nr)
{
	size_t at = 0;

	for (size_t i = 1; i < nr; i++) {
		while (at < copy->stack_len &&
		       word_at(copy, at) != known->ip[i])
			at += sizeof(uint64_t);
		if (at >= copy->stack_len)
			return false;
		known->slot[i] = at;
		at += sizeof(uint64_t);
	}
	return true;
}

static void keep(struct sf_stacks_process *process, struct known *known)
{
	struct known **more;

	if (process->nr_known == KNOWN_MAX)
		forget_known(process);
	more = realloc(process->known,
		       (process->nr_known + 1) * sizeof(struct known *));
	if (more == NULL) {
		free(known);
		return;
	}
	process->known = more;
	more[process->nr_known++] = known;
}

static const struct sf_where *unwind(struct sf_stacks_process *process,
				     const struct sf_where_copy *copy)
{
	struct known *known = calloc(1, sizeof(*known));
	size_t nr;

	if (known == NULL)
		return NULL;
	nr = sf_where_walk(process->cache, copy, known->ip, SF_WHERE_FRAMES);
	sf_where_describe(&known->where, process->cache, known->ip, nr);
	process->where = known->where;
	if (find_slots(known, copy, nr))
		keep(process, known);
	else
		free(known);
	return &process->where;
}

/* Code that is in no mapping is not looked for again and again. */
static bool is_stale(const struct sf_stacks_process *process, uint64_t ip)
{
	return process->changed || (!sf_where_knows(process->cache, ip) &&
				    now() - process->looked > LOOK_AGAIN);
}

const struct sf_where *sf_stacks_name(struct sf_stacks *stacks,
				      const struct sf_where_copy *copy,
				      bool *exact)
{
	struct sf_stacks_process *process = get(stacks, copy->pid);
	const struct known *known;

	*exact = true;
	if (process == NULL)
		return NULL;
	if (is_stale(process, sf_regs_ip(&copy->regs)))
		look(stacks, process);
	if (process->cache == NULL)
		return NULL;
	known = find(process, copy, exact);
	if (known != NULL)
		return &known->where;
	*exact = true;
	return unwind(process, copy);
}

void sf_stacks_free(struct sf_stacks *stacks)
{
	while (stacks->nr > 0)
		forget(&stacks->process[--stacks->nr]);
	free(stacks->process);
	*stacks = (struct sf_stacks){ 0 };
}
