// SPDX-License-Identifier: MIT
/*
 * The operations, in a table with their weights. A player alternates between
 * filling and emptying, so that slabs become full and wholly free.
 */
#include "operations.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "calls.h"

#define NR_SLOTS 64
#define MARK	 4242 /* no errno */

static struct slot {
	pthread_mutex_t lock;
	bool is_full;
	struct player_block block;
} slots[NR_SLOTS] = {
	[0 ... NR_SLOTS - 1] = { .lock = PTHREAD_MUTEX_INITIALIZER },
};

static size_t pick(struct player *player, size_t bound)
{
	uint64_t value = 0;

	if (bound <= 1)
		return 0;
	if (player->data == NULL)
		return test_rand_below(&player->rng, bound);
	for (size_t left = bound - 1; left > 0 && player->data_len > 0;
	     left >>= 8) {
		value = value << 8 | *player->data++;
		player->data_len--;
	}
	return value % bound;
}

/* Small ones mostly; often just beside a round number. */
static size_t pick_len(struct player *player)
{
	static const unsigned bits[] = { 4,  5,	 6,  6,	 7,  7,	 8,  8,
					 9,  10, 11, 12, 13, 14, 15, 16,
					 17, 18, 20, 21, 23, 26 };
	size_t most = (size_t)1 << bits[pick(player, TEST_COUNT(bits))];
	size_t len;

	/* The longest are rare. */
	if (most > 1 << 18 && pick(player, 8) != 0)
		most = 1024;
	len = pick(player, 4) == 0 ? most + pick(player, 40) - 20 :
				     pick(player, most + 1);
	if (len > most + 20)
		len = 0;
	return len < player->len_max ? len : player->len_max;
}

static size_t pick_align(struct player *player)
{
	size_t most = pick(player, 16) == 0 ? 22 : 13;

	return (size_t)1 << (3 + pick(player, most - 2));
}

/* Take a new block in; zeroed says that it has to read as zeros. */
static void add(struct player *player, void *p, size_t len, size_t align,
		bool zeroed)
{
	struct player_block *new = &player->blocks[player->nr_blocks];
	size_t usable;

	/* glibc tries this and that, and leaves the first one's errno. */
	if (calls_surefree())
		CHECK_EQ(errno, MARK);
	errno = MARK;
	if (!CHECK(p != NULL) || (zeroed && !block_check_zero(p, len)))
		return;
	usable = malloc_usable_size(p);
	CHECK_GE(usable, len);
	new->asked = len;
	new->is_aligned = align > CALLS_ALIGN;
	new->block = block_fill(p, pick(player, 4) == 0 ? usable : len,
				align < CALLS_ALIGN ? 1 : align);
	CHECK(block_check_len(&new->block, 0) &&
	      (uintptr_t)p % new->block.align == 0);
	player->nr_blocks++;
	player->used_len += new->block.len;
}

/* Take the block at index out, after a look at its contents. */
static struct player_block take(struct player *player, size_t index)
{
	struct player_block taken = player->blocks[index];

	player->blocks[index] = player->blocks[--player->nr_blocks];
	player->used_len -= taken.block.len;
	block_check(&taken.block);
	return taken;
}

static struct player_block take_any(struct player *player)
{
	return take(player, pick(player, player->nr_blocks));
}

static void do_malloc(struct player *player)
{
	size_t len = pick_len(player);

	add(player, malloc(len), len, CALLS_ALIGN, false);
}

static void do_many(struct player *player)
{
	size_t len = pick_len(player) % 3000;
	size_t nr = pick(player, 200);

	while (nr-- > 0 && player->nr_blocks < PLAYER_BLOCKS_MAX)
		add(player, malloc(len), len, CALLS_ALIGN, false);
}

static void do_calloc(struct player *player)
{
	size_t len = pick_len(player);
	size_t nr = 1 + pick(player, 7);

	len /= nr;
	add(player, calloc(nr, len), nr * len, CALLS_ALIGN, true);
}

static void do_aligned_alloc(struct player *player)
{
	size_t align = pick_align(player);
	size_t len = pick_len(player);

	add(player, aligned_alloc(align, len), len, align, false);
}

static void do_posix_memalign(struct player *player)
{
	size_t align = pick_align(player);
	size_t len = pick_len(player);
	void *p = NULL;

	CHECK_EQ(posix_memalign(&p, align, len), 0);
	add(player, p, len, align, false);
}

static void do_memalign(struct player *player)
{
	size_t align = pick_align(player);
	size_t len = pick_len(player);

	add(player, memalign(align, len), len, align, false);
}

static void do_valloc(struct player *player)
{
#ifdef CALLS_LINKED
	do_memalign(player);
#else
	size_t len = pick_len(player);
	void *p = pick(player, 2) ? valloc(len) : pvalloc(len);

	add(player, p, len, test_page(), false);
#endif
}

static void do_realloc_nothing(struct player *player)
{
	size_t len = pick_len(player);
	void *p = pick(player, 2) ? realloc(NULL, len) :
				    reallocarray(NULL, 1, len);

	add(player, p, len, CALLS_ALIGN, false);
}

/* Another length for a block: near to the old one, or any. */
static size_t pick_new_len(struct player *player, size_t old)
{
	size_t len;

	switch (pick(player, 4)) {
	case 0:
		return pick_len(player);
	case 1:
		return pick(player, old + 1);
	case 2:
		len = old + pick(player, 100);
		break;
	default:
		len = old + pick(player, old + 1);
		break;
	}
	return len < player->len_max ? len : player->len_max;
}

static void do_realloc(struct player *player)
{
	struct player_block block = take_any(player);
	size_t len = pick_new_len(player, block.asked);
	size_t kept = block.block.len < len ? block.block.len : len;
	void *p;

	if (len == 0)
		len = 1;
	p = pick(player, 3) ? realloc(block.block.p, len) :
			      reallocarray(block.block.p, len, 1);
	if (!CHECK(p != NULL))
		return;
	block.block.p = p;
	block_check_len(&block.block, kept < len ? kept : len);
	add(player, p, len, CALLS_ALIGN, false);
}

static void do_realloc_to_nothing(struct player *player)
{
	struct player_block block = take_any(player);

	CHECK(realloc(block.block.p, calls_size(0)) == NULL);
}

static void do_free(struct player *player)
{
	free(take_any(player).block.p);
}

/* From the newest back, or from the oldest on. */
static void do_free_many(struct player *player)
{
	size_t nr = pick(player, 200);
	bool newest = pick(player, 2) != 0;

	while (nr-- > 0 && player->nr_blocks > 0)
		free(take(player, newest ? player->nr_blocks - 1 : 0).block.p);
}

static void do_free_sized(struct player *player)
{
	struct player_block block = take_any(player);

	if (block.is_aligned)
		calls_free_aligned_sized(block.block.p, block.block.align,
					 block.asked);
	else
		calls_free_sized(block.block.p, block.asked);
}

static void do_look(struct player *player)
{
	size_t index = pick(player, player->nr_blocks);

	block_check(&player->blocks[index].block);
}

/* Put a block into a slot, or change it for the one that is there. */
static void do_exchange(struct player *player)
{
	struct slot *slot = &slots[pick(player, NR_SLOTS)];
	struct player_block given = take_any(player);
	struct player_block got;
	bool is_full;

	pthread_mutex_lock(&slot->lock);
	got = slot->block;
	is_full = slot->is_full;
	slot->block = given;
	slot->is_full = true;
	pthread_mutex_unlock(&slot->lock);
	if (!is_full)
		return;
	block_check(&got.block);
	player->blocks[player->nr_blocks++] = got;
	player->used_len += got.block.len;
}

static void do_free_of_slot(struct player *player)
{
	struct slot *slot = &slots[pick(player, NR_SLOTS)];
	struct player_block got;
	bool is_full;

	pthread_mutex_lock(&slot->lock);
	got = slot->block;
	is_full = slot->is_full;
	slot->is_full = false;
	pthread_mutex_unlock(&slot->lock);
	if (is_full && block_check(&got.block))
		free(got.block.p);
}

static void do_too_large(struct player *player)
{
	size_t len = SIZE_MAX / 2 + 1 + pick(player, 1 << 20);

	CHECK(malloc(calls_size(len)) == NULL && errno == ENOMEM);
	CHECK(calloc(3, calls_size(len)) == NULL);
	errno = MARK;
	free(NULL);
}

static void do_trim(struct player *player)
{
	if (pick(player, 20) == 0)
		calls_trim();
	errno = MARK;
}

static void do_information(struct player *player)
{
#ifdef CALLS_LINKED
	struct surefree_stats stats;

	if (pick(player, 20) == 0)
		CHECK(calls_stats(&stats));
#else
	if (pick(player, 20) == 0)
		CHECK_GE(mallinfo2().uordblks + mallinfo2().hblkhd, 1);
#endif
}

static void do_turn(struct player *player)
{
	if (pick(player, 20) == 0)
		player->emptying = !player->emptying;
}

static const struct operation {
	void (*fn)(struct player *player);
	unsigned weight;
	int change; /* of the number of blocks: 1, 0 or -1 */
	bool needs_block;
} operations[] = {
	{ do_malloc, 30, 1, false },
	{ do_many, 2, 1, false },
	{ do_calloc, 12, 1, false },
	{ do_aligned_alloc, 4, 1, false },
	{ do_posix_memalign, 4, 1, false },
	{ do_memalign, 2, 1, false },
	{ do_valloc, 1, 1, false },
	{ do_realloc_nothing, 4, 1, false },
	{ do_realloc, 20, 0, true },
	{ do_realloc_to_nothing, 2, -1, true },
	{ do_free, 36, -1, true },
	{ do_free_many, 2, -1, true },
	{ do_free_sized, 8, -1, true },
	{ do_look, 8, 0, true },
	{ do_exchange, 20, 0, true },
	{ do_free_of_slot, 6, 0, false },
	{ do_too_large, 1, 0, false },
	{ do_trim, 1, 0, false },
	{ do_information, 1, 0, false },
	{ do_turn, 1, 0, false },
};

/* What is done instead of allocating: when emptying, and when all is full. */
static const struct operation free_one = { do_free, 0, -1, true };
static const struct operation free_many = { do_free_many, 0, -1, true };

static const struct operation *pick_operation(struct player *player)
{
	unsigned sum = 0;
	size_t at;

	for (size_t i = 0; i < TEST_COUNT(operations); i++)
		sum += operations[i].weight;
	at = pick(player, sum);
	for (size_t i = 0;; i++) {
		if (at < operations[i].weight)
			return &operations[i];
		at -= operations[i].weight;
	}
}

void player_init(struct player *player, const uint8_t *data, size_t data_len,
		 uint64_t seed)
{
	memset(player, 0, sizeof(*player));
	player->data = data;
	player->data_len = data_len;
	player->rng = test_rng(seed);
	player->used_len_max = (size_t)192 << 20;
	player->len_max = (size_t)64 << 20;
}

bool player_step(struct player *player)
{
	const struct operation *op = pick_operation(player);

	if (player->data != NULL && player->data_len == 0)
		return false;
	player->nr_ops++;
	errno = MARK;
	if (op->change > 0 && (player->nr_blocks == PLAYER_BLOCKS_MAX ||
			       player->used_len > player->used_len_max))
		op = &free_many;
	else if (op->change > 0 && player->emptying && pick(player, 2) == 0)
		op = &free_one;
	if (!op->needs_block || player->nr_blocks > 0)
		op->fn(player);
	CHECK_EQ(errno, MARK);
	return !test_failed();
}

void player_check(struct player *player)
{
	static __thread struct block blocks[PLAYER_BLOCKS_MAX];

	for (size_t i = 0; i < player->nr_blocks; i++) {
		blocks[i] = player->blocks[i].block;
		block_check(&blocks[i]);
	}
	block_check_apart(blocks, player->nr_blocks);
}

void player_finish(struct player *player)
{
	while (player->nr_blocks > 0)
		free(take(player, player->nr_blocks - 1).block.p);
}

void player_empty_slots(void)
{
	for (size_t i = 0; i < NR_SLOTS; i++) {
		if (slots[i].is_full && block_check(&slots[i].block.block))
			free(slots[i].block.block.p);
		slots[i].is_full = false;
	}
}
