// SPDX-License-Identifier: MIT
/*
 * mremap(). Maps of ours shrink and grow where they are, by bookkeeping. What
 * must move is copied; only altered pages, which we can't read or make again,
 * are moved by the kernel, to addresses of ours.
 */
#include <errno.h>
#include <surefree.h>
#include <sys/mman.h>

#include "mmap/alter.h"
#include "mmap/count.h"
#include "mmap/family.h"
#include "mmap/mmap.h"
#include "mmap/move.h"
#include "mmap/rescue.h"
#include "os/signals.h"
#include "os/sys.h"
#include "vm/range.h"

/* Of NORESERVE memory the kernel would make so much. */
#define MAX_LEN ((size_t)1 << 40)

#define KNOWN_FLAGS (MREMAP_MAYMOVE | MREMAP_FIXED | SF_MREMAP_DONTUNMAP)

/* Pages copied before their source is released. */
#define COPY_PAGES ((size_t)512)

/* Internal: it must be copied, which is done without the lock. */
#define MUST_COPY (-4095L)

static struct sf_extent extent_at(struct sf_region *region, uintptr_t addr,
				  size_t len)
{
	return (struct sf_extent){ region, sf_region_page(region, addr),
				   len >> sf_page_shift };
}

/*
 * Moving by copying
 */

/* Copy a few pages that are alike, and release them. */
static int move_part(const struct sf_extent *part, unsigned planes,
		     const struct sf_extent *to, struct sf_pagemap *pagemap)
{
	int err = 0;

	if ((planes & SF_LIVE) == 0)
		return 0;
	if ((planes & SF_MARKED) != 0)
		err = sf_mmap_mark(to);
	else
		sf_range_copy(sf_extent_addr(to), sf_extent_addr(part),
			      part->nr, pagemap);
	if (err == 0)
		sf_mmap_unmap_ours(part, false);
	return err;
}

static void move_all(const struct sf_extent *from, const struct sf_extent *to)
{
	struct sf_pagemap pagemap;
	struct sf_extent part;

	sf_pagemap_open(&pagemap);
	for (size_t done = 0; done < from->nr; done += part.nr) {
		struct sf_extent rest = { from->region, from->first + done,
					  sf_min(from->nr - done, COPY_PAGES) };
		struct sf_extent target = { to->region, to->first + done, 0 };
		uint64_t signals = sf_signals_block();
		unsigned planes = sf_space_marked_run(&rest, &part);

		target.nr = part.nr;
		/* A guard that is refused is lost; its pages stay readable. */
		if (move_part(&part, planes, &target, &pagemap) != 0)
			sf_mmap_unmap_ours(&part, false);
		sf_signals_restore(signals);
	}
	sf_pagemap_close(&pagemap);
}

static int mark_new(const struct sf_extent *more)
{
	uint64_t signals = sf_signals_block();
	int err = sf_mmap_mark(more);

	sf_signals_restore(signals);
	return err;
}

/* Whether all pages are marked, if any is. */
static bool is_marked(const struct sf_extent *extent)
{
	uint64_t signals = sf_signals_block();
	struct sf_extent run;
	unsigned planes = sf_space_marked_run(extent, &run);

	sf_signals_restore(signals);
	return (planes & SF_MARKED) != 0 && run.nr == extent->nr;
}

static long copy(const struct sf_remap *remap, const struct sf_extent *from)
{
	bool marked = is_marked(from);
	struct sf_extent more;
	struct sf_extent to;
	int err = sf_mmap_take(remap->len >> sf_page_shift, SF_EXTENT_ROOM,
			       &to);

	if (err != 0)
		return sf_move_away(remap, from);
	more = (struct sf_extent){ to.region, to.first + from->nr,
				   to.nr - from->nr };
	/* What is new is protected as the rest; if refused, nothing moved. */
	if (marked && mark_new(&more) != 0) {
		sf_mmap_unmap_ours(&to, false);
		return -ENOMEM;
	}
	move_all(from, &to);
	sf_mmap_count(SF_MMAP_MOVED_COPIED, 1);
	return (long)sf_extent_addr(&to);
}

/*
 * Which of these
 */

static bool all_live(const struct sf_extent *extent, unsigned *planes)
{
	struct sf_extent rest = *extent;
	struct sf_extent run;
	size_t end = rest.first + rest.nr;

	*planes = 0;
	for (; rest.nr > 0; rest.nr = end - rest.first) {
		unsigned some = sf_space_run(&rest, &run);

		if ((some & SF_LIVE) == 0)
			return false;
		*planes |= some;
		rest.first = run.first + run.nr;
	}
	return true;
}

static long shrink(const struct sf_remap *remap, struct sf_region *region)
{
	uintptr_t end = remap->addr + remap->old_len;
	uintptr_t rest = remap->addr + remap->len;
	struct sf_extent tail = extent_at(region, rest, end - rest);

	sf_mmap_unmap_ours(&tail, true);
	return (long)remap->addr;
}

/* In place, into free pages, which are protected as the rest. */
static bool grow_here(const struct sf_extent *source, size_t nr_more)
{
	struct sf_extent more = { source->region, source->first + source->nr,
				  nr_more };
	int err = 0;

	if (!sf_extent_grow(source, nr_more, 0, &err))
		return false;
	sf_mmap_count_live(sf_extent_len(&more));
	if (is_marked(source) && sf_mmap_mark(&more) != 0) {
		sf_mmap_unmap_ours(&more, true);
		return false;
	}
	return true;
}

static long grow(struct sf_remap *remap, const struct sf_extent *source,
		 unsigned planes)
{
	size_t more = (remap->len - remap->old_len) >> sf_page_shift;

	if ((planes & SF_QUIET) != 0) {
		int err = sf_mmap_protect_marked(source);

		if (err != 0)
			return err;
		/* The kernel finds out what is wrong, if anything is. */
		if ((remap->flags & MREMAP_MAYMOVE) != 0)
			return sf_move_altered(remap, source);
		return sf_move_grow_here(remap);
	}
	/* Of two protections: two mappings, as the program sees it. */
	if ((planes & SF_MARKED) != 0 && !is_marked(source))
		return -EFAULT;
	if (grow_here(source, more))
		return (long)remap->addr;
	return (remap->flags & MREMAP_MAYMOVE) != 0 ? MUST_COPY : -ENOMEM;
}

static long remap_ours(struct sf_remap *remap, struct sf_region *region)
{
	struct sf_extent source = extent_at(region, remap->addr,
					    remap->old_len);
	struct sf_extent first = { region, source.first, 1 };
	unsigned planes;
	int err = 0;

	if (!sf_space_any_live(&first))
		return -EFAULT;
	/* Only shared memory can be had twice. */
	if (remap->old_len == 0)
		return -EINVAL;
	/* The kernel would carry markers along, and leave none behind. */
	if ((remap->flags & (MREMAP_FIXED | SF_MREMAP_DONTUNMAP)) != 0)
		err = sf_mmap_protect_marked(&source);
	if (err != 0)
		return err;
	if ((remap->flags & MREMAP_FIXED) != 0)
		return sf_move_ours(remap, &source);
	if ((remap->flags & SF_MREMAP_DONTUNMAP) != 0) {
		/* The pages go to an address of the kernel's choice. */
		if (!all_live(&source, &planes))
			return -EFAULT;
		sf_space_forget_tables(&source);
		return sf_move_call_anywhere(remap);
	}
	if (remap->len > MAX_LEN)
		return -ENOMEM;
	if (remap->len < remap->old_len)
		return shrink(remap, region);
	if (!all_live(&source, &planes))
		return -EFAULT;
	if (remap->len == remap->old_len)
		return (long)remap->addr;
	return grow(remap, &source, planes);
}

/* The kernel's memory, which may move onto ours or onto what is gone. */
static long remap_kernels(const struct sf_remap *remap)
{
	uintptr_t end = remap->addr + remap->old_len;
	uintptr_t new_end = remap->addr + remap->len;
	long result;

	if (sf_rescue_overlaps(remap->addr, end) ||
	    sf_space_overlaps(remap->addr, end))
		return -EFAULT;
	if ((remap->flags & MREMAP_FIXED) != 0)
		return sf_move_kernels(remap);
	result = sf_move_call_anywhere(remap);
	/* Shrinking is unmapping, and can't be refused either. */
	if (result == -ENOMEM && new_end < end &&
	    sf_rescue_unmap(new_end, end) == 0)
		return (long)remap->addr;
	return result;
}

static bool is_sensible(const struct sf_remap *remap)
{
	if ((remap->flags & ~KNOWN_FLAGS) != 0 ||
	    !sf_space_is_range(remap->addr, sf_max(remap->old_len, 1)) ||
	    remap->len == 0 || remap->len > SF_ARCH_ADDRESS_END)
		return false;
	if ((remap->flags & (MREMAP_FIXED | SF_MREMAP_DONTUNMAP)) != 0 &&
	    (remap->flags & MREMAP_MAYMOVE) == 0)
		return false;
	if ((remap->flags & SF_MREMAP_DONTUNMAP) != 0 &&
	    remap->len != remap->old_len)
		return false;
	return (remap->flags & MREMAP_FIXED) == 0 ||
	       (sf_space_is_range(remap->to, remap->len) &&
		(remap->to >= remap->addr + remap->old_len ||
		 remap->to + remap->len <= remap->addr));
}

static bool is_of_interest(const struct sf_remap *remap)
{
	if (sf_rescue_any() ||
	    sf_space_overlaps(remap->addr, remap->addr + remap->old_len))
		return true;
	return (remap->flags & MREMAP_FIXED) != 0 &&
	       sf_space_overlaps(remap->to, remap->to + remap->len);
}

static long remap_any(struct sf_remap *remap)
{
	struct sf_region *region = sf_space_find(remap->addr, remap->old_len);
	struct sf_extent source;
	long result;

	sf_space_lock();
	sf_alter_retry();
	if (region != NULL)
		result = remap_ours(remap, region);
	else
		result = remap_kernels(remap);
	sf_space_unlock();
	if (result != MUST_COPY || region == NULL)
		return result;
	source = extent_at(region, remap->addr, remap->old_len);
	return copy(remap, &source);
}

long sf_mmap_remap(uintptr_t addr, size_t old_len, size_t len, int flags,
		   uintptr_t to)
{
	struct sf_remap args = { addr, sf_space_round(old_len),
				 sf_space_round(len), flags, to };
	long result;

	if (!sf_mmap_is_on() || !is_sensible(&args))
		return sf_page_call_remap(addr, old_len, len, flags, to);
	if (is_of_interest(&args)) {
		result = remap_any(&args);
	} else {
		result = sf_move_call(&args);
		if (!sf_page_is_error(result))
			sf_mmap_adopt((uintptr_t)result, args.len);
		else if (result == -ENOMEM && args.len < args.old_len)
			result = remap_any(&args);
	}
	return result;
}
