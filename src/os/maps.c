// SPDX-License-Identifier: MIT
/*
 * Readers of /proc/PID/maps and /proc/self/status. Each mapping is a line of
 * maps, except [vsyscall], which the kernel shows and does not count.
 */
#include "os/maps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "os/proc.h"

/* About what the kernel gives at a read: a page of text. */
#define LINES_BETWEEN_PAUSES 64

static int open_maps(pid_t pid, struct sf_proc *proc)
{
	char path[40];

	if (pid < 0)
		return -ESRCH;
	if (pid == 0)
		return sf_proc_open(proc, "/proc/self/maps");
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	return sf_proc_open(proc, path);
}

/* A process that has ended has an empty file, one that never was has none. */
static int no_process(int err)
{
	return err == -ENOENT ? -ESRCH : err;
}

int sf_maps_count_paced(pid_t pid, size_t *out, void (*pause)(void *arg),
			void *arg)
{
	struct sf_proc proc;
	size_t nr = 0;
	char *line;
	char *rest;
	int got;
	int err = open_maps(pid, &proc);

	if (err != 0)
		return no_process(err);
	/* [vsyscall] always stands at this address. */
	while ((got = sf_proc_line(&proc, &line)) == 1) {
		nr += !sf_proc_starts(line, "ffffffffff600000-", &rest);
		if (pause != NULL && nr % LINES_BETWEEN_PAUSES == 0)
			pause(arg);
	}
	sf_proc_close(&proc);
	if (got < 0)
		return no_process(got);
	*out = nr;
	return 0;
}

int sf_maps_count(pid_t pid, size_t *out)
{
	return sf_maps_count_paced(pid, out, NULL, NULL);
}

/* "start-end rwxp ..." */
static void parse_mapping(char *line, struct sf_mapping *out)
{
	out->start = sf_proc_digits(&line, 16);
	line++;
	out->end = sf_proc_digits(&line, 16);
	line++;
	out->prot = (line[0] == 'r' ? PROT_READ : 0) |
		    (line[1] == 'w' ? PROT_WRITE : 0) |
		    (line[2] == 'x' ? PROT_EXEC : 0);
}

int sf_maps_find(uintptr_t addr, struct sf_mapping *out)
{
	struct sf_proc proc;
	char *line;
	int got;
	int err = open_maps(0, &proc);

	if (err != 0)
		return err;
	err = -ENOENT;
	while ((got = sf_proc_line(&proc, &line)) == 1) {
		parse_mapping(line, out);
		if (addr >= out->end)
			continue;
		if (addr >= out->start)
			err = 0;
		break;
	}
	sf_proc_close(&proc);
	return got < 0 ? got : err;
}

int sf_maps_each(void (*visit)(const struct sf_mapping *mapping, void *arg),
		 void *arg)
{
	struct sf_proc proc;
	struct sf_mapping mapping;
	char *line;
	int got;
	int err = open_maps(0, &proc);

	if (err != 0)
		return err;
	while ((got = sf_proc_line(&proc, &line)) == 1) {
		parse_mapping(line, &mapping);
		visit(&mapping, arg);
	}
	sf_proc_close(&proc);
	return got;
}

/*
 * What follows the addresses of an anonymous mapping: "rw-p 00000000 00:00 0",
 * and perhaps a name; of a file, the offset would differ at least.
 */
static const char *kind_of(char *line)
{
	(void)sf_proc_digits(&line, 16);
	line++;
	(void)sf_proc_digits(&line, 16);
	return line;
}

bool sf_maps_alike(uintptr_t addr, uintptr_t end)
{
	struct sf_proc proc;
	char first[64] = "";
	char *line;

	if (open_maps(0, &proc) != 0)
		return false;
	while (addr < end && sf_proc_line(&proc, &line) == 1) {
		struct sf_mapping mapping;
		const char *kind = kind_of(line);

		parse_mapping(line, &mapping);
		if (mapping.end <= addr)
			continue;
		if (first[0] == '\0')
			strncpy(first, kind, sizeof(first) - 1);
		if (mapping.start > addr ||
		    strncmp(first, kind, sizeof(first) - 1) != 0)
			break;
		addr = mapping.end;
	}
	sf_proc_close(&proc);
	return addr >= end;
}

/* A line "Key:   123 kB" of /proc/self/status, in bytes. */
static int status_bytes(const char *key, size_t *out)
{
	struct sf_proc proc;
	char *line;
	char *rest;
	int got;
	int err = sf_proc_open(&proc, "/proc/self/status");

	if (err != 0)
		return err;
	err = -ENOENT;
	while ((got = sf_proc_line(&proc, &line)) == 1) {
		if (!sf_proc_starts(line, key, &rest))
			continue;
		rest += strspn(rest, " \t");
		*out = sf_proc_digits(&rest, 10) * 1024;
		err = 0;
		break;
	}
	sf_proc_close(&proc);
	return got < 0 ? got : err;
}

int sf_maps_page_tables(size_t *out)
{
	return status_bytes("VmPTE:", out);
}

int sf_maps_resident(size_t *out)
{
	return status_bytes("RssAnon:", out);
}
