// SPDX-License-Identifier: MIT
/*
 * File views, and room for the rest of the process.
 *
 * A view of a file is a mapping by nature. The library places each so that it
 * can always be released, and refuses new ones while there is still headroom,
 * here, where the program can wait or use read(), and not inside somebody
 * else's malloc().
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "surefree.h"

#define MAX_VIEWS 100

int main(int argc, char **argv)
{
	struct surefree_mappings mappings = { .size = sizeof(mappings) };
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t nr_views = 0;
	char reserve[32];
	char *views[MAX_VIEWS];
	FILE *file = argc > 1 ? fopen(argv[1], "r") : tmpfile();

	if (file == NULL)
		err(1, "cannot open a file");
	if (argc == 1 &&
	    (fputs("a line of the file\n", file) == EOF || fflush(file)))
		err(1, "cannot write");
	if (surefree_mappings(0, &mappings))
		err(1, "surefree_mappings");
	printf("%zu mappings of %zu, headroom %zu\n", mappings.nr,
	       mappings.limit, mappings.headroom);

	/* Leave nearly all of the headroom to others, to see a refusal. */
	if (mappings.headroom < 100)
		errx(1, "too few mappings left to show this");
	snprintf(reserve, sizeof(reserve), "%zu", mappings.headroom - 50);
	if (surefree_set("view_reserve", reserve))
		errx(1, "cannot set view_reserve");
	while (nr_views < MAX_VIEWS) {
		views[nr_views] = surefree_map_file(fileno(file), 0, page,
						    PROT_READ, MAP_PRIVATE);
		if (views[nr_views] == NULL)
			break;
		nr_views++;
	}
	if (nr_views < MAX_VIEWS)
		printf("refused after %zu views: %s\n", nr_views,
		       strerror(errno));
	if (nr_views)
		printf("they show: %.*s\n", (int)strcspn(views[0], "\n"),
		       views[0]);

	/* In any order, also at the limit: no release is refused. */
	for (size_t i = 0; i < nr_views; i += 2)
		surefree_unmap_file(views[i], page);
	for (size_t i = 1; i < nr_views; i += 2)
		surefree_unmap_file(views[i], page);
	fclose(file);
	if (surefree_mappings(0, &mappings))
		err(1, "surefree_mappings");
	printf("%zu mappings afterwards\n", mappings.nr);
	return 0;
}
