/* SPDX-License-Identifier: MIT */
/*
 * Random operations on blocks whose contents are known, one player a thread.
 * Blocks go from player to player through slots, where all put and take.
 *
 * A player's choices come from a generator with a seed (random_blocks.c) or
 * from the bytes of a fuzzer's input (tests/fuzz/malloc_ops.c). What is wrong
 * is printed, and then test_failed().
 */
#ifndef OPERATIONS_H
#define OPERATIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blocks.h"
#include "test.h"

#define PLAYER_BLOCKS_MAX 4096

struct player_block {
	struct block block;
	size_t asked;	 /* bytes asked for, at most block.len */
	bool is_aligned; /* asked for with an alignment */
};

struct player {
	/* Where choices come from. */
	const uint8_t *data; /* fuzzer's bytes, or NULL */
	size_t data_len;
	struct test_rng rng;

	struct player_block blocks[PLAYER_BLOCKS_MAX];
	size_t nr_blocks;
	size_t used_len;     /* in them */
	size_t used_len_max; /* not to be exceeded by much */
	size_t len_max;	     /* longest block */
	bool emptying;	     /* more is freed than allocated */
	size_t nr_ops;
};

/* Prepare a player: choices from data, or from seed if that is NULL. */
void player_init(struct player *player, const uint8_t *data, size_t data_len,
		 uint64_t seed);

/* One operation. False when there are no more choices, or something failed. */
bool player_step(struct player *player);

/* Look at all blocks of the player: contents, and that they keep apart. */
void player_check(struct player *player);

/* Check and free all of them. */
void player_finish(struct player *player);

/* Check and free what is in the slots, when no player plays. */
void player_empty_slots(void);

#endif
