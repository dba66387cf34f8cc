/* SPDX-License-Identifier: MIT */
/*
 * Reads what /proc says of a process's mappings. Allocates nothing, needs no
 * spare mapping, works at the limit and under a lock.
 */
#ifndef SF_OS_MAPS_H
#define SF_OS_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* One mapping: [start, end), protection as for mmap(). */
struct sf_mapping {
	uintptr_t start;
	uintptr_t end;
	int prot;
};

/*
 * Count the mappings of pid (0: this process) into *out, the way the kernel
 * counts them for the limit ([vsyscall] is none). 0 or -errno.
 */
int sf_maps_count(pid_t pid, size_t *out);

/*
 * The same, with pause(arg) called after every few dozen lines, while nothing
 * of the process is held: reading them takes a lock that its mmap() waits for.
 */
int sf_maps_count_paced(pid_t pid, size_t *out, void (*pause)(void *arg),
			void *arg);

/*
 * Find this process's mapping that holds addr. 0 or -errno; -ENOENT: there is
 * none, and *out is the first one behind it, if any.
 */
int sf_maps_find(uintptr_t addr, struct sf_mapping *out);

/* Call visit for each of this process's mappings. 0 or -errno. */
int sf_maps_each(void (*visit)(const struct sf_mapping *mapping, void *arg),
		 void *arg);

/*
 * Whether [addr, end) is mapped throughout, and all of it shown alike:
 * protection, private or shared, and not of a file. False on errors.
 */
bool sf_maps_alike(uintptr_t addr, uintptr_t end);

/* Bytes of page tables of this process (VmPTE) into *out. 0 or -errno. */
int sf_maps_page_tables(size_t *out);

/* Resident anonymous bytes of this process (RssAnon) into *out. 0 or -errno. */
int sf_maps_resident(size_t *out);

#endif
