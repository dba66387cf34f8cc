// SPDX-License-Identifier: MIT
/*
 * What was never a block is reported: memory of others, the inside of a block,
 * what lies between blocks, and addresses that hold nothing.
 */
#include "test.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calls.h"
#include "reported.h"

#define TOUCH_LEN ((size_t)64 << 10) /* of a block, not to take long */

static const size_t sizes[] = { 24,    100,    1000,	8192,	 20000,
				40000, 200000, 1 << 20, 64 << 20 };

static void (*give)(void *p); /* what is done to what is no block */
static size_t len;	      /* of the block that it is part of */
static ptrdiff_t offset;      /* and where in it */
static void *address;
static char in_data[64] = "data";
static char in_bss[1 << 17];

static void give_to_free(void *p)
{
	reported_say("free", p);
	free(calls_hide(p));
}

static void give_to_realloc(void *p)
{
	reported_say("realloc", p);
	calls_hide(realloc(calls_hide(p), calls_size(100)));
}

static void give_to_reallocarray(void *p)
{
	reported_say("realloc", p);
	calls_hide(reallocarray(calls_hide(p), 10, 10));
}

static void give_to_free_sized(void *p)
{
	reported_say("free_sized", p);
	calls_free_sized(calls_hide(p), 100);
}

static void (*const takers[])(void *p) = {
	give_to_free,
	give_to_realloc,
	give_to_reallocarray,
	give_to_free_sized,
};

static void *allocate(size_t size)
{
	char *p = malloc(size);

	if (p == NULL)
		_exit(TEST_CHILD_FAILED);
	memset(p, 1, size < TOUCH_LEN ? size : TOUCH_LEN);
	return p;
}

/* In every function that takes a block. */
static void reported_by_all(void (*misuse)(void))
{
	if (test_skipped())
		return;
	if (!calls_surefree())
		SKIP("the C library says it otherwise, or not at all");
	for (size_t i = 0; i < TEST_COUNT(takers); i++) {
		give = takers[i];
		reported(misuse);
	}
}

static void give_stack(void)
{
	char buffer[64] __attribute__((aligned(16))) = "stack";

	give(calls_hide(buffer));
}

static void give_data(void)
{
	give(calls_hide((void *)((uintptr_t)(in_data + 15) & ~(uintptr_t)15)));
}

static void give_bss(void)
{
	give(calls_hide(in_bss + 65536 - (uintptr_t)in_bss % 65536));
}

static void give_code(void)
{
	give(calls_hide((void *)((uintptr_t)&memcpy & ~(uintptr_t)15)));
}

static void give_mapping(void)
{
	char *p = mmap(NULL, 4 << 20, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(TEST_CHILD_FAILED);
	give(p + (2 << 20) - (uintptr_t)p % (2 << 20));
}

static void give_thread_variable(void)
{
	static __thread char variable[64] __attribute__((aligned(16)));

	give(calls_hide(variable));
}

/* Ours, but from surefree_map(), which is not malloc(). */
static void give_surefree_map(void)
{
	void *(*map)(size_t, unsigned) = (void *(*)(size_t, unsigned))
		calls_find("surefree_map");
	char *p = map(1 << 20, 0);

	if (p == NULL)
		_exit(TEST_CHILD_FAILED);
	memset(p, 1, 1 << 20);
	give(calls_hide(p));
}

static void give_address(void)
{
	give(calls_hide(address));
}

static void give_part(void)
{
	char *p = allocate(len);

	give(calls_hide(p + offset));
}

/* So that the block is neither its slab's first nor its only one. */
static void give_part_of_many(void)
{
	char *p = NULL;

	for (int i = 0; i < 20; i++)
		p = allocate(len);
	for (int i = 0; i < 10; i++)
		allocate(len);
	give(calls_hide(p + offset));
}

static void others_memory_is_reported(void)
{
	reported_by_all(give_stack);
	reported_by_all(give_data);
	reported_by_all(give_bss);
	reported_by_all(give_code);
	reported_by_all(give_mapping);
	reported_by_all(give_thread_variable);
}

static void what_surefree_map_gave_is_reported(void)
{
	reported_by_all(give_surefree_map);
}

static void addresses_that_hold_nothing_are_reported(void)
{
	static const uintptr_t addresses[] = {
		1,
		16,
		4096,
		65536,
		(uintptr_t)1 << 40,
		(uintptr_t)1 << 46,
		((uintptr_t)1 << 47) - 4096,
		(uintptr_t)1 << 47,
		(uintptr_t)1 << 48,
		(uintptr_t)1 << 56,
		(uintptr_t)1 << 63,
		UINTPTR_MAX - 15,
		UINTPTR_MAX - 65535,
		UINTPTR_MAX,
		0x0123456789abcdef,
		0xdeadbeefdeadbee0,
	};

	for (size_t i = 0; i < TEST_COUNT(addresses); i++) {
		address = (void *)addresses[i];
		reported_by_all(give_address);
	}
}

/* Not at a multiple of 16, which no block is. */
static void a_misaligned_address_is_reported(void)
{
	static const ptrdiff_t offsets[] = { 1, 2, 4, 8, 15, -1, -8, 17 };

	for (size_t i = 0; i < TEST_COUNT(sizes); i++)
		for (size_t j = 0; j < TEST_COUNT(offsets); j++) {
			len = sizes[i];
			offset = offsets[j];
			if (offset < (ptrdiff_t)len)
				reported_by_all(j % 2 ? give_part :
							give_part_of_many);
		}
}

static void the_inside_of_a_block_is_reported(void)
{
	static const ptrdiff_t offsets[] = { 16,   32,	 256,	1024,
					     4096, 8192, 65536, 131072 };

	for (size_t i = 0; i < TEST_COUNT(sizes); i++)
		for (size_t j = 0; j < TEST_COUNT(offsets); j++) {
			len = sizes[i];
			offset = offsets[j];
			if ((size_t)offset < len)
				reported_by_all(j % 2 ? give_part :
							give_part_of_many);
		}
}

static void the_last_bytes_of_a_block_are_reported(void)
{
	for (size_t i = 0; i < TEST_COUNT(sizes); i++) {
		len = sizes[i];
		offset = (ptrdiff_t)((len - 1) & ~(size_t)15);
		reported_by_all(give_part);
	}
}

/* A large block's end, where the next one may begin, or nothing. */
static void give_end(void)
{
	char *p = allocate(len);

	give(calls_hide(p + malloc_usable_size(p)));
}

static void the_end_of_a_large_block_is_reported(void)
{
	len = (size_t)64 << 20;
	reported_by_all(give_end);
}

/* The neighbours of a lone block in its slab were never handed out. */
static void give_neighbour(void)
{
	uintptr_t slab_len = 65536;
	char *p = allocate(len);
	size_t step = malloc_usable_size(p);
	bool is_first = (uintptr_t)p % slab_len < slab_len / 2;

	give(calls_hide(is_first ? p + 2 * step : p - 2 * step));
}

static void a_block_not_handed_out_is_reported(void)
{
	static const size_t rare[] = { 1777, 3000, 5000, 6000, 10000 };

	for (size_t i = 0; i < TEST_COUNT(rare); i++) {
		len = rare[i];
		reported_by_all(give_neighbour);
	}
}

static const struct test tests[] = {
	{ "others' memory is reported", others_memory_is_reported },
	{ "what surefree_map gave is reported",
	  what_surefree_map_gave_is_reported },
	{ "addresses that hold nothing are reported",
	  addresses_that_hold_nothing_are_reported },
	{ "a misaligned address is reported",
	  a_misaligned_address_is_reported },
	{ "the inside of a block is reported",
	  the_inside_of_a_block_is_reported },
	{ "the last bytes of a block are reported",
	  the_last_bytes_of_a_block_are_reported },
	{ "the end of a large block is reported",
	  the_end_of_a_large_block_is_reported },
	{ "a block not handed out is reported",
	  a_block_not_handed_out_is_reported },
};

int main(int argc, char **argv)
{
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
