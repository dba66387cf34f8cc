// SPDX-License-Identifier: MIT
/* A window on /proc/self/pagemap, see pagemap.h. */
#include "os/pagemap.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysinfo.h>

#include "os/page.h"
#include "os/sys.h"

#define PRESENT ((uint64_t)1 << 63)
#define SWAPPED ((uint64_t)1 << 62)

/* What ioctl(PAGEMAP_SCAN) takes and gives; newer than the oldest headers. */
struct scan {
	uint64_t size;
	uint64_t flags;
	uint64_t start;
	uint64_t end;
	uint64_t walk_end;
	uint64_t vec;
	uint64_t vec_len;
	uint64_t max_pages;
	uint64_t category_inverted;
	uint64_t category_mask;
	uint64_t category_anyof_mask;
	uint64_t return_mask;
};

struct scanned {
	uint64_t start;
	uint64_t end;
	uint64_t categories;
};

#define SCAN	     _IOWR('f', 16, struct scan)
#define SCAN_PRESENT ((uint64_t)1 << 3)
#define SCAN_SWAPPED ((uint64_t)1 << 4)

void sf_pagemap_open(struct sf_pagemap *pagemap)
{
	pagemap->fd = (int)sf_sys(__NR_openat, AT_FDCWD,
				  (long)"/proc/self/pagemap",
				  O_RDONLY | O_CLOEXEC, 0, 0, 0);
	pagemap->first = 0;
	pagemap->nr = 0;
}

void sf_pagemap_close(struct sf_pagemap *pagemap)
{
	if (pagemap->fd >= 0)
		sf_sys(__NR_close, pagemap->fd, 0, 0, 0, 0, 0);
}

static void read_entries(struct sf_pagemap *pagemap, size_t page)
{
	long n = sf_sys(__NR_pread64, pagemap->fd, (long)pagemap->entry,
			sizeof(pagemap->entry),
			(long)(page * sizeof(pagemap->entry[0])), 0, 0);

	pagemap->nr = n > 0 ? (size_t)n / sizeof(pagemap->entry[0]) : 0;
}

/* True also when that can't be told. */
static bool has_swap(void)
{
	struct sysinfo info = { 0 };

	return sf_sys(__NR_sysinfo, (long)&info, 0, 0, 0, 0, 0) != 0 ||
	       info.totalswap != 0;
}

/*
 * Reading ahead, it may come to where nothing is mapped. Swap is asked for
 * before and after: what is swapped out in between is not overlooked.
 */
static void ask_mincore(struct sf_pagemap *pagemap, size_t page)
{
	size_t nr = SF_PAGEMAP_WINDOW;
	int err;

	pagemap->swaps = has_swap();
	do {
		err = sf_page_residency(page << sf_page_shift,
					nr << sf_page_shift, pagemap->present);
		pagemap->nr = err == 0 ? nr : 0;
		nr /= 2;
	} while (err == -ENOMEM && nr > 0);
	pagemap->swaps = pagemap->swaps || has_swap();
}

bool sf_pagemap_is_zero(uintptr_t addr)
{
	const char *p = (const char *)addr;

	return p[0] == 0 && memcmp(p, p + 1, sf_page_size - 1) == 0;
}

bool sf_pagemap_touched(struct sf_pagemap *pagemap, uintptr_t addr)
{
	size_t page = addr >> sf_page_shift;
	bool has_file = pagemap->fd >= 0;
	size_t i;

	if (page - pagemap->first >= pagemap->nr) {
		if (has_file)
			read_entries(pagemap, page);
		else
			ask_mincore(pagemap, page);
		pagemap->first = page;
	}
	if (pagemap->nr == 0)
		return true;
	i = page - pagemap->first;
	if (has_file)
		return (pagemap->entry[i] & (PRESENT | SWAPPED)) != 0;
	if ((pagemap->present[i] & 1) != 0)
		return true;
	return pagemap->swaps && !sf_pagemap_is_zero(addr);
}

int sf_pagemap_next(const struct sf_pagemap *pagemap, uintptr_t addr,
		    uintptr_t end, struct sf_pagemap_run *out)
{
	struct scanned found;
	struct scan scan = {
		.size = sizeof(scan),
		.start = addr,
		.end = end,
		.vec = (uintptr_t)&found,
		.vec_len = 1,
		.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
		.return_mask = SCAN_PRESENT | SCAN_SWAPPED,
	};
	long result = sf_sys(__NR_ioctl, pagemap->fd, (long)SCAN, (long)&scan,
			     0, 0, 0);

	if (result > 0)
		*out = (struct sf_pagemap_run){ found.start, found.end };
	return (int)result;
}
