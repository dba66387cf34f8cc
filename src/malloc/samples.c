// SPDX-License-Identifier: MIT
/* Tables with open addressing, see samples.h. */
#include "malloc/samples.h"

#include <errno.h>
#include <string.h>

#include "vm/extent.h"
#include "vm/range.h"

#define INDEX_SLOTS (2 * SF_NR_SITES)

_Static_assert(SF_SAMPLE_SLOTS == (size_t)1 << (64 - 47),
	       "as sf_sample_home() has it");

/* Zeros are empty tables. */
struct tables {
	struct sf_sample samples[SF_SAMPLE_SLOTS];
	uint32_t index[INDEX_SLOTS]; /* by hash: a site's number + 1, or 0 */
	struct sf_site sites[SF_NR_SITES];
};

_Atomic(struct sf_sample *) sf_sample_slots;

static struct tables *tables;
static struct sf_extent extent;
static size_t nr_samples;
static size_t nr_sites;

int sf_samples_open(void)
{
	int err;

	if (tables != NULL)
		return 0;
	err = sf_extent_map(SF_REGION_NORMAL,
			    sf_extent_pages(sizeof(struct tables)), 1, 0,
			    &extent);
	if (err != 0)
		return err;
	tables = (struct tables *)sf_extent_addr(&extent);
	/* Release: pairs with the acquire in sf_samples_may_have(). */
	atomic_store_explicit(&sf_sample_slots, tables->samples,
			      memory_order_release);
	return 0;
}

void sf_samples_close(void)
{
	nr_samples = 0;
	nr_sites = 0;
	if (tables != NULL)
		sf_range_discard("profile", &extent);
}

size_t sf_samples_nr_sites(void)
{
	return nr_sites;
}

const struct sf_site *sf_samples_site(size_t i)
{
	return &tables->sites[i];
}

/*
 * Sites
 */

/* Eight for each doubling. */
static uint32_t size_class_of(size_t len)
{
	uint32_t shift;

	if (len < 16)
		return (uint32_t)len;
	shift = 60 - (uint32_t)__builtin_clzl(len);
	return shift * 8 + (uint32_t)(len >> shift);
}

static uint64_t hash_of(struct sf_stack stack, uint32_t size_class)
{
	uint64_t hash = size_class;

	for (uint32_t i = 0; i < stack.depth; i++) {
		hash ^= (uintptr_t)stack.frames[i];
		hash *= 0x9e3779b97f4a7c15u;
		hash ^= hash >> 29;
	}
	return hash;
}

static bool is_site(const struct sf_site *site, uint64_t hash,
		    uint32_t size_class, struct sf_stack stack)
{
	return site->hash == hash && site->size_class == size_class &&
	       site->depth == stack.depth &&
	       memcmp(site->frames, stack.frames,
		      stack.depth * sizeof(stack.frames[0])) == 0;
}

/* The site's number, or SF_NR_SITES: no room for a new one. */
static uint32_t find_site(size_t len, struct sf_stack stack)
{
	uint32_t size_class = size_class_of(len);
	uint64_t hash = hash_of(stack, size_class);
	size_t i = hash % INDEX_SLOTS;
	struct sf_site *site;

	for (; tables->index[i] != 0; i = (i + 1) % INDEX_SLOTS)
		if (is_site(&tables->sites[tables->index[i] - 1], hash,
			    size_class, stack))
			return tables->index[i] - 1;
	if (nr_sites == SF_NR_SITES)
		return (uint32_t)SF_NR_SITES;
	site = &tables->sites[nr_sites];
	site->hash = hash;
	site->size_class = size_class;
	site->depth = stack.depth;
	memcpy(site->frames, stack.frames,
	       stack.depth * sizeof(stack.frames[0]));
	tables->index[i] = (uint32_t)++nr_sites;
	return (uint32_t)nr_sites - 1;
}

/*
 * Samples
 */

static uintptr_t addr_at(size_t slot)
{
	return atomic_load_explicit(&tables->samples[slot].addr,
				    memory_order_relaxed);
}

static void set_addr(size_t slot, uintptr_t addr)
{
	atomic_store_explicit(&tables->samples[slot].addr, addr,
			      memory_order_relaxed);
}

/* The slot of addr, or the empty one where its search ends. */
static size_t find_slot(uintptr_t addr)
{
	size_t slot = sf_sample_home(addr);

	while (addr_at(slot) != 0 && addr_at(slot) != addr)
		slot = (slot + 1) % SF_SAMPLE_SLOTS;
	return slot;
}

bool sf_samples_add(uintptr_t addr, size_t len, struct sf_stack stack)
{
	struct sf_site *site;
	uint32_t number;
	size_t slot;

	/* A block whose free() was not seen, in a forked child. */
	sf_samples_remove(addr);
	number = find_site(len, stack);
	if (number == SF_NR_SITES || nr_samples == SF_NR_SAMPLES)
		return false;
	slot = find_slot(addr);
	tables->samples[slot].len = len;
	tables->samples[slot].site = number;
	set_addr(slot, addr);
	nr_samples++;
	site = &tables->sites[number];
	site->nr_used++;
	site->used_len += len;
	site->nr_all++;
	site->all_len += len;
	return true;
}

/*
 * Close the hole: what follows moves up where its search would not find it
 * otherwise. A slot is overwritten, and only the last one emptied, so that
 * where another block's search begins there is never a 0 meanwhile.
 */
static void close_hole(size_t hole)
{
	size_t slot = (hole + 1) % SF_SAMPLE_SLOTS;

	for (; addr_at(slot) != 0; slot = (slot + 1) % SF_SAMPLE_SLOTS) {
		size_t home = sf_sample_home(addr_at(slot));

		if ((slot - home) % SF_SAMPLE_SLOTS <
		    (slot - hole) % SF_SAMPLE_SLOTS)
			continue;
		tables->samples[hole].len = tables->samples[slot].len;
		tables->samples[hole].site = tables->samples[slot].site;
		set_addr(hole, addr_at(slot));
		hole = slot;
	}
	set_addr(hole, 0);
}

void sf_samples_remove(uintptr_t addr)
{
	size_t slot = find_slot(addr);
	struct sf_site *site;

	if (addr_at(slot) == 0)
		return;
	site = &tables->sites[tables->samples[slot].site];
	site->nr_used--;
	site->used_len -= tables->samples[slot].len;
	close_hole(slot);
	nr_samples--;
}
