// SPDX-License-Identifier: MIT
/*
 * The table of kernel features and how each is tried. The trials use static
 * scratch memory, so that asking needs no spare mapping.
 */
#include "os/probe.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "os/maps.h"
#include "os/page.h"
#include "os/proc.h"
#include "os/sys.h"

#define MAX_PAGE_SIZE ((size_t)65536)
#define UNIT_LEN      ((size_t)2 << 20)

enum answer {
	UNKNOWN,
	YES,
	NO,
};

/*
 * The second page is for markers only: one that could not be removed again
 * must not meet the other trials, which use the third.
 */
static char scratch[3 * MAX_PAGE_SIZE] __attribute__((aligned(MAX_PAGE_SIZE)));
static _Atomic unsigned char answers[SF_FEATURE_NR];

/*
 * Whether the kernel can read at p, where there is 0: a call to sleep while
 * there is 1. (valgrind reads for itself what most others point to.)
 */
static bool kernel_reads(const char *p)
{
	return sf_sys(__NR_futex, (long)p, FUTEX_WAIT_PRIVATE, 1, 0, 0, 0) ==
	       -EAGAIN;
}

static bool probe_guard(void)
{
	const char *p = scratch + MAX_PAGE_SIZE;
	uintptr_t page = (uintptr_t)p;
	bool trapped;

	if (sf_page_mark(page, sf_page_size) != 0)
		return false;
	trapped = !kernel_reads(p);
	return sf_page_unmark(page, sf_page_size) == 0 && trapped;
}

static bool probe_dontneed_locked(void)
{
	volatile char *p = scratch + 2 * MAX_PAGE_SIZE;

	*p = 1;
	if (sf_page_discard_locked((uintptr_t)p, sf_page_size) != 0) {
		*p = 0;
		return false;
	}
	return *p == 0;
}

static bool probe_populate_write(void)
{
	uintptr_t page = (uintptr_t)(scratch + 2 * MAX_PAGE_SIZE);

	/* Not by sf_page_populate(), which has a fallback. */
	return sf_page_discard(page, sf_page_size) == 0 &&
	       sf_page_call_advise(page, sf_page_size,
				   SF_MADV_POPULATE_WRITE) == 0 &&
	       sf_page_any_resident(page, sf_page_size);
}

/* Page-table bytes that one touched, then discarded unit of memory keeps. */
static bool probe_table_reclaim(void)
{
	size_t before;
	size_t after;
	uintptr_t area;
	uintptr_t unit;
	bool reclaimed = false;

	if (sf_page_reserve(2 * UNIT_LEN, &area) != 0)
		return false;
	unit = sf_align_up(area, UNIT_LEN);
	if (sf_page_set_huge(area, 2 * UNIT_LEN, false) == 0 &&
	    sf_page_commit(unit, UNIT_LEN) == 0) {
		*(volatile char *)unit = 1;
		if (sf_maps_page_tables(&before) == 0 &&
		    sf_page_discard(unit, UNIT_LEN) == 0 &&
		    sf_maps_page_tables(&after) == 0)
			reclaimed = after < before;
	}
	sf_page_unmap(area, 2 * UNIT_LEN);
	return reclaimed;
}

static bool probe_huge(void)
{
	struct sf_proc proc;
	char *line;
	bool have;

	if (sf_proc_open(&proc, "/sys/kernel/mm/transparent_hugepage/enabled"))
		return false;
	have = sf_proc_line(&proc, &line) == 1 &&
	       strstr(line, "[never]") == NULL;
	sf_proc_close(&proc);
	return have;
}

const struct sf_feature_info sf_features[SF_FEATURE_NR] = {
	[SF_FEATURE_GUARD] = {
		.name = "guard markers",
		.since = "6.13",
		.use = "traps on released memory and guard pages, "
		       "without a mapping",
		.without = "no trap, no guard",
		.probe = probe_guard,
	},
	[SF_FEATURE_DONTNEED_LOCKED] = {
		.name = "release of locked memory",
		.since = "5.18",
		.use = "one call releases locked memory in place",
		.without = "it is unlocked first, which may need mappings",
		.probe = probe_dontneed_locked,
	},
	[SF_FEATURE_POPULATE_WRITE] = {
		.name = "populate",
		.since = "5.14",
		.use = "SUREFREE_POPULATE in one call",
		.without = "each page is touched",
		.probe = probe_populate_write,
	},
	[SF_FEATURE_TABLE_RECLAIM] = {
		.name = "page table reclaim",
		.since = "6.14",
		.use = "releasing whole 2 MiB gives their page tables back",
		.without = "page tables stay until the process ends",
		.probe = probe_table_reclaim,
	},
	[SF_FEATURE_HUGE] = {
		.name = "huge pages on request",
		.since = "2.6.38",
		.use = "SUREFREE_HUGE",
		.without = "SUREFREE_HUGE gets small pages",
		.probe = probe_huge,
	},
};

bool sf_probe_has(enum sf_feature feature)
{
	/* Relaxed: every thread that asks finds the same answer. */
	unsigned answer = atomic_load_explicit(&answers[feature],
					       memory_order_relaxed);

	if (SF_UNLIKELY(answer == UNKNOWN)) {
		answer = sf_features[feature].probe() ? YES : NO;
		atomic_store_explicit(&answers[feature], (unsigned char)answer,
				      memory_order_relaxed);
	}
	return answer == YES;
}

void sf_probe_init(void)
{
	sf_probe_has(SF_FEATURE_GUARD);
	sf_probe_has(SF_FEATURE_DONTNEED_LOCKED);
	sf_probe_has(SF_FEATURE_POPULATE_WRITE);
	sf_probe_has(SF_FEATURE_HUGE);
}
