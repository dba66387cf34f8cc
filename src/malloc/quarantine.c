// SPDX-License-Identifier: MIT
/*
 * The quarantine, see quarantine.h: a ring in the order of freeing, and a table
 * of its entries by address, with open addressing.
 *
 *	table    0: free; else the number of an entry of the ring, plus 1
 */
#include "malloc/quarantine.h"

#include "malloc/array.h"
#include "os/lock.h"
#include "os/page.h"
#include "vm/retain.h"

#define NR_ENTRIES ((size_t)1 << 16)
#define NR_SLOTS   (2 * NR_ENTRIES)

/* The share of what may be retained. */
#define SHARE 4

static struct sf_lock lock; /* protects all */
static struct sf_array memory;
static struct sf_quarantined *ring;
static uint32_t *table;
static size_t first; /* the oldest */
static size_t nr;
static size_t total_len;

void sf_quarantine_lock(void)
{
	sf_lock_acquire(&lock, SF_RANK_MODE);
}

void sf_quarantine_unlock(void)
{
	sf_lock_release(&lock, SF_RANK_MODE);
}

int sf_quarantine_init(void)
{
	size_t ring_len = NR_ENTRIES * sizeof(*ring);
	size_t len = sf_align_up(ring_len + NR_SLOTS * sizeof(*table),
				 sf_page_size);
	int err = sf_array_open(&memory, len);

	if (err != 0)
		return err;
	if (!sf_array_grow(&memory, len)) {
		sf_array_close(&memory);
		return -1;
	}
	ring = (struct sf_quarantined *)memory.base;
	table = (uint32_t *)(memory.base + ring_len);
	return 0;
}

/*
 * The table
 */

static size_t slot_of(uintptr_t addr)
{
	return (size_t)((addr >> 4) * 0x9e3779b97f4a7c15 >> 32) % NR_SLOTS;
}

/* The slot of an address, or the free one where it belongs. */
static size_t find(uintptr_t addr)
{
	size_t slot = slot_of(addr);

	while (table[slot] != 0 && ring[table[slot] - 1].addr != addr)
		slot = (slot + 1) % NR_SLOTS;
	return slot;
}

/* Empty a slot, and move up what was displaced by it. */
static void empty(size_t slot)
{
	size_t next = slot;

	table[slot] = 0;
	while (table[next = (next + 1) % NR_SLOTS] != 0) {
		size_t home = slot_of(ring[table[next] - 1].addr);

		/* Whether home is not in (slot, next], going around. */
		if ((next - home) % NR_SLOTS >= (next - slot) % NR_SLOTS) {
			table[slot] = table[next];
			table[next] = 0;
			slot = next;
		}
	}
}

/*
 * The ring
 */

static void pop_locked(struct sf_quarantined *old)
{
	*old = ring[first];
	empty(find(old->addr));
	first = (first + 1) % NR_ENTRIES;
	nr--;
	total_len -= old->len;
	sf_retain_end(old->len);
}

static void push_locked(const struct sf_quarantined *block, size_t slot)
{
	size_t entry = (first + nr) % NR_ENTRIES;

	ring[entry] = *block;
	table[slot] = (uint32_t)entry + 1;
	nr++;
	total_len += block->len;
}

static enum sf_quarantine_result put_locked(const struct sf_quarantined *block,
					    struct sf_quarantined *old)
{
	size_t slot = find(block->addr);
	size_t bound = sf_retain_bound() / SHARE;

	if (table[slot] != 0)
		return SF_QUARANTINE_TWICE;
	if (nr < NR_ENTRIES && total_len + block->len <= bound &&
	    sf_retain_try(block->len)) {
		push_locked(block, slot);
		return SF_QUARANTINE_DONE;
	}
	if (nr == 0 || block->len > bound)
		return SF_QUARANTINE_NEVER;
	pop_locked(old);
	return SF_QUARANTINE_FULL;
}

enum sf_quarantine_result sf_quarantine_put(const struct sf_quarantined *block,
					    struct sf_quarantined *old)
{
	enum sf_quarantine_result result;

	sf_quarantine_lock();
	result = put_locked(block, old);
	sf_quarantine_unlock();
	return result;
}

bool sf_quarantine_pop(struct sf_quarantined *old)
{
	bool any;

	sf_quarantine_lock();
	any = nr > 0;
	if (any)
		pop_locked(old);
	sf_quarantine_unlock();
	return any;
}

bool sf_quarantine_has(uintptr_t addr)
{
	bool has;

	sf_quarantine_lock();
	has = table[find(addr)] != 0;
	sf_quarantine_unlock();
	return has;
}
