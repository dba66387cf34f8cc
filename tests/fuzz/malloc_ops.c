// SPDX-License-Identifier: MIT
/*
 * libFuzzer target: the input's bytes are choices of two players with blocks,
 * as in tests/malloc/random_blocks.c. The second one plays in a thread of its
 * own while the first waits, and leaves its blocks to it: so blocks are freed
 * by others, and outlive their thread, and an input does the same every time.
 *
 *	clang -fsanitize=fuzzer,address ...; ./malloc_ops -len_control=0 CORPUS
 */
#include <pthread.h>
#include <stdlib.h>

#include "../malloc/calls.h"
#include "../malloc/operations.h"

#define LEN_MAX	 ((size_t)1 << 20)
#define USED_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void play(struct player *player)
{
	while (player_step(player))
		continue;
	player_check(player);
}

static void *play_in_thread(void *arg)
{
	play(arg);
	return NULL;
}

/* Set up a player, or give it more choices. */
static void give(struct player *player, const uint8_t *data, size_t len)
{
	player->data = data;
	player->data_len = len;
	player->len_max = LEN_MAX;
	player->used_len_max = USED_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct player first;
	static struct player second;
	size_t third = len / 3;
	pthread_t thread;

	player_init(&first, data, third, 1);
	give(&first, data, third);
	play(&first);
	player_init(&second, data, 0, 1);
	give(&second, data + third, third);
	if (pthread_create(&thread, NULL, play_in_thread, &second) != 0)
		abort();
	pthread_join(thread, NULL);
	give(&first, data + 2 * third, len - 2 * third);
	play(&first);
	player_finish(&second);
	player_finish(&first);
	player_empty_slots();
	/* The next input finds what this one found. */
	calls_trim();
	if (test_failed())
		abort();
	return 0;
}
