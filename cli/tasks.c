// SPDX-License-Identifier: MIT
/* The table of traced threads: an array by number, of which little is used. */
#include "tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/proc.h"

struct sf_task *sf_tasks_find(const struct sf_tasks *tasks, pid_t tid)
{
	return (size_t)tid < tasks->space ? tasks->by_tid[tid] : NULL;
}

static bool make_room(struct sf_tasks *tasks, size_t index)
{
	size_t space = tasks->space != 0 ? tasks->space : 4096;
	struct sf_task **more;

	if (index < tasks->space)
		return true;
	while (space <= index)
		space *= 2;
	more = calloc(space, sizeof(struct sf_task *));
	if (more == NULL)
		return false;
	if (tasks->space > 0)
		memcpy(more, tasks->by_tid,
		       tasks->space * sizeof(struct sf_task *));
	free(tasks->by_tid);
	tasks->by_tid = more;
	tasks->space = space;
	return true;
}

struct sf_task *sf_tasks_get(struct sf_tasks *tasks, pid_t tid)
{
	struct sf_task *task = sf_tasks_find(tasks, tid);

	if (task != NULL || !make_room(tasks, (size_t)tid))
		return task;
	task = calloc(1, sizeof(*task));
	if (task == NULL)
		return NULL;
	task->tid = tid;
	tasks->by_tid[tid] = task;
	tasks->nr++;
	return task;
}

/* The process that a thread belongs to, or the thread's own number. */
static pid_t read_tgid(pid_t tid)
{
	struct sf_proc proc;
	char path[48];
	char *line;
	char *rest;
	pid_t pid = tid;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	if (sf_proc_open(&proc, path) != 0)
		return pid;
	while (sf_proc_line(&proc, &line) == 1) {
		if (!sf_proc_starts(line, "Tgid:", &rest))
			continue;
		rest += strspn(rest, " \t");
		pid = (pid_t)sf_proc_digits(&rest, 10);
		break;
	}
	sf_proc_close(&proc);
	return pid;
}

bool sf_tasks_join(struct sf_task *task, struct sf_traced *parent)
{
	struct sf_traced *process = parent;
	pid_t pid = read_tgid(task->tid);

	if (parent == NULL || parent->pid != pid) {
		process = calloc(1, sizeof(*process));
		if (process == NULL)
			return false;
		process->pid = pid;
	}
	if (parent != NULL && process != parent) {
		process->squeezed = parent->squeezed;
		process->missed = parent->missed;
		process->trap = parent->trap;
		memcpy(process->code, parent->code, sizeof(process->code));
	}
	process->nr_tasks++;
	task->process = process;
	return true;
}

void sf_process_reset(struct sf_traced *process)
{
	pid_t pid = process->pid;
	size_t nr_tasks = process->nr_tasks;
	size_t nr_exiting = process->nr_exiting;

	sf_ranges_free(&process->ranges);
	sf_where_forget(&process->where);
	*process = (struct sf_traced){ .pid = pid,
				       .nr_tasks = nr_tasks,
				       .nr_exiting = nr_exiting };
}

struct sf_traced *sf_tasks_drop(struct sf_tasks *tasks, pid_t tid)
{
	struct sf_task *task = sf_tasks_find(tasks, tid);
	struct sf_traced *process;

	if (task == NULL)
		return NULL;
	process = task->process;
	if (process != NULL)
		process->nr_exiting -= task->exiting;
	tasks->by_tid[tid] = NULL;
	tasks->nr--;
	free(task);
	if (process == NULL || --process->nr_tasks > 0)
		return NULL;
	return process;
}

void sf_process_free(struct sf_traced *process)
{
	sf_ranges_free(&process->ranges);
	sf_where_forget(&process->where);
	free(process);
}

void sf_tasks_free(struct sf_tasks *tasks)
{
	for (size_t i = 0; i < tasks->space; i++) {
		struct sf_traced *process = sf_tasks_drop(tasks, (pid_t)i);

		if (process != NULL)
			sf_process_free(process);
	}
	free(tasks->by_tid);
	*tasks = (struct sf_tasks){ 0 };
}
