// SPDX-License-Identifier: MIT
/* Counting pages that are there, see resident.h. */
#include "resident.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CHUNK	 ((size_t)512)	      /* pages or pieces at once */
#define STEP	 ((uint64_t)64 << 30) /* bytes to look for pages in at once */
#define LOOK_MAX ((uint64_t)1 << 30)  /* bytes to look at page by page: 5 ms */
#define THERE	 ((uint64_t)3 << 62)  /* present, or swapped out */

/* Newer than the headers that we build with, as the kernel has them. */
#define PAGE_IS_PRESENT 8
#define PAGE_IS_SWAPPED 16
#define PAGEMAP_SCAN	_IOWR('f', 16, struct scan)

struct piece {
	uint64_t start, end;
	uint64_t categories;
};

struct scan {
	uint64_t size;
	uint64_t flags;
	uint64_t start, end;
	uint64_t walk_end;
	uint64_t vec, vec_len;
	uint64_t max_pages;
	uint64_t category_inverted;
	uint64_t category_mask;
	uint64_t category_anyof_mask;
	uint64_t return_mask;
};

int sf_resident_open(struct sf_resident *look, pid_t pid)
{
	char path[40];

	*look = (struct sf_resident){ 0 };
	look->page_len = (uint64_t)sysconf(_SC_PAGESIZE);
	look->left = LOOK_MAX / look->page_len;
	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	look->fd = open(path, O_RDONLY | O_CLOEXEC);
	return look->fd >= 0 ? 0 : -errno;
}

void sf_resident_close(const struct sf_resident *look)
{
	if (look->fd >= 0)
		close(look->fd);
}

static bool is_stopped(const struct sf_resident *look)
{
	return look->stop != NULL && *look->stop != 0;
}

/* What the kernel finds; -ENOTTY: it is too old. */
static int count_pieces(const struct sf_resident *look, uint64_t start,
			uint64_t end, uint64_t *nr)
{
	struct piece piece[CHUNK];
	struct scan scan = {
		.size = sizeof(scan),
		.start = start,
		.vec = (uint64_t)(uintptr_t)piece,
		.vec_len = CHUNK,
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
	};
	uint64_t entry;

	while (scan.start < end) {
		int got;

		if (is_stopped(look))
			return -EINTR;
		scan.end = end - scan.start < STEP ? end : scan.start + STEP;
		got = ioctl(look->fd, PAGEMAP_SCAN, &scan);
		if (got < 0)
			return -errno;
		for (int i = 0; i < got; i++)
			*nr += (piece[i].end - piece[i].start) / look->page_len;
		scan.start = scan.walk_end;
	}
	/* It finds nothing where the process has ended meanwhile. */
	if (pread(look->fd, &entry, sizeof(entry),
		  (off_t)(start / look->page_len * sizeof(entry))) <= 0)
		return -ESRCH;
	return 0;
}

/* The state of each page, of [start, end) in pages. */
static int count_pages(struct sf_resident *look, uint64_t start, uint64_t end,
		       uint64_t *nr)
{
	uint64_t entries[CHUNK];

	while (start < end) {
		size_t want = end - start < CHUNK ? (size_t)(end - start) :
						    CHUNK;
		ssize_t got;

		if (is_stopped(look))
			return -EINTR;
		if (look->left < want)
			return -EFBIG;
		look->left -= want;
		got = pread(look->fd, entries, want * sizeof(*entries),
			    (off_t)(start * sizeof(*entries)));
		if (got <= 0)
			return got == 0 ? -ESRCH : -errno;
		for (size_t i = 0; i < (size_t)got / sizeof(*entries); i++)
			*nr += (entries[i] & THERE) != 0;
		start += (uint64_t)got / sizeof(*entries);
	}
	return 0;
}

int sf_resident_count(struct sf_resident *look, uint64_t start, uint64_t end,
		      uint64_t *nr)
{
	int err = -ENOTTY;

	start -= start % look->page_len;
	end += (look->page_len - end % look->page_len) % look->page_len;
	if (!look->by_page)
		err = count_pieces(look, start, end, nr);
	look->by_page = err == -ENOTTY;
	if (look->by_page)
		err = count_pages(look, start / look->page_len,
				  end / look->page_len, nr);
	return err;
}
