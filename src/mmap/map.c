// SPDX-License-Identifier: MIT
/* mmap() where the kernel would choose the address. */
#include <errno.h>
#include <sys/mman.h>

#include "mmap/alter.h"
#include "mmap/count.h"
#include "mmap/family.h"
#include "mmap/mmap.h"
#include "mmap/rescue.h"
#include "mmap/saved.h"
#include "os/limit.h"
#include "os/signals.h"
#include "vm/pin.h"

/* Few, and the kernel then judges whether there is enough memory. */
#define MAX_LEN ((size_t)1 << 30)

/* Where huge pages come by themselves, larger maps are to get them. */
#define MAX_LEN_HUGE ((size_t)4 << 20)

/* What a map of ours may ask for; the kernel ignores the last two. */
#define NEEDED_FLAGS (MAP_PRIVATE | MAP_ANONYMOUS)
#define ALLOWED_FLAGS                                              \
	(NEEDED_FLAGS | MAP_NORESERVE | MAP_STACK | MAP_POPULATE | \
	 MAP_NONBLOCK | MAP_DENYWRITE | MAP_EXECUTABLE)

static bool is_served(uintptr_t addr, size_t len, int prot, int flags,
		      off_t off)
{
	if (addr != 0 || prot != (PROT_READ | PROT_WRITE) ||
	    (flags & NEEDED_FLAGS) != NEEDED_FLAGS ||
	    (flags & ~ALLOWED_FLAGS) != 0)
		return false;
	if (len == 0 || len >= MAX_LEN ||
	    ((size_t)off & (sf_page_size - 1)) != 0)
		return false;
	if (len >= MAX_LEN_HUGE && (flags & MAP_STACK) == 0 &&
	    sf_limit_huge_always())
		return false;
	return !sf_mmap_locks_all();
}

int sf_mmap_take(size_t nr, unsigned flags, struct sf_extent *out)
{
	uint64_t signals = sf_signals_block();
	int err = sf_extent_map(SF_REGION_MAP, nr, 1, flags, out);

	sf_signals_restore(signals);
	if (err == 0)
		sf_mmap_count_live(sf_extent_len(out));
	return err;
}

/* 0, or -errno: the kernel shall try. */
static int map_ours(size_t len, int flags, uintptr_t *out)
{
	struct sf_extent extent;
	int err = sf_mmap_take(sf_extent_pages(len), 0, &extent);

	if (err != 0)
		return err;
	sf_mmap_count(SF_MMAP_MAPS, 1);
	sf_mmap_saved_changed();
	*out = sf_extent_addr(&extent);
	/* As the kernel: what can't be populated is mapped all the same. */
	if ((flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE)
		(void)sf_page_populate(*out, sf_extent_len(&extent));
	return 0;
}

void sf_mmap_adopt_locked(uintptr_t addr, size_t len)
{
	struct sf_region *region = sf_space_find(addr, len);
	struct sf_extent extent;
	struct sf_extent part;

	sf_rescue_forget(addr, addr + sf_space_round(len));
	if (SF_LIKELY(region == NULL))
		return;
	extent = (struct sf_extent){ region, sf_region_page(region, addr),
				     sf_extent_pages(len) };
	while (sf_alter_reclaim(addr, addr + sf_space_round(len), &part))
		sf_mmap_count_live(sf_extent_len(&part));
	sf_alter_note(&extent, SF_ALTER_REPLACED);
}

void sf_mmap_adopt(uintptr_t addr, size_t len)
{
	if (SF_LIKELY(sf_space_find(addr, len) == NULL && !sf_rescue_any()))
		return;
	sf_space_lock();
	sf_mmap_adopt_locked(addr, len);
	sf_space_unlock();
}

/* EAGAIN: more than may be locked, of which some may be free memory of ours. */
static long call_kernel(uintptr_t addr, size_t len, int prot, int flags, int fd,
			off_t off)
{
	long result = sf_page_call_map(addr, len, prot, flags, fd, off);

	if (result != -EAGAIN || !sf_mmap_locks_all())
		return result;
	sf_pin_trim();
	return sf_page_call_map(addr, len, prot, flags, fd, off);
}

static long map_by_kernel(uintptr_t addr, size_t len, int prot, int flags,
			  int fd, off_t off)
{
	long result = call_kernel(addr, len, prot, flags, fd, off);

	sf_mmap_count(SF_MMAP_PASSED, 1);
	if (!sf_page_is_error(result))
		sf_mmap_adopt((uintptr_t)result, len);
	return result;
}

long sf_mmap_map(uintptr_t addr, size_t len, int prot, int flags, int fd,
		 off_t off)
{
	uintptr_t out;

	if (SF_UNLIKELY(!sf_mmap_is_on()))
		return call_kernel(addr, len, prot, flags, fd, off);
	if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0 &&
	    sf_space_is_range(addr, len))
		return sf_mmap_map_fixed(addr, len, prot, flags, fd, off);
	if (is_served(addr, len, prot, flags, off)) {
		if (map_ours(len, flags, &out) == 0)
			return (long)out;
		sf_mmap_count(SF_MMAP_FELL_BACK, 1);
	}
	return map_by_kernel(addr, len, prot, flags, fd, off);
}
