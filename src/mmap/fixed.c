// SPDX-License-Identifier: MIT
/* mmap() with MAP_FIXED and MAP_FIXED_NOREPLACE. */
#include <errno.h>
#include <sys/mman.h>
#include <time.h>

#include "mmap/alter.h"
#include "mmap/count.h"
#include "mmap/family.h"
#include "mmap/ranges.h"
#include "mmap/rescue.h"
#include "os/probe.h"
#include "os/sys.h"

/*
 * How often to wait for another thread that is releasing these very pages: in
 * our sleep after the first yields, as it may not run before us. Some 2 s, and
 * few times while nobody releases anything: pages that are stuck stay so.
 */
#define MAX_WAITS  2000
#define MAX_IDLE   100
#define NR_YIELDS  100
#define NS_A_SLEEP 1000000

/* Flags of a map that is fresh memory and nothing else. */
#define FRESH_FLAGS                                                         \
	(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | SF_MAP_FIXED_NOREPLACE | \
	 MAP_NORESERVE | MAP_STACK | MAP_POPULATE | MAP_NONBLOCK)

struct request {
	uintptr_t addr;
	uintptr_t end;
	size_t len; /* as it was asked for */
	int prot;
	int flags;
	int fd;
	off_t off;
};

/*
 * Claiming
 */

static void wait_for_others(int nr_waits)
{
	struct timespec sleep = { 0, NS_A_SLEEP };

	if (nr_waits < NR_YIELDS)
		sf_sys(__NR_sched_yield, 0, 0, 0, 0, 0, 0);
	else
		sf_sys(__NR_nanosleep, (long)&sleep, 0, 0, 0, 0, 0);
}

/* Whether any thread is releasing pages of this region. */
static bool is_busy(struct sf_region *region)
{
	/* Relaxed: a hint. */
	return atomic_load_explicit(&region->nr_busy, memory_order_relaxed) > 0;
}

/* What the call under way has taken. */
static struct sf_ranges taken;

static void forget_taken(void)
{
	sf_ranges_cut(&taken, 0, UINTPTR_MAX);
}

static int note_taken(const struct sf_extent *extent)
{
	uintptr_t addr = sf_extent_addr(extent);

	if (sf_ranges_add(&taken, addr, addr + sf_extent_len(extent)))
		return 0;
	sf_mmap_unmap_ours(extent, true);
	return -ENOMEM;
}

/* What is set aside can be used for this: it is replaced, or undone again. */
static int take_aside(uintptr_t addr, uintptr_t end)
{
	struct sf_extent part;
	int err = 0;

	while (err == 0 && sf_alter_reclaim(addr, end, &part)) {
		sf_mmap_count_live(sf_extent_len(&part));
		err = note_taken(&part);
	}
	return err;
}

/* Take pages that are not live. -EEXIST: they are not all free. */
static int take_free(const struct sf_extent *run)
{
	int err = sf_extent_map_at(run);

	if (err != 0)
		return err;
	sf_mmap_count_live(sf_extent_len(run));
	return note_taken(run);
}

/*
 * Take what is free of an extent, and note all of it as altered in this way.
 * Another thread may still be releasing some, or map some meanwhile.
 */
static int claim_extent(const struct sf_extent *extent, unsigned kinds)
{
	struct sf_extent rest = *extent;
	struct sf_extent run;
	size_t end = rest.first + rest.nr;
	int nr_waits = 0;
	int nr_idle = 0;

	for (; rest.nr > 0; rest.nr = end - rest.first) {
		bool busy = is_busy(extent->region);
		bool live = sf_space_live_run(&rest, &run);
		int err = live ? 0 : take_free(&run);

		if (err == -EEXIST && nr_waits < MAX_WAITS &&
		    nr_idle < MAX_IDLE) {
			nr_idle += !busy && nr_waits >= NR_YIELDS;
			wait_for_others(nr_waits++);
			continue;
		}
		if (err != 0)
			return err == -EEXIST ? -ENOMEM : err;
		rest.first = run.first + run.nr;
	}
	if (kinds != 0)
		sf_alter_note(extent, kinds);
	return 0;
}

/* What surefree has there itself can't be replaced; blocks can. */
static bool is_forbidden(const struct sf_piece *piece)
{
	const struct sf_region *region = piece->region;

	return piece->kind == SF_PIECE_OTHER &&
	       (region->kind == SF_REGION_MAP || piece->start < region->base ||
		piece->end >
			region->base + (region->nr_pages << sf_page_shift));
}

int sf_mmap_claim(uintptr_t addr, uintptr_t end)
{
	struct sf_piece piece;
	int err;

	forget_taken();
	err = take_aside(addr, end);
	for (; err == 0 && addr < end; addr = piece.end) {
		struct sf_extent extent;

		piece = sf_piece_at(addr, end);
		if (is_forbidden(&piece))
			err = -ENOMEM;
		if (piece.kind != SF_PIECE_OURS)
			continue;
		extent = sf_piece_extent(&piece);
		err = claim_extent(&extent, SF_ALTER_REPLACED);
	}
	if (err != 0)
		sf_mmap_unclaim();
	return err;
}

void sf_mmap_unclaim(void)
{
	struct sf_range range;

	while (sf_ranges_next(&taken, &range)) {
		struct sf_piece piece = sf_piece_at(range.start, range.end);
		struct sf_extent extent = sf_piece_extent(&piece);

		sf_ranges_cut(&taken, range.start, range.end);
		sf_mmap_unmap_ours(&extent, true);
	}
}

void sf_mmap_replaced(uintptr_t addr, uintptr_t end)
{
	struct sf_piece piece;

	sf_rescue_forget(addr, end);
	for (; addr < end; addr = piece.end) {
		struct sf_extent extent;

		piece = sf_piece_at(addr, end);
		if (piece.kind != SF_PIECE_OURS)
			continue;
		extent = sf_piece_extent(&piece);
		sf_space_clear(&extent, SF_MARKED);
		sf_space_forget_tables(&extent);
	}
}

/*
 * What needs no mapping
 */

/* Whether all pages are live, and none is altered. */
static bool is_plain(const struct sf_extent *extent)
{
	struct sf_extent run;
	unsigned planes = sf_space_run(extent, &run);

	return run.nr == extent->nr && (planes & SF_LIVE) != 0 &&
	       (planes & SF_QUIET) == 0;
}

/* Fresh memory in the place of pages that nobody altered: never refused. */
static int discard(const struct sf_extent *extent)
{
	bool was_locked;

	sf_space_forget_tables(extent);
	if (sf_probe_has(SF_FEATURE_GUARD) && sf_mmap_unmark(extent) != 0)
		return -ENOMEM;
	return sf_release_pages(sf_extent_addr(extent), sf_extent_len(extent),
				&was_locked) ?
		       0 :
		       -ENOMEM;
}

/* In the place of anything, as the kernel does it: all, or nothing changes. */
static int renew(const struct sf_extent *extent)
{
	uintptr_t addr = sf_extent_addr(extent);
	size_t len = sf_extent_len(extent);
	int err = sf_page_renew(addr, len);

	if (err != 0)
		return err;
	sf_page_set_huge(addr, len, false);
	sf_space_clear(extent, SF_QUIET | SF_MARKED);
	sf_space_forget_tables(extent);
	return 0;
}

static long map_fresh(const struct request *request,
		      const struct sf_extent *extent)
{
	int err;

	forget_taken();
	err = take_aside(request->addr, request->end);
	if (err == 0)
		err = claim_extent(extent, 0);
	if (err == 0)
		err = is_plain(extent) ? discard(extent) : renew(extent);
	if (err != 0) {
		sf_mmap_unclaim();
		return err;
	}
	/* Where populate() can't. */
	if ((request->flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE)
		(void)sf_page_populate(request->addr, sf_extent_len(extent));
	return (long)request->addr;
}

/*
 * By the kernel
 */

static long call(const struct request *request)
{
	sf_mmap_count(SF_MMAP_PASSED, 1);
	return sf_page_call_map(request->addr, request->len, request->prot,
				request->flags, request->fd, request->off);
}

static long replace(const struct request *request)
{
	long result = sf_mmap_claim(request->addr, request->end);

	if (result != 0)
		return result;
	result = call(request);
	if (sf_page_is_error(result))
		sf_mmap_unclaim();
	else
		sf_mmap_replaced(request->addr, request->end);
	return result;
}

/* Inaccessible, and the contents gone: markers do it, if all is plain. */
static long decommit(const struct request *request,
		     const struct sf_extent *extent)
{
	bool can_mark = sf_mmap_can_mark() && is_plain(extent);
	long result;

	if (can_mark && sf_extent_len(extent) <= SF_MMAP_MARK_LEN &&
	    sf_mmap_mark(extent) == 0)
		return (long)request->addr;
	result = replace(request);
	/* Giving memory back is not to fail for want of a mapping. */
	if (result == -ENOMEM && can_mark && sf_mmap_mark(extent) == 0)
		return (long)request->addr;
	return result;
}

/*
 * Which of these
 */

/* For MAP_FIXED_NOREPLACE: 0, or -EEXIST: something of ours is there. */
static int check_free(const struct request *request)
{
	struct sf_piece piece;

	for (uintptr_t at = request->addr; at < request->end; at = piece.end) {
		struct sf_extent extent;

		piece = sf_piece_at(at, request->end);
		if (piece.kind == SF_PIECE_KERNEL)
			continue;
		if (piece.kind != SF_PIECE_OURS)
			return -EEXIST;
		extent = sf_piece_extent(&piece);
		if (sf_space_any_live(&extent))
			return -EEXIST;
	}
	return 0;
}

static bool is_fresh(const struct request *request)
{
	return (request->flags & (MAP_PRIVATE | MAP_ANONYMOUS)) ==
		       (MAP_PRIVATE | MAP_ANONYMOUS) &&
	       (request->flags & ~FRESH_FLAGS) == 0 &&
	       ((size_t)request->off & (sf_page_size - 1)) == 0 &&
	       !sf_mmap_locks_all();
}

static long map_locked(struct request *request)
{
	struct sf_piece piece = sf_piece_at(request->addr, request->end);
	bool is_ours = piece.kind == SF_PIECE_OURS && piece.end == request->end;
	struct sf_extent extent;

	if ((request->flags & SF_MAP_FIXED_NOREPLACE) != 0 &&
	    check_free(request) != 0)
		return -EEXIST;
	/* What we know to be free the kernel does not, unless it can now. */
	if ((request->flags & SF_MAP_FIXED_NOREPLACE) != 0)
		sf_rescue_retry(request->addr, request->end);
	if (is_ours || sf_rescue_covers(request->addr, request->end)) {
		request->flags &= ~SF_MAP_FIXED_NOREPLACE;
		request->flags |= MAP_FIXED;
	}
	if (is_ours && is_fresh(request)) {
		extent = sf_piece_extent(&piece);
		if (request->prot == PROT_NONE)
			return decommit(request, &extent);
		if (request->prot == (PROT_READ | PROT_WRITE))
			return map_fresh(request, &extent);
	}
	return replace(request);
}

/*
 * What the kernel would do at the end of mmap(), its errors ignored as well:
 * without the lock, since a page may wait for another thread. Others may have
 * the pages by then, so nothing is written to them.
 */
static void populate(const struct request *request)
{
	bool write = (request->flags & MAP_TYPE) == MAP_PRIVATE &&
		     (request->prot & PROT_WRITE) != 0;

	(void)sf_page_call_advise(request->addr, request->end - request->addr,
				  write ? SF_MADV_POPULATE_WRITE :
					  SF_MADV_POPULATE_READ);
}

long sf_mmap_map_fixed(uintptr_t addr, size_t len, int prot, int flags, int fd,
		       off_t off)
{
	struct request request = {
		addr, addr + sf_space_round(len), len, prot, flags, fd, off
	};
	bool populates = (flags & (MAP_POPULATE | MAP_NONBLOCK)) ==
				 MAP_POPULATE &&
			 sf_probe_has(SF_FEATURE_POPULATE_WRITE);
	long result;

	if (!sf_rescue_any() && !sf_space_overlaps(addr, request.end))
		return call(&request);
	if (populates)
		request.flags &= ~MAP_POPULATE;
	sf_space_lock();
	sf_alter_retry();
	result = map_locked(&request);
	sf_space_unlock();
	if (populates && !sf_page_is_error(result))
		populate(&request);
	return result;
}
