// SPDX-License-Identifier: MIT
/*
 * Allocate and touch blocks, free every second one, then the rest, with only so
 * many mappings to spare, on whatever malloc this process has. Prints the
 * mappings that were left, the allocations that failed, the bytes resident with
 * all allocated, and those still resident when half and all were freed, and a
 * second after that.
 *
 * Unlike "surefree probe malloc" it does not fork: a forked child needs spare
 * mappings for things that its parent does without (docs/limit.md).
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fill.h"
#include "lib/bench.h"
#include "os/limit.h"
#include "os/maps.h"

#define IDLE_SECONDS 1

static size_t nr_blocks, block_len;
static char **blocks;

static size_t resident(void)
{
	size_t len;

	if (sf_maps_resident(&len) != 0)
		errx(3, "cannot read /proc/self; mount /proc");
	return len;
}

/* Beyond the base; some allocators give back of what was there before. */
static size_t beyond(size_t base)
{
	size_t now = resident();

	return now > base ? now - base : 0;
}

static size_t nr_spare(void)
{
	size_t limit, nr;

	if (sf_limit_mappings(&limit) != 0 || sf_maps_count(0, &nr) != 0)
		errx(3, "cannot read /proc/self/maps; mount /proc");
	return limit > nr ? limit - nr : 0;
}

/* Returns how many failed. */
static size_t allocate(void)
{
	size_t nr_failed = 0;

	for (size_t i = 0; i < nr_blocks; i++) {
		blocks[i] = malloc(block_len);
		if (blocks[i] == NULL)
			nr_failed++;
		for (size_t k = 0; blocks[i] != NULL && k < block_len;
		     k += 4096)
			((volatile char *)blocks[i])[k] = 1;
	}
	return nr_failed;
}

static void free_every_second(size_t first)
{
	for (size_t i = first; i < nr_blocks; i += 2)
		free(blocks[i]);
}

/* "plenty", or a number: then use up all others. */
static void leave_spare(const char *text)
{
	static struct sf_fill fill;
	int error;

	/* What malloc sets up with its first block is there. */
	free(malloc(1));
	if (text[0] == 'p')
		return;
	error = sf_fill_up(&fill, (size_t)strtoul(text, NULL, 10));
	if (error != 0)
		errx(3, "cannot use up the mappings: %s", sf_fill_why(error));
}

int main(int argc, char **argv)
{
	size_t spare, nr_failed, base, peak, half, all;

	if (argc != 4)
		bench_usage("COUNT, SIZE and SPARE, please");
	nr_blocks = bench_parse_count(argv[1], 1u << 24);
	block_len = bench_parse_count(argv[2], 1u << 30);
	/* Mapped, so that no malloc is disturbed. */
	blocks = mmap(NULL, nr_blocks * sizeof(*blocks), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (blocks == MAP_FAILED)
		err(3, "no memory for %zu addresses", nr_blocks);
	leave_spare(argv[3]);
	spare = nr_spare();
	base = resident();
	nr_failed = allocate();
	peak = beyond(base);
	free_every_second(0);
	half = beyond(base);
	free_every_second(1);
	all = beyond(base);
	sleep(IDLE_SECONDS);
	printf("%zu\t%zu\t%zu\t%zu\t%zu\t%zu\n", spare, nr_failed, peak, half,
	       all, beyond(base));
	return 0;
}
