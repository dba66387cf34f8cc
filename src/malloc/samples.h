/* SPDX-License-Identifier: MIT */
/*
 * The sampled blocks of a heap profile, and the places that allocated them.
 *
 *	samples   a hash table by address: which site, how many bytes
 *	sites     one for each stack of calls and size: what is in use of it,
 *	          and what was allocated in all
 *
 * Blocks of one site are of about the same size, so that who reads the profile
 * can scale the sums up. The tables have a fixed size; their addresses, once
 * taken, are kept, so that sf_samples_may_have() can look without a lock.
 *
 * Locked by the caller, but for that one.
 */
#ifndef SF_MALLOC_SAMPLES_H
#define SF_MALLOC_SAMPLES_H

#include <stdatomic.h>

#include "base/compiler.h"

#define SF_SAMPLE_DEPTH 48 /* frames that are kept of a stack */
#define SF_NR_SITES	((size_t)1 << 14)
#define SF_NR_SAMPLES	((size_t)1 << 16)
#define SF_SAMPLE_SLOTS (2 * SF_NR_SAMPLES)

struct sf_site {
	uint64_t hash;
	uint64_t nr_used;
	uint64_t used_len;
	uint64_t nr_all;
	uint64_t all_len;
	uint32_t size_class; /* blocks of its size, see samples.c */
	uint32_t depth;
	void *frames[SF_SAMPLE_DEPTH];
};

struct sf_sample {
	_Atomic uintptr_t addr; /* 0: none here */
	size_t len;
	uint32_t site;
};

/* A stack of calls, the innermost first. */
struct sf_stack {
	uint32_t depth;
	void *const *frames;
};

/* Have the tables, empty. 0 or -errno. */
int sf_samples_open(void);

/* Forget all; the pages go back to the kernel. */
void sf_samples_close(void);

/* False: no room. */
bool sf_samples_add(uintptr_t addr, size_t len, struct sf_stack stack);

/* Nothing happens when the block is not there. */
void sf_samples_remove(uintptr_t addr);

size_t sf_samples_nr_sites(void);
const struct sf_site *sf_samples_site(size_t i);

/* The tables, once there are some; else NULL. */
extern _Atomic(struct sf_sample *) sf_sample_slots;

static inline size_t sf_sample_home(uintptr_t addr)
{
	return (size_t)((addr >> 4) * 0x9e3779b97f4a7c15u >> 47);
}

/*
 * Without the lock: false when the block was not sampled. Of a block that is
 * the caller's this is certain: it was added before he got it, and the slot
 * where its search begins is not 0 as long as it is there.
 */
static inline bool sf_samples_may_have(uintptr_t addr)
{
	struct sf_sample *slots = atomic_load_explicit(&sf_sample_slots,
						       memory_order_acquire);

	return slots != NULL &&
	       atomic_load_explicit(&slots[sf_sample_home(addr)].addr,
				    memory_order_relaxed) != 0;
}

#endif
