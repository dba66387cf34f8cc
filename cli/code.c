// SPDX-License-Identifier: MIT
/*
 * Notes of mappings, executions and forks from the kernel's perf events, see
 * code.h. There is an event for each CPU, that children inherit, with a ring of
 * records in shared memory. The notes are kept in the order of their times.
 */
#include "code.h"

#include <elf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "mapped_file.h"

#define NOTES_MAX  ((size_t)8192)
#define RING_PAGES ((size_t)16) /* for an unprivileged user, too */
#define RECORD_LEN 8192		/* a path, and 100 bytes */
#define PARTS_MAX  32		/* of an ELF file */

enum kind { MAPPED, EXECUTED, FORKED };

struct note {
	enum kind kind;
	pid_t pid;
	pid_t parent; /* of FORKED; the rest of MAPPED */
	uint64_t time;
	uint64_t start, end, offset, inode;
	uint32_t major, minor;
	char *name;
};

struct ring {
	int fd;
	struct perf_event_mmap_page *head; /* with the records behind it */
};

struct sf_code {
	struct ring *ring;
	size_t nr_rings;
	size_t page_len;
	size_t nr;
	struct note note[NOTES_MAX];
};

/* As the kernel writes them; the time follows at the end of each. */
struct mapped {
	struct perf_event_header head;
	uint32_t pid, tid;
	uint64_t addr, len, offset;
	uint32_t major, minor;
	uint64_t inode, generation;
	uint32_t prot, flags;
	char name[];
};

struct forked {
	struct perf_event_header head;
	uint32_t pid, parent, tid, parent_tid;
};

/*
 * Notes
 */

static void forget(struct sf_code *code, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		free(code->note[i].name);
	code->nr -= nr;
	memmove(code->note, code->note + nr, code->nr * sizeof(*code->note));
}

/* With a copy of the name. The rings of other CPUs may have had later ones. */
static void add(struct sf_code *code, const struct note *note, const char *name)
{
	char *copy = strdup(name);
	size_t at;

	if (copy == NULL)
		return;
	if (code->nr == NOTES_MAX)
		forget(code, NOTES_MAX / 2);
	at = code->nr++;
	for (; at > 0 && code->note[at - 1].time > note->time; at--)
		code->note[at] = code->note[at - 1];
	code->note[at] = *note;
	code->note[at].name = copy;
}

static void take(struct sf_code *code, const void *record)
{
	const struct perf_event_header *head = record;
	const struct mapped *mapped = record;
	const struct forked *forked = record;
	struct note note = { .pid = (pid_t)forked->pid };
	const char *name = "";

	memcpy(&note.time,
	       (const char *)record + head->size - sizeof(note.time),
	       sizeof(note.time));
	if (head->type == PERF_RECORD_MMAP2) {
		note.start = mapped->addr;
		note.end = mapped->addr + mapped->len;
		note.offset = mapped->offset;
		note.inode = mapped->inode;
		note.major = mapped->major;
		note.minor = mapped->minor;
		/* Memory without a file is called so. */
		if (strcmp(mapped->name, "//anon") != 0)
			name = mapped->name;
	} else if (head->type == PERF_RECORD_COMM &&
		   (head->misc & PERF_RECORD_MISC_COMM_EXEC) != 0) {
		note.kind = EXECUTED;
	} else if (head->type == PERF_RECORD_FORK &&
		   forked->pid != forked->parent) {
		note.kind = FORKED;
		note.parent = (pid_t)forked->parent;
	} else {
		return;
	}
	add(code, &note, name);
}

/*
 * Rings
 */

/* Copy out of a ring, whose end goes on at its beginning. */
static void copy_out(const struct sf_code *code, const struct ring *ring,
		     uint64_t at, void *to, size_t len)
{
	const char *records = (const char *)ring->head + code->page_len;
	size_t ring_len = RING_PAGES * code->page_len;
	size_t from = (size_t)at % ring_len;
	size_t first = len < ring_len - from ? len : ring_len - from;

	memcpy(to, records + from, first);
	memcpy((char *)to + first, records, len - first);
}

static void read_ring(struct sf_code *code, const struct ring *ring)
{
	union {
		struct perf_event_header head;
		uint64_t words[RECORD_LEN / sizeof(uint64_t)];
	} record;
	/* Acquire: what was written before it; release: we have read that. */
	uint64_t end = __atomic_load_n(&ring->head->data_head,
				       __ATOMIC_ACQUIRE);
	uint64_t at = ring->head->data_tail;

	while (at < end) {
		copy_out(code, ring, at, &record.head, sizeof(record.head));
		if (record.head.size < sizeof(record.head))
			break;
		if (record.head.size <= sizeof(record)) {
			copy_out(code, ring, at, &record, record.head.size);
			take(code, &record);
		}
		at += record.head.size;
	}
	__atomic_store_n(&ring->head->data_tail, end, __ATOMIC_RELEASE);
}

void sf_code_read(struct sf_code *code)
{
	for (size_t i = 0; i < code->nr_rings; i++)
		read_ring(code, &code->ring[i]);
}

/* 0 or -errno; -ENODEV: there is no such CPU now. */
static int open_ring(struct sf_code *code, pid_t pid, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.inherit = 1,
		.exclude_kernel = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, pid, cpu, -1,
			      PERF_FLAG_FD_CLOEXEC);
	void *head;

	if (fd < 0)
		return -errno;
	head = mmap(NULL, (1 + RING_PAGES) * code->page_len,
		    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (head == MAP_FAILED) {
		int err = -errno;

		close(fd);
		return err;
	}
	code->ring[code->nr_rings++] = (struct ring){ fd, head };
	return 0;
}

int sf_code_open(struct sf_code **out, pid_t pid)
{
	struct sf_code *code = calloc(1, sizeof(*code));
	int nr_cpus = (int)sysconf(_SC_NPROCESSORS_CONF);
	int err = 0;

	if (code == NULL)
		return -ENOMEM;
	code->page_len = (size_t)sysconf(_SC_PAGESIZE);
	code->ring = calloc((size_t)nr_cpus, sizeof(*code->ring));
	if (code->ring == NULL)
		err = -ENOMEM;
	for (int cpu = 0; err == 0 && cpu < nr_cpus; cpu++) {
		err = open_ring(code, pid, cpu);
		if (err == -ENODEV)
			err = 0;
	}
	if (err != 0)
		sf_code_close(code);
	else
		*out = code;
	return err;
}

void sf_code_close(struct sf_code *code)
{
	for (size_t i = 0; i < code->nr_rings; i++) {
		munmap(code->ring[i].head, (1 + RING_PAGES) * code->page_len);
		close(code->ring[i].fd);
	}
	forget(code, code->nr);
	free(code->ring);
	free(code);
}

/*
 * Maps
 */

static bool overlaps(const struct note *const *list, size_t nr,
		     const struct note *note)
{
	size_t i = 0;

	while (i < nr &&
	       (list[i]->end <= note->start || note->end <= list[i]->start))
		i++;
	return i < nr;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = (*(const struct note *const *)a)->start;
	uint64_t y = (*(const struct note *const *)b)->start;

	return (x > y) - (x < y);
}

/*
 * What pid has mapped into list, by address. From the last note back: what was
 * mapped later is in the place of what was there before, and what was there
 * before a fork is the parent's.
 */
static size_t choose(const struct sf_code *code, pid_t pid,
		     const struct note **list)
{
	size_t nr = 0;

	for (size_t i = code->nr; i > 0; i--) {
		const struct note *note = &code->note[i - 1];

		if (note->pid != pid)
			continue;
		if (note->kind == EXECUTED)
			break;
		if (note->kind == FORKED)
			pid = note->parent;
		else if (!overlaps(list, nr, note))
			list[nr++] = note;
	}
	qsort(list, nr, sizeof(const struct note *), compare);
	return nr;
}

/* The parts of an ELF file; returns how many, 0: it is none. */
static size_t read_parts(const struct note *note, Elf64_Phdr part[PARTS_MAX])
{
	struct sf_mapped_file file = { .pid = note->pid,
				       .start = note->start,
				       .end = note->end,
				       .name = note->name,
				       .inode = note->inode,
				       .major = note->major,
				       .minor = note->minor };
	int fd = sf_mapped_file_open(&file);
	Elf64_Ehdr head;
	size_t len = 0;

	if (fd < 0)
		return 0;
	if (pread(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	    memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 &&
	    head.e_phentsize == sizeof(*part) && head.e_phnum <= PARTS_MAX)
		len = head.e_phnum * sizeof(*part);
	if (pread(fd, part, len, (off_t)head.e_phoff) != (ssize_t)len)
		len = 0;
	close(fd);
	return len / sizeof(*part);
}

/* Where the file of a mapping begins, from which libdw counts. */
static uint64_t find_low(const struct note *note, uint64_t page_len)
{
	Elf64_Phdr part[PARTS_MAX];
	size_t nr = read_parts(note, part);
	uint64_t first = 0;
	bool any = false;

	for (size_t i = 0; i < nr; i++) {
		uint64_t addr = part[i].p_vaddr & ~(page_len - 1);

		if (part[i].p_type != PT_LOAD)
			continue;
		if (!any)
			first = addr;
		any = true;
		if ((part[i].p_flags & PF_X) != 0 &&
		    (part[i].p_offset & ~(page_len - 1)) == note->offset)
			return note->start - (addr - first);
	}
	return note->start;
}

static void write_line(FILE *f, const struct note *note, uint64_t start,
		       bool code)
{
	fprintf(f, "%llx-%llx %s %llx %x:%x %llu %s\n",
		(unsigned long long)start,
		(unsigned long long)(code ? note->end : note->start),
		code ? "r-xp" : "r--p",
		(unsigned long long)(code ? note->offset : 0), note->major,
		note->minor, (unsigned long long)note->inode, note->name);
}

char *sf_code_maps(struct sf_code *code, pid_t pid)
{
	const struct note **list;
	char *text = NULL;
	size_t len, nr;
	FILE *f;

	sf_code_read(code);
	list = calloc(code->nr + 1, sizeof(const struct note *));
	f = list != NULL ? open_memstream(&text, &len) : NULL;
	nr = f != NULL ? choose(code, pid, list) : 0;
	for (size_t i = 0; i < nr; i++) {
		uint64_t low = find_low(list[i], code->page_len);

		if (low < list[i]->start)
			write_line(f, list[i], low, false);
		write_line(f, list[i], list[i]->start, true);
	}
	free(list);
	if (f != NULL && (fclose(f) != 0 || nr == 0)) {
		free(text);
		text = NULL;
	}
	return text;
}
