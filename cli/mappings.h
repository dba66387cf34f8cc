/* SPDX-License-Identifier: MIT */
/*
 * The mappings of a process as a table: /proc/PID/maps, or smaps for what only
 * that tells, read into memory at once and taken apart in place.
 *
 *	struct sf_mappings all;
 *	int err = sf_mappings_read(&all, pid, false);
 *	...
 *	sf_mappings_free(&all);
 */
#ifndef SF_CLI_MAPPINGS_H
#define SF_CLI_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a mapping is. The order is that of every table and legend. */
enum sf_kind {
	SF_KIND_LIBRARY,      /* of a file that is mapped executable too */
	SF_KIND_FILE,	      /* of another file */
	SF_KIND_SHARED,	      /* shared memory, memfd */
	SF_KIND_HEAP,	      /* grown by brk() */
	SF_KIND_ANON,	      /* private memory of the process */
	SF_KIND_STACK,	      /* of the first thread */
	SF_KIND_THREAD_STACK, /* with a guard below it */
	SF_KIND_FIBER_STACK,  /* the same, more than there are threads for */
	SF_KIND_GUARD,	      /* a few inaccessible pages beside others */
	SF_KIND_RESERVED,     /* inaccessible, for later use */
	SF_KIND_SUREFREE,     /* part of a region of surefree */
	SF_KIND_KERNEL,	      /* vdso, vvar */
	SF_KIND_OTHER,	      /* of a device, or not known */
	SF_NR_KINDS,
};

enum {
	SF_READ = 1,
	SF_WRITE = 2,
	SF_EXEC = 4,
};

/* One mapping. Names are "" where there is none, never NULL. */
struct sf_vma {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	uint64_t inode;	   /* with dev: which file */
	uint64_t resident; /* bytes; of smaps */
	uint64_t len;	   /* end - start */
	const char *name;
	const char *flags; /* VmFlags of smaps, "" without */
	uint32_t dev;
	uint8_t prot; /* SF_READ and so on */
	bool shared;
	uint8_t kind; /* enum sf_kind; set by sf_explain() */
};

struct sf_mappings {
	struct sf_vma *vma; /* by address */
	size_t nr;
	bool detailed; /* from smaps */
	char *text;    /* what names and flags point into */
};

/*
 * Read the mappings of pid. Needs the right to ptrace it. From smaps when
 * detailed, which makes the kernel walk its page tables. 0 or -errno; -ESRCH:
 * no such process, or one without memory.
 */
int sf_mappings_read(struct sf_mappings *all, pid_t pid, bool detailed);

/* Take a text apart that looks like maps or smaps; it is copied. */
int sf_mappings_parse(struct sf_mappings *all, const char *text);

void sf_mappings_free(struct sf_mappings *all);

/* "rw-p" into buf of 5 bytes; returns buf. */
char *sf_mappings_prot(const struct sf_vma *vma, char buf[5]);

#endif
