// SPDX-License-Identifier: MIT
/*
 * Reading and taking apart /proc/PID/maps and smaps. Lines of smaps that begin
 * with a word and a colon belong to the mapping before them. [vsyscall] is
 * left out, as the kernel does not count it.
 */
#include "mappings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/proc.h"

#define VSYSCALL    0xffffffffff600000
#define FIRST_SPACE ((size_t)64 << 10)

/* All of a file that grows while it is read, ended by a NUL. 0 or -errno. */
static int read_all(const char *path, char **text)
{
	size_t space = FIRST_SPACE;
	size_t len = 0;
	ssize_t got = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = fd < 0 ? -errno : 0;
	char *buf = err == 0 ? malloc(space) : NULL;

	while (err == 0 && buf != NULL && got > 0) {
		got = read(fd, buf + len, space - len - 1);
		if (got < 0)
			err = -errno;
		else
			len += (size_t)got;
		if (space - len == 1) {
			char *more = realloc(buf, 2 * space);

			if (more == NULL)
				free(buf);
			buf = more;
			space *= 2;
		}
	}
	if (fd >= 0)
		close(fd);
	if (err != 0 || buf == NULL) {
		free(buf);
		return err != 0 ? err : -ENOMEM;
	}
	buf[len] = '\0';
	*text = buf;
	return 0;
}

/* A line "start-end rwxp offset major:minor inode   name". */
static void parse_mapping(struct sf_vma *vma, char *at)
{
	*vma = (struct sf_vma){ .flags = "" };
	vma->start = sf_proc_digits(&at, 16);
	at += *at == '-';
	vma->end = sf_proc_digits(&at, 16);
	vma->len = vma->end - vma->start;
	at += strspn(at, " ");
	if (strlen(at) > 4) {
		vma->prot = (uint8_t)((at[0] == 'r' ? SF_READ : 0) |
				      (at[1] == 'w' ? SF_WRITE : 0) |
				      (at[2] == 'x' ? SF_EXEC : 0));
		vma->shared = at[3] == 's';
		at += 5;
	}
	vma->offset = sf_proc_digits(&at, 16);
	at += *at == ' ';
	vma->dev = (uint32_t)sf_proc_digits(&at, 16) << 20;
	at += *at == ':';
	vma->dev |= (uint32_t)sf_proc_digits(&at, 16);
	at += *at == ' ';
	vma->inode = sf_proc_digits(&at, 10);
	vma->name = at + strspn(at, " ");
}

/* A line of smaps that tells more of a mapping. */
static void parse_detail(struct sf_vma *vma, char *line)
{
	char *rest;

	if (sf_proc_starts(line, "Rss:", &rest)) {
		rest += strspn(rest, " ");
		vma->resident = sf_proc_digits(&rest, 10) * 1024;
	} else if (sf_proc_starts(line, "VmFlags:", &rest)) {
		vma->flags = rest + strspn(rest, " ");
	}
}

static bool is_detail(const char *line)
{
	return line[strcspn(line, " :-")] == ':';
}

static struct sf_vma *add(struct sf_mappings *all, size_t *space)
{
	struct sf_vma *more;

	if (all->nr == *space) {
		*space = *space != 0 ? 2 * *space : 256;
		more = realloc(all->vma, *space * sizeof(*more));
		if (more == NULL)
			return NULL;
		all->vma = more;
	}
	return &all->vma[all->nr++];
}

/* Owns text from now on. */
static int parse(struct sf_mappings *all, char *text)
{
	struct sf_vma *vma = NULL;
	size_t space = 0;
	char *line = text;

	*all = (struct sf_mappings){ .text = text };
	while (*line != '\0') {
		char *next = line + strcspn(line, "\n");

		if (*next == '\n')
			*next++ = '\0';
		if (is_detail(line)) {
			if (vma != NULL)
				parse_detail(vma, line);
			all->detailed = true;
		} else if (*line != '\0') {
			vma = add(all, &space);
			if (vma == NULL) {
				sf_mappings_free(all);
				return -ENOMEM;
			}
			parse_mapping(vma, line);
		}
		line = next;
	}
	if (all->nr > 0 && all->vma[all->nr - 1].start == VSYSCALL)
		all->nr--;
	return 0;
}

int sf_mappings_read(struct sf_mappings *all, pid_t pid, bool detailed)
{
	char path[48];
	char *text;
	int err;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid,
		 detailed ? "smaps" : "maps");
	err = read_all(path, &text);
	if (err != 0)
		return err == -ENOENT ? -ESRCH : err;
	err = parse(all, text);
	if (err == 0 && all->nr == 0) {
		sf_mappings_free(all);
		err = -ESRCH;
	}
	return err;
}

int sf_mappings_parse(struct sf_mappings *all, const char *text)
{
	char *copy = strdup(text);

	return copy != NULL ? parse(all, copy) : -ENOMEM;
}

void sf_mappings_free(struct sf_mappings *all)
{
	free(all->vma);
	free(all->text);
	*all = (struct sf_mappings){ 0 };
}

char *sf_mappings_prot(const struct sf_vma *vma, char buf[5])
{
	buf[0] = (vma->prot & SF_READ) != 0 ? 'r' : '-';
	buf[1] = (vma->prot & SF_WRITE) != 0 ? 'w' : '-';
	buf[2] = (vma->prot & SF_EXEC) != 0 ? 'x' : '-';
	buf[3] = vma->shared ? 's' : 'p';
	buf[4] = '\0';
	return buf;
}
