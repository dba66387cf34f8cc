// SPDX-License-Identifier: MIT
/*
 * munmap() fails at the limit of mappings. Plain Linux, no library.
 *
 * Maps twice as many single pages as the process may hold mappings. That works,
 * because the kernel merges neighbours into one mapping. Then unmaps every
 * second page: each call cuts a mapping in two, until no more are to be had.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* vm.max_map_count, bounded so that this ends soon where it is huge. */
static size_t read_limit(void)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
	size_t limit = 65530;

	if (file) {
		if (fscanf(file, "%zu", &limit) != 1)
			limit = 65530;
		fclose(file);
	}
	return limit < 262144 ? limit : 262144;
}

int main(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t nr_pages = 2 * read_limit(), nr_mapped, nr_calls = 0;
	size_t nr_failed = 0, first_failed = 0;
	char **pages = malloc(nr_pages * sizeof(*pages));
	int error = 0;

	if (pages == NULL)
		return 1;
	for (nr_mapped = 0; nr_mapped < nr_pages; nr_mapped++) {
		char *p = mmap(NULL, page, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			break;
		*p = 1;
		pages[nr_mapped] = p;
	}
	for (size_t i = 0; i < nr_mapped; i += 2) {
		nr_calls++;
		if (munmap(pages[i], page) == 0)
			continue;
		if (nr_failed++ == 0) {
			first_failed = nr_calls;
			error = errno;
		}
	}
	printf("pages mapped:          %zu\n", nr_mapped);
	printf("calls of munmap():     %zu\n", nr_calls);
	printf("of these failed:       %zu\n", nr_failed);
	if (nr_failed) {
		printf("first to fail:         call %zu, %s\n", first_failed,
		       strerror(error));
		printf("still resident:        %zu KiB that were unmapped\n",
		       nr_failed * page / 1024);
	}
	free(pages);
	/* Exiting unmaps everything, and is never refused. */
	return 0;
}
