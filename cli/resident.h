/* SPDX-License-Identifier: MIT */
/*
 * How many pages of a range of another process are there, as /proc/PID/pagemap
 * tells: resident or swapped out. Of a range of terabytes in a moment where the
 * kernel can look for them itself (PAGEMAP_SCAN, Linux 6.7); else only so much
 * is looked at.
 *
 *	struct sf_resident look;
 *	int err = sf_resident_open(&look, pid);
 *	...
 *	err = sf_resident_count(&look, start, end, &nr);
 *	sf_resident_close(&look);
 */
#ifndef SF_CLI_RESIDENT_H
#define SF_CLI_RESIDENT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct sf_resident {
	int fd;
	uint64_t page_len;
	bool by_page;			   /* the kernel cannot look */
	uint64_t left;			   /* pages to look at, at most, then */
	const volatile sig_atomic_t *stop; /* may be NULL: give up when set */
};

/* 0 or -errno. stop is NULL at first. */
int sf_resident_open(struct sf_resident *look, pid_t pid);
void sf_resident_close(const struct sf_resident *look);

/*
 * Add how many pages of [start, end), addresses, are there. 0 or -errno; -ESRCH:
 * the process has ended; -EFBIG: it is too much to look at; -EINTR: stopped.
 */
int sf_resident_count(struct sf_resident *look, uint64_t start, uint64_t end,
		      uint64_t *nr);

#endif
