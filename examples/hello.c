// SPDX-License-Identifier: MIT
/*
 * Map memory, use it, and give it back in parts that Linux might refuse.
 */
#include <err.h>
#include <stdio.h>

#include "surefree.h"

int main(void)
{
	struct surefree_stats stats = { .size = sizeof(stats) };
	size_t len = 1 << 20, part = 64 << 10;
	char *p = surefree_map(len, 0);

	if (p == NULL)
		err(1, "surefree_map");
	snprintf(p, len, "hello");
	printf("%s, from %zu KiB at %p\n", p, len >> 10, (void *)p);

	/* A hole in the middle, the head, what is left: none can fail. */
	surefree_unmap(p + len / 2, part);
	surefree_unmap(p, part);
	surefree_unmap(p + part, len / 2 - part);
	surefree_unmap(p + len / 2 + part, len / 2 - part);

	/* A map can grow, and usually stays where it is. */
	p = surefree_map(part, 0);
	if (p == NULL)
		err(1, "surefree_map");
	snprintf(p, part, "hello again");
	p = surefree_remap(p, part, 4 * part, 0);
	if (p == NULL)
		err(1, "surefree_remap");
	printf("%s, from %zu KiB\n", p, 4 * part >> 10);
	surefree_unmap(p, 4 * part);

	surefree_stats(&stats);
	printf("in use now: %zu bytes; %zu mappings; released memory %s\n",
	       stats.used_len, stats.nr_mappings,
	       stats.trap == SUREFREE_TRAP_ON ? "traps" : "does not trap");
	return 0;
}
