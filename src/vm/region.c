// SPDX-License-Identifier: MIT
/* Reserving regions and moving their frontiers, see region.h. */
#include "vm/region.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/option.h"
#include "os/limit.h"
#include "vm/account.h"
#include "vm/fork.h"
#include "vm/pin.h"
#include "vm/reserve.h"

/* Small steps where committed memory is charged or populated at once. */
#define STRICT_AHEAD_LEN ((size_t)1 << 20)

/* A summary holds lengths of less than 2^32 pages. */
#define MAX_LEAVES ((size_t)1 << 22)

#define MAX_DOUBLINGS ((size_t)16)
#define DEFAULT_LEN   ((size_t)1 << 40)

/* The first region takes this share of a limited address space, at most, and
   has at most this share of it committed ahead. */
#define ADDRESS_SPACE_SHARE 16
#define AHEAD_SHARE	    64

/* Headers and marks are less than this part of a region for blocks. */
#define HEADERS_SHARE 32

/* Regions ever opened, of each kind. Under the state lock. */
static size_t nr_opened[SF_NR_REGION_KINDS];

static size_t leaf_len(void)
{
	return SF_LEAF_PAGES << sf_page_shift;
}

static size_t power_of_two_up(size_t x)
{
	return x <= 1 ? 1 : (size_t)1 << (64 - __builtin_clzl(x - 1));
}

/* The tree has as many leaves as the next power of two. */
static size_t summary_len(size_t nr_leaf)
{
	return sf_align_up(sf_tree_summary_len(power_of_two_up(nr_leaf)),
			   sizeof(struct sf_leaf));
}

static size_t metadata_max_len(size_t nr_leaf)
{
	return sf_align_up(summary_len(nr_leaf) +
				   nr_leaf * sizeof(struct sf_leaf),
			   sf_page_size);
}

/* Address space for a region of nr_leaf: see the picture in region.h. */
static size_t reservation_len(size_t nr_leaf)
{
	return 3 * sf_page_size + metadata_max_len(nr_leaf) + leaf_len() +
	       nr_leaf * leaf_len();
}

static bool is_limited(void)
{
	return sf_limit_address_space() != SIZE_MAX;
}

size_t sf_region_share_pages(void)
{
	return sf_limit_address_space() / ADDRESS_SPACE_SHARE >> sf_page_shift;
}

/*
 * How many leaves to ask for first: at least min_leaf, and twice as many for
 * each region of the kind before, so that a small first one is no trap.
 */
static size_t wanted_leaves(enum sf_region_kind kind, size_t min_leaf)
{
	size_t want_len = sf_max(sf_option(SF_OPTION_REGION), leaf_len());
	unsigned doublings = (unsigned)sf_min(nr_opened[kind], MAX_DOUBLINGS);

	if (is_limited())
		want_len = sf_min(want_len, sf_region_share_pages()
						    << sf_page_shift);
	if (want_len < DEFAULT_LEN >> doublings)
		want_len <<= doublings;
	/* All that is committed counts: more could never be used. */
	want_len = sf_min(want_len, sf_limit_data());
	return sf_max(sf_min(power_of_two_up(want_len / leaf_len() / 2 + 1),
			     MAX_LEAVES),
		      min_leaf);
}

/* Give back what alignment did not need: metadata ends where data begins. */
static void cut_slack(struct sf_region *region)
{
	size_t nr_leaf = region->nr_pages / SF_LEAF_PAGES;
	uintptr_t start = region->start;
	uintptr_t end = region->end;
	uintptr_t data_end = sf_region_addr(region, region->nr_pages);

	region->metadata = region->base - sf_page_size -
			   metadata_max_len(nr_leaf);
	region->start = region->metadata - sf_page_size;
	sf_reserve_cut_start(start, end, region->start);
	if (sf_reserve_cut_end(region->start, end, data_end + sf_page_size))
		region->end = data_end + sf_page_size;
}

static void set_up(struct sf_region *region, enum sf_region_kind kind,
		   uintptr_t start, size_t nr_leaf, size_t beside)
{
	*region = (struct sf_region){
		.kind = kind,
		.start = start,
		.end = start + reservation_len(nr_leaf) + beside,
		.metadata = start + sf_page_size,
		.nr_pages = nr_leaf * SF_LEAF_PAGES,
		.pinned = SF_NOT_PINNED,
	};
	region->base = sf_align_up(region->metadata +
					   metadata_max_len(nr_leaf) +
					   sf_page_size,
				   leaf_len());
	/* What alignment did not need stays at the end. */
	if (is_limited())
		cut_slack(region);
}

/* Flags are set once, on the whole: on pieces the kernel may refuse. */
static int set_attributes(struct sf_region *region)
{
	uintptr_t end = region->end;

	if (region->kind == SF_REGION_VIEW) {
		/*
		 * Views come and go by mmap(), and what that gives must merge
		 * with the rest. Only the ends differ from strangers' memory.
		 */
		sf_page_set_huge(region->start, sf_page_size, false);
		sf_page_set_huge(end - sf_page_size, sf_page_size, false);
		return 0;
	}
	/* Kernels without transparent huge pages do not know the advice. */
	sf_page_set_huge(region->start, end - region->start, false);
	if (region->kind != SF_REGION_HUGE)
		return 0;
	return sf_page_set_huge(region->base, end - region->base, true);
}

/* Make the summaries accessible; the leaves follow in sf_region_grow(). */
static int open_metadata(struct sf_region *region)
{
	size_t nr_leaf = region->nr_pages / SF_LEAF_PAGES;
	size_t len = sf_align_up(sf_max(summary_len(nr_leaf), 1), sf_page_size);
	int err = sf_page_commit(region->metadata, len);

	if (err != 0)
		return err;
	region->metadata_len = len;
	sf_tree_init(&region->tree, power_of_two_up(nr_leaf),
		     (void *)region->metadata,
		     (struct sf_leaf *)(region->metadata +
					summary_len(nr_leaf)),
		     region->base, sf_page_shift);
	len = sf_align_up(sf_max(sf_tree_upper_len(&region->tree), 1),
			  sf_page_size);
	return sf_page_populate(region->metadata, len);
}

/*
 * Where address space is limited there must be enough left for what describes
 * the blocks, or a region for them is of no use: see malloc/headers.h.
 */
static size_t left_beside(enum sf_region_kind kind, size_t len)
{
	return kind == SF_REGION_HEAP && is_limited() ?
		       sf_align_up(len / HEADERS_SHARE, sf_page_size) :
		       0;
}

static int open_with(struct sf_region *region, enum sf_region_kind kind,
		     size_t nr_leaf)
{
	size_t len = reservation_len(nr_leaf);
	size_t beside = left_beside(kind, len);
	uintptr_t start;
	int err = sf_reserve(len + beside, &start);

	if (err != 0)
		return err;
	set_up(region, kind, start, nr_leaf, beside);
	err = set_attributes(region);
	if (err == 0)
		err = open_metadata(region);
	/* More than one mapping: never refused. */
	if (err != 0)
		sf_unreserve(region->start, region->end - region->start);
	return err;
}

int sf_region_open(struct sf_region *region, enum sf_region_kind kind,
		   size_t min_pages)
{
	size_t min_leaf = (min_pages + SF_LEAF_PAGES - 1) / SF_LEAF_PAGES;
	size_t want = wanted_leaves(kind, power_of_two_up(min_leaf));
	size_t nr_leaf = want;
	int err;

	if (min_leaf > MAX_LEAVES)
		return -ENOMEM;
	while ((err = open_with(region, kind, nr_leaf)) != 0 &&
	       nr_leaf > min_leaf)
		nr_leaf = sf_max(nr_leaf / 2, min_leaf);
	if (err != 0) {
		sf_count(SF_COUNT_REGIONS_REFUSED, 1);
		return err;
	}
	if (nr_leaf < want)
		sf_count(SF_COUNT_REGIONS_REDUCED, 1);
	nr_opened[kind]++;
	return 0;
}

/*
 * Frontiers
 */

/* Reserved memory is locked: committing it makes it resident at once. */
static bool is_locked(const struct sf_region *region, size_t frontier)
{
	return frontier < region->nr_pages &&
	       sf_page_discard(sf_region_addr(region, frontier),
			       sf_page_size) == -EINVAL;
}

/* How much to keep committed ahead of need, and whether that is limited. */
static size_t ahead_pages(bool *is_dear)
{
	bool is_charged = sf_limit_data() != SIZE_MAX ||
			  sf_limit_overcommit_strict();
	size_t space = sf_limit_address_space();
	size_t len = sf_option(SF_OPTION_AHEAD);

	*is_dear = is_charged || space != SIZE_MAX;
	if (is_charged)
		len = sf_min(len, STRICT_AHEAD_LEN);
	return sf_min(len, sf_align_down(space / AHEAD_SHARE, sf_page_size)) >>
	       sf_page_shift;
}

/* Make the leaves of the first nr_pages accessible. */
static int grow_metadata(struct sf_region *region, size_t nr_pages)
{
	size_t nr_leaf = (nr_pages + SF_LEAF_PAGES - 1) / SF_LEAF_PAGES;
	size_t len = sf_align_up((uintptr_t)(region->tree.leaf + nr_leaf) -
					 region->metadata,
				 sf_page_size);
	int err;

	if (len <= region->metadata_len)
		return 0;
	err = sf_page_commit(region->metadata + region->metadata_len,
			     len - region->metadata_len);
	if (err == 0)
		region->metadata_len = len;
	return err;
}

static int grow_to(struct sf_region *region, size_t frontier, size_t nr_pages)
{
	int err = grow_metadata(region, nr_pages);

	if (err != 0 || region->kind == SF_REGION_VIEW)
		return err;
	return sf_page_commit(sf_region_addr(region, frontier),
			      (nr_pages - frontier) << sf_page_shift);
}

static void set_frontier(struct sf_region *region, size_t nr_pages,
			 size_t ahead, bool is_dear)
{
	size_t nr_leaf = (nr_pages + SF_LEAF_PAGES - 1) / SF_LEAF_PAGES;

	sf_region_relock(region);
	region->frontier = nr_pages;
	region->ahead = ahead;
	region->is_dear = is_dear;
	region->tree.nr_ready = sf_max(region->tree.nr_ready, nr_leaf);
	sf_region_unlock(region);
}

static size_t get_frontier(struct sf_region *region)
{
	size_t frontier;

	sf_region_relock(region);
	frontier = region->frontier;
	sf_region_unlock(region);
	return frontier;
}

int sf_region_grow(struct sf_region *region, size_t nr_pages)
{
	size_t frontier;
	size_t target;
	size_t ahead;
	bool is_dear;
	int err = 0;

	sf_lock_acquire(&region->grow, SF_RANK_GROW);
	frontier = get_frontier(region);
	if (nr_pages > region->nr_pages)
		err = -ENOSPC;
	if (err == 0 && frontier < nr_pages) {
		ahead = ahead_pages(&is_dear);
		/* All would be populated. */
		if (is_locked(region, frontier)) {
			ahead = 0;
			is_dear = true;
		}
		target = sf_min(nr_pages + ahead, region->nr_pages);
		err = grow_to(region, frontier, target);
		if (err != 0 && target > nr_pages) {
			target = nr_pages;
			err = grow_to(region, frontier, target);
		}
		if (err == 0)
			set_frontier(region, target, ahead, is_dear);
	}
	sf_lock_release(&region->grow, SF_RANK_GROW);
	return err;
}

size_t sf_region_low(const struct sf_region *region, size_t end)
{
	if (region->frontier - end >= region->ahead ||
	    region->frontier == region->nr_pages ||
	    region->frontier == region->refused)
		return 0;
	return sf_min(end + region->ahead, region->nr_pages);
}

void sf_region_grow_ahead(struct sf_region *region, size_t nr_pages)
{
	if (sf_region_grow(region, nr_pages) == 0)
		return;
	/* Not again until something changes: this costs two system calls. */
	sf_region_relock(region);
	region->refused = region->frontier;
	sf_region_unlock(region);
}

/*
 * Take the free pages at the frontier out of the tree, but for those to keep
 * ahead of need; returns the first. A frontier at 0 could not move up again
 * without a spare mapping.
 */
static size_t take_free_end(struct sf_region *region)
{
	size_t end = region->frontier;
	size_t first = end;

	while (first > 0) {
		size_t leaf = sf_align_down(first - 1, SF_LEAF_PAGES);

		if (sf_tree_any(&region->tree, leaf, first - leaf,
				SF_TAKEN | SF_QUIET))
			break;
		first = leaf;
	}
	first = sf_min(end, first + sf_max(region->ahead, SF_LEAF_PAGES));
	if (first < end)
		sf_tree_take_bare(&region->tree, first, end - first);
	return first;
}

/* Uncommit pages that are out of the tree; new ones get the old flags. */
static int uncommit(struct sf_region *region, size_t first, size_t nr)
{
	uintptr_t addr = sf_region_addr(region, first);
	size_t len = nr << sf_page_shift;
	int err = sf_page_uncommit(addr, len);

	if (err == 0)
		sf_page_set_huge(addr, len, region->kind == SF_REGION_HUGE);
	return err;
}

size_t sf_region_shrink(struct sf_region *region)
{
	size_t first;
	size_t nr;
	int err = -ENOENT;

	/* While new maps are locked, what is put there would be apart. */
	if (region->kind == SF_REGION_VIEW || sf_pin_is_on())
		return 0;
	sf_lock_acquire(&region->grow, SF_RANK_GROW);
	sf_region_relock(region);
	first = take_free_end(region);
	nr = region->frontier - first;
	sf_region_unlock(region);

	if (nr > 0)
		err = uncommit(region, first, nr);

	sf_region_relock(region);
	if (err == 0) {
		region->frontier = first;
		sf_tree_forget_all_tables(&region->tree, first, nr);
	} else if (nr > 0 && region->kind != SF_REGION_HEAP) {
		/* Perhaps; but none of malloc's free pages ever are. */
		sf_tree_set(&region->tree, first, nr, SF_MARKED);
	}
	if (nr > 0)
		sf_tree_give(&region->tree, first, nr);
	sf_region_unlock(region);
	sf_lock_release(&region->grow, SF_RANK_GROW);
	return err == 0 ? nr << sf_page_shift : 0;
}

void sf_region_keep_ahead_less(struct sf_region *region)
{
	bool is_dear;
	size_t ahead = ahead_pages(&is_dear);

	sf_region_lock(region);
	region->ahead = sf_min(region->ahead, ahead);
	region->is_dear |= is_dear;
	sf_region_unlock(region);
}

/*
 * Move the frontier back over free pages at its end, but not below nr_pages.
 * What is beyond stays taken in the tree. Returns how many that are.
 */
static size_t lower_frontier(struct sf_region *region, size_t nr_pages)
{
	size_t end = region->frontier;
	size_t first;
	size_t stop;

	/* As in sf_region_shrink(). */
	if (region->kind == SF_REGION_VIEW || sf_pin_is_on() || nr_pages >= end)
		return 0;
	first = take_free_end(region);
	stop = sf_align_up(sf_max(first, nr_pages), SF_LEAF_PAGES);
	stop = sf_min(stop, end);
	if (first < stop)
		sf_tree_give(&region->tree, first, stop - first);
	if (stop < end)
		sf_tree_forget_all_tables(&region->tree, stop, end - stop);
	region->frontier = stop;
	return end - stop;
}

/* Have the reservation end a page behind the data, as it did. */
static bool cut_data(struct sf_region *region, size_t nr_pages)
{
	uintptr_t data_end = sf_region_addr(region, nr_pages);
	uintptr_t end = region->end;

	/* First: what others map there is theirs. */
	region->end = data_end + sf_page_size;
	if (!sf_reserve_cut_end(region->start, end, region->end)) {
		region->end = end;
		return false;
	}
	/* Best effort: it may take a mapping. */
	sf_page_call_protect(data_end, sf_page_size, PROT_NONE, -1);
	if (region->kind == SF_REGION_VIEW)
		sf_page_set_huge(data_end, sf_page_size, false);
	return true;
}

/* Give back the place of leaves that the region has no pages for. From then on
 * the metadata stands apart. */
static void cut_metadata(struct sf_region *region)
{
	size_t nr_leaf = region->nr_pages / SF_LEAF_PAGES;
	uintptr_t leaf_end = (uintptr_t)(region->tree.leaf + nr_leaf);
	uintptr_t stop = sf_max(sf_align_up(leaf_end, sf_page_size),
				region->metadata + region->metadata_len) +
			 sf_page_size;
	uintptr_t resume = region->base - sf_page_size;
	uintptr_t start = region->start;

	if (start == resume || stop >= resume)
		return;
	/* First, as above. */
	region->start = resume;
	if (!sf_reserve_split(start, region->end, stop, resume))
		region->start = start;
}

void sf_region_cut(struct sf_region *region, size_t nr_pages)
{
	size_t old_nr;
	size_t frontier;
	size_t nr_lost;
	bool done;

	sf_lock_acquire(&region->grow, SF_RANK_GROW);
	sf_region_relock(region);
	nr_lost = lower_frontier(region, nr_pages);
	frontier = region->frontier;
	nr_pages = sf_align_up(sf_max(sf_max(nr_pages, frontier), 1),
			       SF_LEAF_PAGES);
	old_nr = region->nr_pages;
	if (nr_pages < old_nr)
		region->nr_pages = nr_pages;
	sf_region_unlock(region);

	done = nr_pages < old_nr && cut_data(region, nr_pages);
	if (done) {
		cut_metadata(region);
	} else {
		sf_region_relock(region);
		region->nr_pages = old_nr;
		region->frontier += nr_lost;
		if (nr_lost > 0)
			sf_tree_give(&region->tree, frontier, nr_lost);
		sf_region_unlock(region);
	}
	sf_lock_release(&region->grow, SF_RANK_GROW);
}

void sf_region_lock(struct sf_region *region)
{
	sf_lock_acquire(&region->lock, SF_RANK_REGION);
	while (SF_UNLIKELY(sf_fork_frozen()) && !sf_lock_owns_all()) {
		sf_lock_release(&region->lock, SF_RANK_REGION);
		sf_fork_wait();
		sf_lock_acquire(&region->lock, SF_RANK_REGION);
	}
}

void sf_region_relock(struct sf_region *region)
{
	sf_lock_acquire(&region->lock, SF_RANK_REGION);
}

void sf_region_unlock(struct sf_region *region)
{
	sf_lock_release(&region->lock, SF_RANK_REGION);
}

void sf_region_unlock_busy(struct sf_region *region)
{
	sf_lock_enter();
	/* Relaxed: changed under lock only; fork() reads it under lock. */
	atomic_fetch_add_explicit(&region->nr_busy, 1, memory_order_relaxed);
	sf_lock_release(&region->lock, SF_RANK_REGION);
}

void sf_region_unlock_idle(struct sf_region *region)
{
	bool last = atomic_fetch_sub_explicit(&region->nr_busy, 1,
					      memory_order_relaxed) == 1;
	bool wake = last && sf_fork_frozen();

	sf_lock_release(&region->lock, SF_RANK_REGION);
	if (SF_UNLIKELY(wake))
		sf_lock_wake_all(&region->nr_busy);
	sf_lock_leave();
}

void sf_region_check(struct sf_region *region)
{
	size_t nr_used = 0;
	size_t page = 0;

	sf_region_lock(region);
	sf_tree_check(&region->tree);
	while ((page = sf_tree_next(&region->tree, page, region->nr_pages,
				    SF_LIVE, true)) < region->nr_pages) {
		nr_used++;
		page++;
	}
	if (nr_used != region->nr_used)
		sf_fatal("bug: region %p counts %zu used pages, has %zu",
			 (void *)region->base, region->nr_used, nr_used);
	sf_region_unlock(region);
}
