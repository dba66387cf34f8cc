// SPDX-License-Identifier: MIT
/*
 * Blocks that are all in use at once, the number so far told on the way; at the
 * end, how many there were and how many mappings.
 * usage: blocks BLOCKS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t count_mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "re");
	size_t nr = 0;
	int got;

	if (file == NULL)
		return 0;
	while ((got = getc(file)) != EOF)
		nr += got == '\n';
	fclose(file);
	return nr;
}

int main(int argc, char **argv)
{
	size_t nr = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	char **blocks = calloc(nr, sizeof(*blocks));

	for (size_t i = 0; i < nr; i++) {
		blocks[i] = malloc(100);
		if (blocks[i] == NULL)
			return 1;
		memset(blocks[i], (int)i, 100);
		if (i % 500 == 0) {
			printf("%zu\n", i);
			fflush(stdout);
		}
	}
	printf("%zu %zu\n", nr, count_mappings());
	for (size_t i = 0; i < nr; i++) {
		if (blocks[i][99] != (char)i)
			return 1;
		free(blocks[i]);
	}
	free(blocks);
	return 0;
}
