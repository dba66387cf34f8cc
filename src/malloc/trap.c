// SPDX-License-Identifier: MIT
/* Freed memory that nobody shall touch, see trap.h. */
#include "malloc/trap.h"

#include <stdatomic.h>

#include "os/page.h"
#include "os/pagemap.h"
#include "vm/release.h"

/* Something was not marked, and may have been written to since. */
static _Atomic bool has_skipped;

static bool mark(uintptr_t start, uintptr_t end)
{
	return sf_page_mark(start, end - start) == 0;
}

/* Mark what was touched, and all that has the same page tables. */
static bool mark_touched(const struct sf_pagemap *pagemap, uintptr_t start,
			 uintptr_t end)
{
	/* A table is a page of entries of 8 bytes. */
	size_t table_len = sf_page_size / 8 << sf_page_shift;
	struct sf_pagemap_run run;
	int found;

	while (start < end) {
		found = sf_pagemap_next(pagemap, start, end, &run);
		if (found == 0)
			return true;
		/* It can't be told. */
		if (found < 0)
			return mark(start, end);
		run.start = sf_align_down(run.start, table_len);
		run.end = sf_align_up(run.end, table_len);
		if (!mark(sf_max(run.start, start), sf_min(run.end, end)))
			return false;
		start = run.end;
	}
	return true;
}

static bool set_long(uintptr_t addr, size_t len)
{
	uintptr_t start = addr + SF_TRAP_END_LEN;
	uintptr_t end = addr + len - SF_TRAP_END_LEN;
	struct sf_pagemap pagemap;
	bool done;

	/* Relaxed: whoever gets the memory synchronizes with us by that. */
	atomic_store_explicit(&has_skipped, true, memory_order_relaxed);
	sf_pagemap_open(&pagemap);
	done = mark(addr, start) && mark(end, addr + len) &&
	       mark_touched(&pagemap, start, end);
	sf_pagemap_close(&pagemap);
	return done;
}

bool sf_trap_set(uintptr_t addr, size_t len)
{
	if (len <= 2 * SF_TRAP_END_LEN)
		return mark(addr, addr + len);
	return set_long(addr, len);
}

bool sf_trap_remove(uintptr_t addr, size_t len)
{
	bool was_locked;

	if (sf_page_unmark(addr, len) != 0)
		return false;
	return !atomic_load_explicit(&has_skipped, memory_order_relaxed) ||
	       sf_release_pages(addr, len, &was_locked);
}
