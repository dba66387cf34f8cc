// SPDX-License-Identifier: MIT
/*
 * free() keeps memory at the limit of mappings. Plain Linux, no library.
 *
 * Allocates blocks of 128 KiB, which glibc gets from mmap(), and uses up what
 * mappings are left. Then frees every second block, then all the others: glibc
 * calls munmap(), is refused, and says nothing. The blocks stay resident.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define NR_BLOCKS 1000
#define BLOCK_LEN (128 << 10)

/* Resident memory in KiB. No buffer: stdio would need a mapping for one. */
static size_t resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	char buf[256];
	size_t nr = 0;

	if (file) {
		setvbuf(file, buf, _IOFBF, sizeof(buf));
		if (fscanf(file, "%*u %zu", &nr) != 1)
			nr = 0;
		fclose(file);
	}
	return nr * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* Map pages of alternating protection, which do not merge, until refused. */
static size_t use_up_mappings(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t nr = 0;

	while (nr < 1000000 &&
	       mmap(NULL, page, nr % 2 ? PROT_NONE : PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		nr++;
	return nr;
}

int main(void)
{
	static char *blocks[NR_BLOCKS];
	size_t before, full, half;
	size_t nr_mappings;

	setvbuf(stdout, NULL, _IONBF, 0);
#ifdef M_MMAP_THRESHOLD
	/* Otherwise glibc raises it by itself when it sees such a block freed. */
	mallopt(M_MMAP_THRESHOLD, BLOCK_LEN);
#endif
	before = resident();
	for (size_t i = 0; i < NR_BLOCKS; i++) {
		blocks[i] = malloc(BLOCK_LEN);
		for (size_t at = 0; blocks[i] && at < BLOCK_LEN; at += 4096)
			blocks[i][at] = 1;
	}
	nr_mappings = use_up_mappings();
	full = resident() - before;
	for (size_t i = 0; i < NR_BLOCKS; i += 2)
		free(blocks[i]);
	half = resident() - before;
	for (size_t i = 1; i < NR_BLOCKS; i += 2)
		free(blocks[i]);
	printf("mappings used up:              %zu\n", nr_mappings);
	printf("resident with %d blocks:     %zu KiB\n", NR_BLOCKS, full);
	printf("after freeing every second:    %zu KiB\n", half);
	printf("after freeing all:             %zu KiB\n", resident() - before);
	return 0;
}
