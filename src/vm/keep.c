// SPDX-License-Identifier: MIT
/* The table of kept ranges and stacks, see keep.h. */
#include "vm/keep.h"

#include "base/option.h"
#include "os/probe.h"
#include "os/sys.h"
#include "vm/account.h"
#include "vm/release.h"
#include "vm/retain.h"

#define NR_SHARDS  8
#define NR_ENTRIES 256
#define NR_CHAINS  64
#define NR_STACKS  64 /* entries of a shard that stacks may fill */
#define NO_ENTRY   0
#define MAX_RANGE_LEN                                          \
	((size_t)4 << 20) /* beyond, looking for touched pages \
			     costs more than touching a few */
#define RETAIN_PART 4  /* a range larger than this part of the bound is not */
#define MAX_TOPS    16 /* stacks that keep their top */
#define MAX_TOP_LEN ((size_t)64 << 10)
#define TOP_PART    16 /* they may fill this part of the bound */

enum kind {
	KIND_RANGE,
	KIND_STACK,
};

struct entry {
	struct sf_extent extent;
	enum kind kind;
	size_t kept_len; /* of its pages, counted as retained */
	/* Numbers of entries, from 1 on. */
	uint16_t chain_next, chain_prev;
	uint16_t newer, older;
};

struct shard {
	struct sf_lock lock;
	uint16_t chain[NR_CHAINS]; /* newest entry of the chain */
	uint16_t oldest, newest;
	uint16_t unused;   /* list of free entries, through chain_next */
	uint16_t nr_ready; /* entries ever used */
	unsigned nr_stacks;
	struct entry entries[NR_ENTRIES];
} SF_CACHE_ALIGNED;

static struct shard shards[NR_SHARDS];

/* Stacks of which the top is kept. Relaxed: it orders nothing. */
static _Atomic unsigned nr_tops;

/* Whether of a stack only the top has pages. */
static bool is_top(const struct entry *entry)
{
	return entry->kind == KIND_STACK &&
	       entry->kept_len < sf_extent_len(&entry->extent);
}

static struct shard *own_shard(void)
{
	/* Thread descriptors lie far apart; any spread will do. */
	return &shards[(sf_arch_thread() * 0x9e3779b97f4a7c15u) >> 61];
}

void sf_keep_prepare(void)
{
	static _Atomic unsigned char done;
	uintptr_t first = sf_align_down((uintptr_t)shards, sf_page_size);
	uintptr_t end = sf_align_up((uintptr_t)(shards + NR_SHARDS),
				    sf_page_size);

	/* Relaxed: doing it twice does no harm. */
	if (SF_LIKELY(atomic_load_explicit(&done, memory_order_relaxed) != 0))
		return;
	atomic_store_explicit(&done, 1, memory_order_relaxed);
	/* Without it, before 5.14, pages become resident as they are used. */
	if (sf_probe_has(SF_FEATURE_POPULATE_WRITE))
		sf_page_populate(first, end - first);
}

static struct entry *entry_at(struct shard *shard, uint16_t number)
{
	return &shard->entries[number - 1];
}

static uint16_t *chain_of(struct shard *shard, size_t nr, enum kind kind)
{
	return &shard->chain[(nr * 2 + kind) % NR_CHAINS];
}

/*
 * Entries. Called under the shard's lock.
 */

static void insert_locked(struct shard *shard, uint16_t number)
{
	struct entry *entry = entry_at(shard, number);
	uint16_t *chain = chain_of(shard, entry->extent.nr, entry->kind);

	entry->chain_prev = NO_ENTRY;
	entry->chain_next = *chain;
	if (*chain != NO_ENTRY)
		entry_at(shard, *chain)->chain_prev = number;
	*chain = number;

	entry->newer = NO_ENTRY;
	entry->older = shard->newest;
	if (shard->newest != NO_ENTRY)
		entry_at(shard, shard->newest)->newer = number;
	else
		shard->oldest = number;
	shard->newest = number;
	shard->nr_stacks += entry->kind == KIND_STACK;
}

/* Unlink an entry and make it unused; its contents stay readable. */
static void remove_locked(struct shard *shard, uint16_t number)
{
	struct entry *entry = entry_at(shard, number);

	if (entry->chain_prev != NO_ENTRY)
		entry_at(shard, entry->chain_prev)
			->chain_next = entry->chain_next;
	else
		*chain_of(shard, entry->extent.nr,
			  entry->kind) = entry->chain_next;
	if (entry->chain_next != NO_ENTRY)
		entry_at(shard, entry->chain_next)
			->chain_prev = entry->chain_prev;

	if (entry->older != NO_ENTRY)
		entry_at(shard, entry->older)->newer = entry->newer;
	else
		shard->oldest = entry->newer;
	if (entry->newer != NO_ENTRY)
		entry_at(shard, entry->newer)->older = entry->older;
	else
		shard->newest = entry->older;

	shard->nr_stacks -= entry->kind == KIND_STACK;
	entry->chain_next = shard->unused;
	shard->unused = number;
}

/* An unused entry, or NO_ENTRY. */
static uint16_t new_entry_locked(struct shard *shard)
{
	uint16_t number = shard->unused;

	if (number != NO_ENTRY)
		shard->unused = entry_at(shard, number)->chain_next;
	else if (shard->nr_ready < NR_ENTRIES)
		number = ++shard->nr_ready;
	return number;
}

static bool put(const struct sf_extent *extent, enum kind kind, size_t kept_len)
{
	struct shard *shard = own_shard();
	uint16_t number = NO_ENTRY;

	sf_lock_acquire(&shard->lock, SF_RANK_KEEP);
	if (kind != KIND_STACK || shard->nr_stacks < NR_STACKS)
		number = new_entry_locked(shard);
	if (number != NO_ENTRY) {
		struct entry *entry = entry_at(shard, number);

		entry->extent = *extent;
		entry->kind = kind;
		entry->kept_len = kept_len;
		insert_locked(shard, number);
	}
	sf_lock_release(&shard->lock, SF_RANK_KEEP);
	return number != NO_ENTRY;
}

/* An entry's pages are no longer retained. */
static void end_keeping(const struct entry *entry)
{
	if (entry->kept_len == 0)
		return;
	sf_retain_end(entry->kept_len);
	if (is_top(entry))
		atomic_fetch_sub_explicit(&nr_tops, 1, memory_order_relaxed);
}

/* Make an entry's pages the caller's again, but for a stack's guard. */
static void revive(const struct entry *entry, unsigned flags)
{
	struct sf_extent extent = entry->extent;

	if (entry->kind == KIND_STACK) {
		extent.first++;
		extent.nr--;
	}
	sf_extent_revive(&extent, flags);
	end_keeping(entry);
}

static bool take_from(struct shard *shard, size_t nr, enum kind kind,
		      unsigned flags, struct entry *out)
{
	uint16_t number;

	sf_lock_acquire(&shard->lock, SF_RANK_KEEP);
	number = *chain_of(shard, nr, kind);
	while (number != NO_ENTRY) {
		struct entry *entry = entry_at(shard, number);

		if (entry->extent.nr == nr && entry->kind == kind) {
			*out = *entry;
			remove_locked(shard, number);
			revive(out, flags);
			break;
		}
		number = entry->chain_next;
	}
	sf_lock_release(&shard->lock, SF_RANK_KEEP);
	return number != NO_ENTRY;
}

/* From this thread's shard, else from any. */
static bool take(size_t nr, enum kind kind, unsigned flags, struct entry *out)
{
	struct shard *own = own_shard();

	if (take_from(own, nr, kind, flags, out))
		return true;
	for (size_t i = 0; i < NR_SHARDS; i++)
		if (&shards[i] != own &&
		    take_from(&shards[i], nr, kind, flags, out))
			return true;
	return false;
}

/*
 * Releasing
 */

static void release_entry(const struct entry *entry)
{
	const struct sf_extent *extent = &entry->extent;

	/* A stack's guard goes with it: it is marked, like freed memory. */
	sf_extent_release_kept(extent, 0);
	end_keeping(entry);
	sf_extent_end(extent);
}

/*
 * Remove the oldest entry, or the oldest with pages, and begin an operation on
 * its region, which release_entry() ends. False when there is none.
 */
static bool pop_oldest(struct shard *shard, bool with_pages, struct entry *out)
{
	uint16_t number;

	sf_lock_acquire(&shard->lock, SF_RANK_KEEP);
	number = shard->oldest;
	while (number != NO_ENTRY && with_pages &&
	       entry_at(shard, number)->kept_len == 0)
		number = entry_at(shard, number)->newer;
	if (number != NO_ENTRY) {
		*out = *entry_at(shard, number);
		remove_locked(shard, number);
		sf_extent_begin(&out->extent);
	}
	sf_lock_release(&shard->lock, SF_RANK_KEEP);
	return number != NO_ENTRY;
}

/* Release the oldest entry with pages, from this thread's shard first. */
static bool evict_one(void)
{
	struct shard *own = own_shard();
	struct entry entry;
	bool found = pop_oldest(own, true, &entry);

	for (size_t i = 0; !found && i < NR_SHARDS; i++)
		found = pop_oldest(&shards[i], true, &entry);
	if (found)
		release_entry(&entry);
	return found;
}

/* Make the bound hold len more bytes; a large range is not worth it. */
static bool make_room(size_t len)
{
	size_t bound = sf_option(SF_OPTION_RETAIN);

	if (len > bound / RETAIN_PART)
		return bound > 0 && sf_retain_try(len);
	while (!sf_retain_try(len))
		if (!evict_one())
			return false;
	return true;
}

bool sf_keep_put_range(const struct sf_extent *extent)
{
	size_t len = sf_extent_len(extent);

	if (len > MAX_RANGE_LEN || !make_room(len))
		return false;
	if (put(extent, KIND_RANGE, len))
		return true;
	if (evict_one() && put(extent, KIND_RANGE, len))
		return true;
	sf_retain_end(len);
	return false;
}

bool sf_keep_take_range(size_t nr, unsigned flags, struct sf_extent *out)
{
	struct entry entry;

	/* Relaxed: a hint that saves looking through the shards. */
	if (sf_retain_len() == 0 || !take(nr, KIND_RANGE, flags, &entry))
		return false;
	sf_count(SF_COUNT_RETAINED_REUSED, 1);
	*out = entry.extent;
	return true;
}

/* Release all pages of a stack but its guard, and keep it. */
static bool put_without_pages(const struct sf_extent *extent)
{
	uintptr_t body = sf_extent_addr(extent) + sf_page_size;
	size_t len = sf_extent_len(extent) - sf_page_size;
	bool was_locked = false;

	if (!sf_release_pages(body, len, &was_locked))
		return false;
	sf_extent_forget_tables(extent);
	return put(extent, KIND_STACK, 0);
}

bool sf_keep_put_stack(const struct sf_extent *extent)
{
	size_t len = sf_extent_len(extent);
	bool has_pages = sf_option(SF_OPTION_RETAIN) > 0 && make_room(len);

	if (!has_pages)
		return put_without_pages(extent);
	if (put(extent, KIND_STACK, len))
		return true;
	sf_retain_end(len);
	return false;
}

/* Count a stack whose top stays. False: there are enough of them. */
static bool begin_top(size_t len)
{
	unsigned nr = 1 + atomic_fetch_add_explicit(&nr_tops, 1,
						    memory_order_relaxed);

	if (nr <= MAX_TOPS && nr * len <= sf_retain_bound() / TOP_PART &&
	    sf_retain_try(len))
		return true;
	atomic_fetch_sub_explicit(&nr_tops, 1, memory_order_relaxed);
	return false;
}

/*
 * What runs after a thread said how far it got may have gone deeper, as
 * destructors of keys do.
 */
static bool release_deep(const struct sf_extent *extent, size_t top_len)
{
	uintptr_t body = sf_extent_addr(extent) + sf_page_size;
	size_t len = sf_extent_len(extent) - sf_page_size;
	bool was_locked = false;

	return len <= top_len ||
	       sf_release_pages(body, len - top_len, &was_locked);
}

bool sf_keep_put_stack_top(const struct sf_extent *extent, size_t top_len)
{
	struct entry entry = { .extent = *extent,
			       .kind = KIND_STACK,
			       .kept_len = top_len };

	if (top_len == 0 || top_len > MAX_TOP_LEN || !is_top(&entry) ||
	    !release_deep(extent, top_len) || !begin_top(top_len))
		return put_without_pages(extent);
	/* Those of the rest may have gone with its pages. */
	sf_extent_forget_tables(extent);
	if (put(extent, KIND_STACK, top_len))
		return true;
	end_keeping(&entry);
	return false;
}

bool sf_keep_take_stack(size_t nr, struct sf_extent *out)
{
	struct entry entry;

	if (!take(nr, KIND_STACK, 0, &entry))
		return false;
	sf_count(SF_COUNT_STACKS_REUSED, 1);
	*out = entry.extent;
	return true;
}

size_t sf_keep_trim(size_t keep_len)
{
	struct entry entry;
	size_t released_len = 0;

	for (size_t i = 0; i < NR_SHARDS; i++) {
		for (;;) {
			if (keep_len > 0 && sf_retain_len() <= keep_len)
				return released_len;
			if (!pop_oldest(&shards[i], keep_len > 0, &entry))
				break;
			release_entry(&entry);
			released_len += entry.kept_len;
		}
	}
	return released_len;
}

size_t sf_keep_nr_stacks(void)
{
	size_t nr = 0;

	for (size_t i = 0; i < NR_SHARDS; i++) {
		sf_lock_acquire(&shards[i].lock, SF_RANK_KEEP);
		nr += shards[i].nr_stacks;
		sf_lock_release(&shards[i].lock, SF_RANK_KEEP);
	}
	return nr;
}

void sf_keep_lock_all(void)
{
	for (size_t i = 0; i < NR_SHARDS; i++)
		sf_lock_acquire(&shards[i].lock, SF_RANK_KEEP);
}

void sf_keep_unlock_all(void)
{
	for (size_t i = 0; i < NR_SHARDS; i++)
		sf_lock_release(&shards[i].lock, SF_RANK_KEEP);
}
