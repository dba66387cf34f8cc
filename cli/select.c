// SPDX-License-Identifier: MIT
/* Parsing what selects processes, and words for what cannot be had. */
#include "select.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "files.h"

#define NAME_LEN 64

/* A whole number up to INT_MAX; -1: it is none. */
static long whole_number(const char *text)
{
	char *end;
	long nr;

	if (text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	nr = strtol(text, &end, 10);
	return *end == '\0' && errno == 0 && nr <= 0x7fffffff ? nr : -1;
}

/* -1: no such process number. */
static long parse_pid(const char *text)
{
	long nr = whole_number(text);

	return nr > 0 ? nr : -1;
}

/* -1: no such user. A number need not have a name. */
static long parse_user(const char *text)
{
	const struct passwd *user = getpwnam(text);

	return user != NULL ? (long)user->pw_uid : whole_number(text);
}

/* Call parse for each part of a list. The number of parts, or -EINVAL. */
static int parse_list(const char *name, const char *option, const char *list,
		      long (*parse)(const char *text), long *out)
{
	int nr = 0;

	while (list != NULL) {
		size_t len = strcspn(list, ",");
		char part[NAME_LEN];

		snprintf(part, sizeof(part), "%.*s", (int)len, list);
		out[nr] = nr < SF_SELECT_MAX && len < sizeof(part) ?
				  parse(part) :
				  -1;
		if (out[nr] < 0) {
			sf_cmd_say(name, "--%s: '%s' is %s; see '%s --help'",
				   option, part,
				   nr == SF_SELECT_MAX ?
					   "one too many, of 64 at most" :
				   parse == parse_pid ? "not a process number" :
							"not a user",
				   name);
			return -EINVAL;
		}
		nr++;
		list = list[len] == ',' ? list + len + 1 : NULL;
	}
	return nr;
}

static bool is_in(const long *list, int nr, long what)
{
	int i = 0;

	while (i < nr && list[i] != what)
		i++;
	return i < nr;
}

int sf_select_parse(struct sf_select *select, const char *name,
		    const char *pids, const char *users)
{
	long pid[SF_SELECT_MAX + 1];
	long uid[SF_SELECT_MAX + 1];
	int nr_pids = parse_list(name, "pid", pids, parse_pid, pid);
	int nr_uids = nr_pids < 0 ?
			      0 :
			      parse_list(name, "user", users, parse_user, uid);

	if (nr_pids < 0 || nr_uids < 0)
		return -EINVAL;
	select->filter = (struct sf_process_filter){ .pids = select->pids,
						     .uids = select->uids };
	for (int i = 0; i < nr_pids; i++) {
		if (!is_in(pid, i, pid[i]))
			select->pids[select->filter.nr_pids++] = (pid_t)pid[i];
	}
	for (int i = 0; i < nr_uids; i++)
		select->uids[select->filter.nr_uids++] = (uid_t)uid[i];
	return 0;
}

pid_t sf_select_absent(const struct sf_select *select,
		       const struct sf_processes *all)
{
	for (size_t i = 0; i < select->filter.nr_pids; i++) {
		size_t row = 0;

		while (row < all->nr && all->row[row].pid != select->pids[i])
			row++;
		if (row == all->nr)
			return select->pids[i];
	}
	return 0;
}

int sf_select_source(const char *name, const char *text,
		     enum sf_process_source *out)
{
	*out = SF_PROCESS_ANY;
	if (text == NULL)
		return 0;
	if (strcmp(text, "bpf") == 0)
		*out = SF_PROCESS_BPF;
	else if (strcmp(text, "proc") == 0)
		*out = SF_PROCESS_PROC;
	else
		sf_cmd_say(name, "--source: '%s' is not bpf or proc", text);
	return *out != SF_PROCESS_ANY ? 0 : -EINVAL;
}

const char *const sf_sort_names[SF_SORT_NR] = {
	[SF_SORT_MAPPINGS] = "mappings", [SF_SORT_RSS] = "rss",
	[SF_SORT_TABLES] = "tables",	 [SF_SORT_PID] = "pid",
	[SF_SORT_USER] = "user",	 [SF_SORT_COMMAND] = "command",
	[SF_SORT_CGROUP] = "cgroup",
};

static int descending(uint64_t a, uint64_t b)
{
	return (a < b) - (a > b);
}

int sf_sort_compare(enum sf_sort by, const struct sf_process *a,
		    const struct sf_process *b)
{
	int order = 0;

	switch (by) {
	case SF_SORT_MAPPINGS:
		order = descending(a->mappings, b->mappings);
		break;
	case SF_SORT_RSS:
		order = descending(a->rss_len, b->rss_len);
		break;
	case SF_SORT_TABLES:
		order = descending(a->tables_len, b->tables_len);
		break;
	case SF_SORT_USER:
		order = strcmp(a->user, b->user);
		break;
	case SF_SORT_COMMAND:
		order = strcmp(a->command, b->command);
		break;
	case SF_SORT_CGROUP:
		order = strcmp(a->cgroup, b->cgroup);
		break;
	case SF_SORT_PID:
	case SF_SORT_NR:
		break;
	}
	return order != 0 ? order : a->pid - b->pid;
}

int sf_select_cannot(const char *name, const struct sf_processes *all, int err)
{
	if (err == -ENOMEM)
		sf_cmd_say(name, "out of memory; free some");
	else if (all->no_bpf != NULL && !all->by_bpf)
		sf_cmd_say(name, "%s; --source proc does without", all->no_bpf);
	else
		sf_cmd_say(name, "cannot read %s (%s); %s",
			   all->by_bpf ? "processes" : "/proc", strerror(-err),
			   sf_files_remedy(err) != NULL ? sf_files_remedy(err) :
							  "mount /proc");
	return SF_EXIT_CANNOT;
}

double sf_select_share(const struct sf_processes *all,
		       const struct sf_process *p)
{
	return all->limit != 0 ? (double)p->mappings / (double)all->limit : 0;
}

size_t sf_select_headroom(const struct sf_processes *all,
			  const struct sf_process *p)
{
	return p->mappings < all->limit ? all->limit - p->mappings : 0;
}
