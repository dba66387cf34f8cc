// SPDX-License-Identifier: MIT
/*
 * A hundred thousand coroutine stacks of 64 KiB, each with a guard below it.
 *
 * With mprotect() for the guards this ends at some 32,000: each stack takes
 * two mappings then.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "surefree.h"

#define NR_STACKS 100000
#define STACK_LEN ((size_t)64 << 10)

static void print_state(const char *when)
{
	struct surefree_mappings mappings = { .size = sizeof(mappings) };
	struct surefree_stats stats = { .size = sizeof(stats) };

	surefree_stats(&stats);
	if (surefree_mappings(0, &mappings))
		err(1, "surefree_mappings");
	printf("%-16s %6zu MiB in stacks, %3zu mappings of %zu\n", when,
	       stats.used_len >> 20, mappings.nr, mappings.limit);
}

int main(void)
{
	struct surefree_stack *stacks = malloc(NR_STACKS * sizeof(*stacks));
	struct surefree_stack *s;
	size_t trimmed = 0, nr_guards = 0;

	if (stacks == NULL)
		err(1, "malloc");
	for (s = stacks; s < stacks + NR_STACKS; s++) {
		if (surefree_stack_map(STACK_LEN, s))
			err(1, "surefree_stack_map");
		/* What a coroutine does first: write to its top. */
		memset((char *)s->addr + s->len - 128, 1, 128);
		nr_guards += s->guard_len > 0;
	}
	print_state("mapped:");
	printf("%zu of them have a guard\n", nr_guards);

	/* One of them went deep, and now waits near its top. */
	s = &stacks[NR_STACKS / 2];
	memset(s->addr, 1, s->len);
	trimmed = surefree_stack_trim(s, (char *)s->addr + s->len - 256);
	printf("trimmed %zu KiB of %zu\n", trimmed >> 10, s->len >> 10);

	for (s = stacks; s < stacks + NR_STACKS; s++)
		surefree_stack_unmap(s);
	print_state("unmapped:");
	free(stacks);
	return 0;
}
