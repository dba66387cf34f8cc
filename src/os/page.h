/* SPDX-License-Identifier: MIT */
/*
 * Everything that changes the address space. Each function is one system call
 * and returns 0 (or a result) or -errno. Addresses and lengths are multiples
 * of the page size and lengths are not 0.
 *
 * "Spare mapping" says what the call needs at the limit; measured, see
 * docs/limit.md.
 */
#ifndef SF_OS_PAGE_H
#define SF_OS_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Newer than the oldest headers we build with. */
#define SF_PR_SET_VMA		0x53564d41 /* prctl(), 5.17 */
#define SF_PR_SET_VMA_ANON_NAME 0
#define SF_MAP_FIXED_NOREPLACE	0x100000
#define SF_MADV_WIPEONFORK	18
#define SF_MADV_KEEPONFORK	19
#define SF_MADV_COLD		20 /* 5.4 */
#define SF_MADV_POPULATE_READ	22 /* 5.14 */
#define SF_MADV_POPULATE_WRITE	23
#define SF_MADV_DONTNEED_LOCKED 24  /* 5.18 */
#define SF_MADV_GUARD_INSTALL	102 /* 6.13 */
#define SF_MADV_GUARD_REMOVE	103
#define SF_MREMAP_DONTUNMAP	4 /* 5.7 */
#define SF_MLOCK_ONFAULT	1u
#define SF_MCL_ONFAULT		4

/* What mbind() is asked for; all zeros are the default policy. */
struct sf_policy {
	int mode;
	unsigned flags;
	const unsigned long *nodes;
	unsigned long nr_nodes;
};

/* The page size and its logarithm; set by sf_page_init(). */
extern size_t sf_page_size;
extern unsigned sf_page_shift;

void sf_page_init(void);

/* Reserve len bytes of address space anywhere. Needs a spare mapping. */
int sf_page_reserve(size_t len, uintptr_t *out);

/* Reserve exactly here; -EEXIST when something is there. */
int sf_page_reserve_at(uintptr_t addr, size_t len);

/* Unmap. Never refused for a whole reservation or a whole file view. */
int sf_page_unmap(uintptr_t addr, size_t len);

/* Make reserved pages at a region's frontier read-write. Needs none. */
int sf_page_commit(uintptr_t addr, size_t len);

/*
 * Put reserved pages in place of what is there, which also takes back the
 * commit charge. Needs none at a frontier, but one above the limit every
 * mmap() is refused.
 */
int sf_page_uncommit(uintptr_t addr, size_t len);

/* Give pages back; they read as zeros then. -EINVAL when locked. Needs none. */
int sf_page_discard(uintptr_t addr, size_t len);

/* The same on memory that may be locked (5.18). Needs none. */
int sf_page_discard_locked(uintptr_t addr, size_t len);

/* Give pages back and make them inaccessible (6.13). Needs none. */
int sf_page_mark(uintptr_t addr, size_t len);

/* Make marked pages accessible again. Needs none. */
int sf_page_unmark(uintptr_t addr, size_t len);

/* Have all pages resident and writable (5.14, else by touching). */
int sf_page_populate(uintptr_t addr, size_t len);

/* Set huge pages on or off for a whole reservation. */
int sf_page_set_huge(uintptr_t addr, size_t len, bool huge);

/* Unlock a range. Needs none when the range is a whole mapping. */
int sf_page_unlock(uintptr_t addr, size_t len);

/*
 * Set vec[i] & 1 for the pages that are resident; swapped ones are not. 0 or
 * -errno.
 */
int sf_page_residency(uintptr_t addr, size_t len, unsigned char *vec);

/* Whether any page is resident; true also when that can't be told. */
bool sf_page_any_resident(uintptr_t addr, size_t len);

/* Whether all of it is mapped. */
bool sf_page_is_mapped(uintptr_t addr, size_t len);

/* Whether fd is of a hugetlbfs, whose mappings the kernel rounds up. */
bool sf_page_is_hugetlb(int fd);

/*
 * Put fresh pages in place of what is there: read-write, private, of a region.
 * Needs none where that is whole mappings, but see sf_page_uncommit().
 */
int sf_page_renew(uintptr_t addr, size_t len);

/* The same where nothing is; -EEXIST when something is there. */
int sf_page_renew_at(uintptr_t addr, size_t len);

/*
 * What programs ask for themselves, as they ask for it: the result or -errno.
 * Any argument may be wrong.
 */
long sf_page_call_map(uintptr_t addr, size_t len, int prot, int flags, int fd,
		      off_t off);
int sf_page_call_protect(uintptr_t addr, size_t len, int prot, int key);
long sf_page_call_remap(uintptr_t addr, size_t old_len, size_t len, int flags,
			uintptr_t to);
int sf_page_call_advise(uintptr_t addr, size_t len, int advice);
int sf_page_call_lock(uintptr_t addr, size_t len, unsigned flags);
int sf_page_call_lock_all(int flags);
int sf_page_call_bind(uintptr_t addr, size_t len,
		      const struct sf_policy *policy);
int sf_page_call_name(uintptr_t addr, size_t len, uintptr_t name);
int sf_page_call_unlock_all(void);
int sf_page_call_sync(uintptr_t addr, size_t len, int flags);
long sf_page_call_attach(int id, uintptr_t addr, int flags);
int sf_page_call_detach(uintptr_t addr);

static inline bool sf_page_is_error(long result)
{
	return result < 0 && result > -4096;
}

/* Map a file over reserved pages. Needs two spare mappings. */
int sf_page_map_file(uintptr_t addr, size_t len, int prot, int flags, int fd,
		     off_t off);

#endif
