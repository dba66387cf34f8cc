// SPDX-License-Identifier: MIT
/*
 * Reads /proc/PID/status, stat, comm and maps of one process after the other.
 * Only the last takes a lock of the address space.
 */
#include "count_proc.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "os/maps.h"
#include "os/proc.h"

#define PATH_LEN 40

/* Rest this many times as long as was read; less than REST_MIN later. */
#define REST_TIMES 9
#define REST_MIN   500000

struct pace {
	uint64_t started; /* reading, in nanoseconds */
};

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Called between two reads of maps. */
static void rest(void *arg)
{
	struct pace *pace = arg;
	uint64_t ns = (now() - pace->started) * REST_TIMES;
	struct timespec ts = { (time_t)(ns / 1000000000),
			       (long)(ns % 1000000000) };

	if (ns < REST_MIN)
		return;
	nanosleep(&ts, NULL);
	pace->started = now();
}

bool sf_process_passes(const struct sf_process_filter *filter, pid_t pid,
		       uid_t uid)
{
	size_t i;

	for (i = 0; i < filter->nr_pids && filter->pids[i] != pid; i++)
		;
	if (i == filter->nr_pids && i > 0)
		return false;
	for (i = 0; i < filter->nr_uids && filter->uids[i] != uid; i++)
		;
	return i < filter->nr_uids || filter->nr_uids == 0;
}

void sf_process_copy_name(char *to, size_t to_len, const char *from)
{
	size_t i;

	for (i = 0; i + 1 < to_len && from[i] != '\0'; i++)
		to[i] = (char)(from[i] < ' ' || from[i] > '~' ? '?' : from[i]);
	to[i] = '\0';
}

void sf_process_read_name(pid_t tid, char *to, size_t to_len)
{
	struct sf_proc proc;
	char path[PATH_LEN];
	size_t len = 0;
	char *line;

	to[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/comm", (int)tid);
	if (sf_proc_open(&proc, path) != 0)
		return;
	/* It may have newlines. */
	while (len < to_len && sf_proc_line(&proc, &line) == 1)
		len += (size_t)snprintf(to + len, to_len - len, "%s%s",
					len > 0 ? "\n" : "", line);
	sf_proc_close(&proc);
}

/* The first number of a line's rest, "\t  123 kB". */
static uint64_t first_number(char *rest)
{
	rest += strspn(rest, " \t");
	return sf_proc_digits(&rest, 10);
}

/* "\tREAL\tEFFECTIVE\t..." */
static uid_t second_number(char *rest)
{
	rest += strspn(rest, " \t");
	sf_proc_digits(&rest, 10);
	return (uid_t)first_number(rest);
}

/* What thread tid tells. 0; -ESRCH: a kernel thread, or ended; -errno. */
static int read_status(struct sf_process *p, pid_t tid, uint64_t *nr_threads)
{
	struct sf_proc proc;
	char path[PATH_LEN];
	char *line, *after;
	bool has_memory = false;
	int err;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	err = sf_proc_open(&proc, path);
	if (err != 0)
		return err;
	while (sf_proc_line(&proc, &line) == 1) {
		if (sf_proc_starts(line, "Uid:", &after))
			p->uid = second_number(after);
		else if (sf_proc_starts(line, "VmRSS:", &after))
			p->rss_len = first_number(after) * 1024;
		else if (sf_proc_starts(line, "VmPTE:", &after))
			p->tables_len = first_number(after) * 1024;
		else if (sf_proc_starts(line, "Threads:", &after))
			*nr_threads = first_number(after);
		else
			continue;
		has_memory |= line[0] == 'V';
	}
	sf_proc_close(&proc);
	return has_memory ? 0 : -ESRCH;
}

/* Field 22 of /proc/PID/stat; the second is a name in brackets. 0: gone. */
static uint64_t read_start(pid_t pid)
{
	uint64_t start = 0;
	struct sf_proc proc;
	char path[PATH_LEN];
	char *line;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (sf_proc_open(&proc, path) != 0)
		return 0;
	if (sf_proc_line(&proc, &line) == 1)
		line = strrchr(line, ')');
	else
		line = NULL;
	for (int field = 2; line != NULL && field < 22; field++) {
		line = strchr(line, ' ');
		line = line != NULL ? line + 1 : NULL;
	}
	if (line != NULL)
		start = sf_proc_digits(&line, 10);
	sf_proc_close(&proc);
	return start;
}

pid_t sf_process_other_thread(pid_t pid)
{
	char path[PATH_LEN];
	struct dirent *entry;
	pid_t tid = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		return 0;
	while (tid == 0 && (entry = readdir(dir)) != NULL) {
		pid_t found = (pid_t)atol(entry->d_name);

		tid = found != pid ? found : 0;
	}
	closedir(dir);
	return tid;
}

/* 0; -ESRCH: not to be shown; -EACCES: not to be read. */
static int read_process(const struct sf_process_filter *filter,
			struct pace *pace, struct sf_process *p)
{
	uint64_t nr_threads = 0;
	char name[SF_COMM_LEN];
	pid_t tid = p->pid;
	int err = read_status(p, tid, &nr_threads);

	/* A first thread that has ended has no memory; the others do. */
	if (err == -ESRCH && nr_threads > 1) {
		tid = sf_process_other_thread(p->pid);
		err = tid != 0 ? read_status(p, tid, &nr_threads) : -ESRCH;
	}
	if (err == 0 && !sf_process_passes(filter, p->pid, p->uid))
		err = -ESRCH;
	if (err == 0)
		err = sf_maps_count_paced(tid, &p->mappings, rest, pace);
	/* The file of a process that has just ended is empty. */
	if (err == 0 && p->mappings == 0)
		err = -ESRCH;
	if (err != 0)
		return err == -EPERM ? -EACCES : err;
	p->proc_tid = tid;
	p->start = read_start(p->pid);
	sf_process_read_name(p->pid, name, sizeof(name));
	sf_process_copy_name(p->command, sizeof(p->command), name);
	return 0;
}

int sf_count_proc_read(const struct sf_process_filter *filter,
		       int (*take)(void *arg, const struct sf_process *p),
		       void *arg, size_t *nr_unreadable)
{
	struct pace pace = { .started = now() };
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int err = 0;

	*nr_unreadable = 0;
	if (dir == NULL)
		return -errno;
	while (err == 0 && (entry = readdir(dir)) != NULL) {
		struct sf_process p = { .pid = (pid_t)atol(entry->d_name) };
		int got;

		p.proc_pid = p.pid;
		if (p.pid <= 0 || (filter->nr_uids == 0 &&
				   !sf_process_passes(filter, p.pid, 0)))
			continue;
		got = read_process(filter, &pace, &p);
		if (got == 0)
			err = take(arg, &p);
		*nr_unreadable += got == -EACCES;
		/* That is no matter of this process. */
		if (got == -EMFILE || got == -ENFILE)
			err = got;
	}
	closedir(dir);
	return err;
}
