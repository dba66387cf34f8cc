// SPDX-License-Identifier: MIT
/* shmat() and shmdt(), where they put a segment over ours, or take it away. */
#include <errno.h>
#include <sys/shm.h>

#include "mmap/alter.h"
#include "mmap/family.h"
#include "mmap/mmap.h"
#include "mmap/rescue.h"

static long attach_over(int id, uintptr_t addr, size_t len, int flags)
{
	long result = sf_mmap_claim(addr, addr + len);

	if (result != 0)
		return result;
	result = sf_page_call_attach(id, addr, flags);
	if (sf_page_is_error(result))
		sf_mmap_unclaim();
	else
		sf_mmap_replaced(addr, addr + len);
	return result;
}

long sf_mmap_attach(int id, uintptr_t addr, size_t len, int flags)
{
	size_t all = sf_space_round(len);
	long result;

	if ((flags & SHM_RND) != 0)
		addr = sf_align_down(addr, (size_t)SHMLBA);
	/* Without SHM_REMAP it goes where the kernel has nothing. */
	if (!sf_mmap_is_on() || (flags & SHM_REMAP) == 0 ||
	    !sf_space_is_range(addr, all) ||
	    (!sf_rescue_any() && !sf_space_overlaps(addr, addr + all))) {
		result = sf_page_call_attach(id, addr, flags);
		if (!sf_page_is_error(result) && len > 0)
			sf_mmap_adopt((uintptr_t)result, len);
		return result;
	}
	sf_space_lock();
	result = attach_over(id, addr, all, flags);
	sf_space_unlock();
	return result;
}

/* What was attached over ours is a hole now. */
static void drop_from(struct sf_region *region, uintptr_t addr)
{
	size_t page = sf_region_page(region, addr);
	struct sf_extent rest = { region, page, region->nr_pages - page };
	struct sf_extent run;

	if ((sf_space_run(&rest, &run) & SF_QUIET) != 0)
		sf_alter_drop_holes(&run);
}

/* What is remembered of the segment is unmapped with it. */
int sf_mmap_detach(uintptr_t addr)
{
	struct sf_region *region;
	int err = sf_page_call_detach(addr);

	if (err != 0 || !sf_mmap_is_on())
		return err;
	region = sf_space_find(addr, 1);
	if (region == NULL && !sf_rescue_any())
		return 0;
	sf_space_lock();
	sf_rescue_forget_holes();
	if (region != NULL)
		drop_from(region, addr);
	sf_space_unlock();
	return 0;
}
