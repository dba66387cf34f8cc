// SPDX-License-Identifier: MIT
/* A window on /proc/self/pagemap, see pagemap.h. */
#include "os/pagemap.h"

#include <fcntl.h>

#include "os/page.h"
#include "os/sys.h"

#define PRESENT ((uint64_t)1 << 63)
#define SWAPPED ((uint64_t)1 << 62)

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

static void read_window(struct sf_pagemap *pagemap, size_t page)
{
	long n = sf_sys(__NR_pread64, pagemap->fd, (long)pagemap->entry,
			sizeof(pagemap->entry),
			(long)(page * sizeof(pagemap->entry[0])), 0, 0);

	pagemap->first = page;
	pagemap->nr = n > 0 ? (size_t)n / sizeof(pagemap->entry[0]) : 0;
}

bool sf_pagemap_touched(struct sf_pagemap *pagemap, uintptr_t addr)
{
	size_t page = addr >> sf_page_shift;

	if (pagemap->fd < 0)
		return true;
	if (page - pagemap->first >= pagemap->nr)
		read_window(pagemap, page);
	if (pagemap->nr == 0)
		return true;
	return (pagemap->entry[page - pagemap->first] & (PRESENT | SWAPPED)) !=
	       0;
}
