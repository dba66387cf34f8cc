// SPDX-License-Identifier: MIT
/*
 * Joins what the two ways of counting leave out: names of users, and cgroups.
 */
#include "process.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "count_bpf.h"
#include "count_proc.h"
#include "files.h"
#include "os/limit.h"

#define PATH_LEN 1024

const char *const sf_call_names[SF_CALL_NR] = {
	[SF_CALL_MMAP] = "mmap",	 [SF_CALL_MUNMAP] = "munmap",
	[SF_CALL_MPROTECT] = "mprotect", [SF_CALL_MREMAP] = "mremap",
	[SF_CALL_MADVISE] = "madvise",	 [SF_CALL_BRK] = "brk",
};

/* Texts found once; key is a user or a set of cgroups. */
struct text {
	uint64_t key;
	char *text;
};

struct texts {
	struct text *at;
	size_t nr, room;
};

struct sf_process_state {
	struct sf_count_bpf *bpf;		/* NULL: by /proc */
	size_t room;				/* of rows */
	struct texts users;			/* for life */
	struct texts cgroups;			/* for a snapshot */
	const struct sf_process_filter *filter; /* of this read */
	uint64_t next_cgroup;			/* a key that nobody has */
};

/*
 * Texts
 */

static const char *find_text(const struct texts *texts, uint64_t key)
{
	for (size_t i = 0; i < texts->nr; i++) {
		if (texts->at[i].key == key)
			return texts->at[i].text;
	}
	return NULL;
}

/* Room for one more of what a list holds, in size bytes. 0 or -ENOMEM. */
static int make_room(void **at, size_t nr, size_t *room, size_t size)
{
	size_t more = *room != 0 ? 2 * *room : 64;
	void *grown;

	if (nr < *room)
		return 0;
	grown = reallocarray(*at, more, size);
	if (grown == NULL)
		return -ENOMEM;
	*at = grown;
	*room = more;
	return 0;
}

/* The copy that is kept, or NULL without memory. */
static const char *add_text(struct texts *texts, uint64_t key, const char *text)
{
	void *at = texts->at;
	char *copy;

	if (make_room(&at, texts->nr, &texts->room, sizeof(*texts->at)) != 0)
		return NULL;
	texts->at = at;
	copy = malloc(strlen(text) + 1);
	if (copy == NULL)
		return NULL;
	sf_process_copy_name(copy, strlen(text) + 1, text);
	texts->at[texts->nr++] = (struct text){ key, copy };
	return copy;
}

static void empty_texts(struct texts *texts)
{
	while (texts->nr > 0)
		free(texts->at[--texts->nr].text);
}

static const char *user_of(struct sf_process_state *state, uid_t uid)
{
	const char *text = find_text(&state->users, uid);
	const struct passwd *user;
	char number[16];

	if (text != NULL)
		return text;
	snprintf(number, sizeof(number), "%u", uid);
	user = getpwuid(uid);
	return add_text(&state->users, uid,
			user != NULL ? user->pw_name : number);
}

/*
 * Processes with the same key are in the same cgroups: one is read for all. A
 * thread that has ended is in none any more, its process's first one too.
 */
static const char *cgroup_of(struct sf_process_state *state, uint64_t key,
			     pid_t tid)
{
	const char *text = find_text(&state->cgroups, key);
	char path[PATH_LEN];

	if (text != NULL)
		return text;
	sf_cgroup_read(tid, path, sizeof(path));
	/* One that has just ended tells nothing of the others. */
	if (path[0] == '\0')
		return "";
	return add_text(&state->cgroups, key, path);
}

/*
 * Rows
 */

static int add_row(struct sf_processes *all, const struct sf_process *p,
		   uint64_t cgroups)
{
	struct sf_process_state *state = all->state;
	struct sf_process *row;
	void *at = all->row;
	int err = make_room(&at, all->nr, &state->room, sizeof(*row));

	if (err != 0)
		return err;
	all->row = at;
	row = &all->row[all->nr];
	*row = *p;
	row->user = user_of(state, p->uid);
	row->cgroup = cgroup_of(state, cgroups, p->proc_tid);
	if (row->user == NULL || row->cgroup == NULL)
		return -ENOMEM;
	all->nr++;
	return 0;
}

/* Threads whose leader has ended all speak for their process. */
static bool has_spoken(const struct sf_processes *all, pid_t pid)
{
	for (size_t i = all->nr; i > 0; i--) {
		if (all->row[i - 1].pid == pid)
			return true;
	}
	return false;
}

static int take_bpf(void *arg, const struct sf_bpf_process *from)
{
	struct sf_processes *all = arg;
	struct sf_process p = {
		.pid = (pid_t)from->pid,
		.proc_pid = (pid_t)from->proc_pid,
		.proc_tid = (pid_t)from->proc_pid,
		.uid = from->uid,
		.start = from->start,
		.mappings = from->mappings,
		.tables_len = from->tables_len,
	};

	if (!sf_process_passes(all->state->filter, p.pid, p.uid))
		return 0;
	if (from->tid != from->pid && has_spoken(all, p.pid))
		return 0;
	if (from->tid != from->pid)
		p.proc_tid = sf_process_other_thread(p.proc_pid);
	p.rss_len = (size_t)from->rss_pages * (size_t)sysconf(_SC_PAGESIZE);
	memcpy(p.refused, from->refused, sizeof(p.refused));
	sf_process_copy_name(p.command, sizeof(p.command), from->comm);
	return add_row(all, &p, from->cgroups);
}

static int take_proc(void *arg, const struct sf_process *p)
{
	struct sf_processes *all = arg;

	return add_row(all, p, all->state->next_cgroup++);
}

/*
 * The snapshot
 */

int sf_processes_open(struct sf_processes *all, enum sf_process_source source,
		      enum sf_refusals refusals)
{
	int err = 0;

	*all = (struct sf_processes){ .no_refused = "that takes BPF" };
	all->state = calloc(1, sizeof(*all->state));
	if (all->state == NULL)
		return -ENOMEM;
	sf_files_raise();
	if (source != SF_PROCESS_PROC)
		err = sf_count_bpf_open(&all->state->bpf, refusals,
					&all->no_bpf);
	all->by_bpf = source != SF_PROCESS_PROC && err == 0;
	if (all->by_bpf)
		all->no_refused = sf_count_bpf_no_refusals(all->state->bpf);
	return source == SF_PROCESS_BPF ? err : 0;
}

void sf_processes_close(struct sf_processes *all)
{
	struct sf_process_state *state = all->state;

	if (state == NULL)
		return;
	if (state->bpf != NULL)
		sf_count_bpf_close(state->bpf);
	empty_texts(&state->users);
	empty_texts(&state->cgroups);
	free(state->users.at);
	free(state->cgroups.at);
	free(state);
	free(all->row);
	*all = (struct sf_processes){ 0 };
}

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

int sf_processes_read(struct sf_processes *all,
		      const struct sf_process_filter *filter)
{
	struct sf_process_state *state = all->state;
	uint64_t start = now();
	int err = sf_limit_mappings(&all->limit);

	if (err != 0)
		return err;
	all->nr = 0;
	all->nr_unreadable = 0;
	empty_texts(&state->cgroups);
	state->filter = filter;
	if (state->bpf != NULL)
		err = sf_count_bpf_read(state->bpf, filter->pids,
					filter->nr_pids, take_bpf, all);
	else
		err = sf_count_proc_read(filter, take_proc, all,
					 &all->nr_unreadable);
	all->took_ns = now() - start;
	return err;
}

int sf_processes_read_refusals(struct sf_processes *all,
			       int (*take)(void *arg,
					   const struct sf_bpf_refusals *r),
			       void *arg)
{
	if (all->no_refused != NULL)
		return -ENOSYS;
	return sf_count_bpf_read_refusals(all->state->bpf, take, arg);
}

uint64_t sf_process_refused(const struct sf_process *p)
{
	uint64_t nr = 0;

	for (size_t i = 0; i < SF_CALL_NR; i++)
		nr += p->refused[i];
	return nr;
}
