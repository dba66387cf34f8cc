// SPDX-License-Identifier: MIT
/*
 * Setting up, and the table of regions. The first region is reserved when the
 * library is loaded, so that a process that reaches the limit before its first
 * map is served too.
 */
#include "vm/state.h"

#include <errno.h>
#include <stdlib.h>

#include "base/option.h"
#include "os/probe.h"
#include "vm/fork.h"
#include "vm/keep.h"
#include "vm/pin.h"

static struct sf_lock lock;
static struct sf_region regions[SF_MAX_REGIONS];
static _Atomic size_t nr_regions;

_Atomic unsigned char sf_state_ready;

void sf_state_lock(void)
{
	sf_lock_acquire(&lock, SF_RANK_STATE);
}

void sf_state_unlock(void)
{
	sf_lock_release(&lock, SF_RANK_STATE);
}

size_t sf_state_nr_regions(void)
{
	/* Acquire: pairs with the release in add_region(). */
	return atomic_load_explicit(&nr_regions, memory_order_acquire);
}

struct sf_region *sf_state_region(size_t i)
{
	return &regions[i];
}

struct sf_region *sf_state_find(uintptr_t addr, size_t len)
{
	size_t nr = sf_state_nr_regions();

	for (size_t i = 0; i < nr; i++) {
		struct sf_region *region = &regions[i];
		size_t offset = addr - region->base;
		size_t data_len = region->nr_pages << sf_page_shift;

		if (addr >= region->base && offset < data_len &&
		    len <= data_len - offset)
			return region;
	}
	return NULL;
}

static int add_region(enum sf_region_kind kind, size_t nr_pages)
{
	size_t nr = sf_state_nr_regions();
	int err;

	if (nr == SF_MAX_REGIONS)
		return -ENOMEM;
	err = sf_region_open(&regions[nr], kind, nr_pages);
	if (err != 0)
		return err;
	atomic_store_explicit(&nr_regions, nr + 1, memory_order_release);
	sf_pin_opened(&regions[nr]);
	return 0;
}

int sf_state_add_region(enum sf_region_kind kind, size_t nr_pages, size_t seen)
{
	int err = 0;

	sf_state_lock();
	if (sf_state_nr_regions() == seen)
		err = add_region(kind, nr_pages);
	sf_state_unlock();
	return err;
}

void sf_state_init_slow(void)
{
	const char *options;

	sf_state_lock();
	if (atomic_load_explicit(&sf_state_ready, memory_order_relaxed) == 0) {
		sf_page_init();
		options = secure_getenv("SUREFREE_OPTIONS");
		if (options != NULL)
			sf_option_parse("SUREFREE_OPTIONS", options);
		sf_probe_init();
		if (sf_option(SF_OPTION_RETAIN) > 0)
			sf_keep_prepare();
		/* Refused: the first map tries again and says why. */
		if (add_region(SF_REGION_NORMAL, SF_LEAF_PAGES) == 0)
			sf_region_grow(&regions[0], SF_LEAF_PAGES);
		atomic_store_explicit(&sf_state_ready, 1, memory_order_release);
	}
	sf_state_unlock();
}

__attribute__((constructor)) static void at_load(void)
{
	sf_state_init();
	sf_fork_init();
}
