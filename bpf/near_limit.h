/* SPDX-License-Identifier: MIT */
/*
 * Which ENOMEM is for want of mappings. madvise(), mprotect() and their like
 * give it for a range with a hole, too, and do all that they were asked for:
 * only near the limit it is a refusal. mmap(), munmap(), mremap() and brk()
 * have other errors for that.
 */
#ifndef SF_BPF_NEAR_LIMIT_H
#define SF_BPF_NEAR_LIMIT_H

/*
 * Such a call makes at most two mappings. Other threads may have changed the
 * count by the time that it is looked at.
 */
#define SF_NEAR_LIMIT 8

/* limit 0: not known. */
static inline __attribute__((always_inline)) int
sf_is_near_limit(unsigned long long mappings, unsigned long long limit)
{
	return mappings + SF_NEAR_LIMIT >= limit;
}

#endif
