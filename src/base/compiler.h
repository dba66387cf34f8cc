/* SPDX-License-Identifier: MIT */
/*
 * Words the compiler understands and small arithmetic on sizes. Knows nothing
 * of memory.
 */
#ifndef SF_BASE_COMPILER_H
#define SF_BASE_COMPILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SF_EXPORT	 __attribute__((visibility("default")))
#define SF_PRINTF(f, a)	 __attribute__((format(printf, f, a)))
#define SF_NORETURN	 __attribute__((noreturn))
#define SF_CACHE_ALIGNED __attribute__((aligned(64)))

#define SF_LIKELY(x)   __builtin_expect(!!(x), 1)
#define SF_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define SF_NR(array) (sizeof(array) / sizeof((array)[0]))

static inline size_t sf_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t sf_max(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* align is a power of two. */
static inline size_t sf_align_down(size_t x, size_t align)
{
	return x & ~(align - 1);
}

/* align is a power of two; the caller knows that x + align does not wrap. */
static inline size_t sf_align_up(size_t x, size_t align)
{
	return (x + align - 1) & ~(align - 1);
}

static inline bool sf_is_power_of_two(size_t x)
{
	return x != 0 && (x & (x - 1)) == 0;
}

#endif
