/* SPDX-License-Identifier: MIT */
/*
 * Regions: address space reserved in one go.
 *
 *	start                                                               end
 *	| page | summaries, leaves -> | ... | data ->             | ... | page |
 *	| NONE |     read-write       |NONE |    read-write       |     NONE   |
 *	                  metadata frontier          data frontier
 *
 * Five mappings for life, six where it was cut. Both frontiers move up by
 * mprotect(), which needs no spare mapping. Data starts on a leaf boundary
 * (2 MiB), so that a leaf is what one page table covers. The reserved pages at
 * both ends and between metadata and data keep strangers from merging with us
 * and their overflows from reaching our metadata.
 *
 * Data is committed ahead of need: in a forked child at the limit a frontier
 * over memory that the parent touched can not move.
 *
 * A region for file views has no data frontier: its data stays reserved.
 *
 * Where address space is limited, regions are small and many, and take no more
 * of it than they need.
 *
 * Locks: `lock` protects the tree, the counters and nr_busy; `grow` the
 * frontiers. No system call is made under `lock`. Between two critical
 * sections of one operation nr_busy is raised; fork() waits until it is 0.
 */
#ifndef SF_VM_REGION_H
#define SF_VM_REGION_H

#include "os/lock.h"
#include "os/page.h"
#include "vm/tree.h"

enum sf_region_kind {
	SF_REGION_NORMAL,
	SF_REGION_HUGE, /* huge pages wanted */
	SF_REGION_VIEW, /* file views */
	SF_REGION_HEAP, /* malloc's blocks, see malloc/pool.h */
	SF_REGION_MAP,	/* programs' maps, see mmap/space.h */
	SF_NR_REGION_KINDS,
};

#define SF_REGION_MAPPINGS 5

/* No lock follows what is handed out. */
#define SF_NOT_PINNED SIZE_MAX

struct sf_region {
	/* Fixed at birth. */
	enum sf_region_kind kind;
	uintptr_t base;	    /* of the data */
	uintptr_t metadata; /* where summaries and leaves start */

	/* Of the reservation; and pages of data. sf_region_cut() lowers them,
	   under grow and under both locks. After it metadata lies apart. */
	_Atomic uintptr_t start;
	_Atomic uintptr_t end;
	_Atomic size_t nr_pages;

	/* Under grow, read without it as a hint. */
	struct sf_lock grow;
	size_t metadata_len; /* accessible bytes from metadata on */

	/* Under lock. */
	struct sf_lock lock;
	struct sf_tree tree;
	size_t frontier; /* pages committed, from page 0 on */
	size_t ahead;	 /* pages to keep committed beyond those in use */
	bool is_dear;	 /* what is accessible is charged, or all resident */
	size_t refused;	 /* the frontier that could not be moved ahead */
	size_t nr_used;	 /* live pages */
	uint64_t nr_maps;
	uint64_t nr_unmaps;
	uint64_t nr_released_pages;
	uint64_t nr_traps_skipped;
	uint64_t nr_locked_releases;

	/* Changed under lock; fork() sleeps on it. */
	_Atomic uint32_t nr_busy;

	/* Pages below are locked, and those handed out will be, see pin.h. */
	_Atomic size_t pinned;

	/* Where that would be without a limit. */
	_Atomic size_t pin_reached;

	/* The least end that the limit did not allow, else SIZE_MAX. */
	_Atomic size_t pin_refused;
};

/*
 * Reserve a region of at least min_pages, the larger the more were opened
 * before. 0 or -errno. Called under the state lock. Needs five spare mappings.
 */
int sf_region_open(struct sf_region *region, enum sf_region_kind kind,
		   size_t min_pages);

/*
 * Move the frontier to nr_pages or beyond. 0; -ENOSPC: the region has less;
 * -ENOMEM, -EAGAIN.
 */
int sf_region_grow(struct sf_region *region, size_t nr_pages);

/*
 * Called under lock: where the frontier should be when page `end` is in use,
 * or 0 when it is far enough. sf_region_grow_ahead() then goes there, without
 * the lock and as a best effort.
 */
size_t sf_region_low(const struct sf_region *region, size_t end);
void sf_region_grow_ahead(struct sf_region *region, size_t nr_pages);

/*
 * Take the frontier back over free pages at the region's end, so that they are
 * no longer charged. Best effort. Returns the bytes uncommitted.
 */
size_t sf_region_shrink(struct sf_region *region);

/* Keep no more ahead of need than the resource limits leave. */
void sf_region_keep_ahead_less(struct sf_region *region);

/* The pages of the first region in limited address space. */
size_t sf_region_share_pages(void);

/*
 * Give address space back: all but what is in use, what is kept ahead of it,
 * and the first nr_pages. At the limit on mappings it may all stay. Takes a
 * mapping more, as metadata lies apart then.
 */
void sf_region_cut(struct sf_region *region, size_t nr_pages);

/* Begin an operation: waits while a fork() is under way. */
void sf_region_lock(struct sf_region *region);

/* Lock again within an operation, or under a lock that fork() takes. */
void sf_region_relock(struct sf_region *region);

void sf_region_unlock(struct sf_region *region);

/* Unlock to make a system call; sf_region_unlock_idle() must follow. */
void sf_region_unlock_busy(struct sf_region *region);

/* Unlock at the end of an operation that made system calls. */
void sf_region_unlock_idle(struct sf_region *region);

static inline uintptr_t sf_region_addr(const struct sf_region *region,
				       size_t page)
{
	return region->base + (page << sf_page_shift);
}

static inline size_t sf_region_page(const struct sf_region *region,
				    uintptr_t addr)
{
	return (addr - region->base) >> sf_page_shift;
}

/* Whether a lock follows what is handed out. */
static inline bool sf_region_is_pinned(const struct sf_region *region)
{
	/* Relaxed: a hint. */
	return SF_UNLIKELY(
		atomic_load_explicit(&region->pinned, memory_order_relaxed) !=
		SF_NOT_PINNED);
}

/* The invariants, as code: fatal when one is broken. */
void sf_region_check(struct sf_region *region);

#endif
