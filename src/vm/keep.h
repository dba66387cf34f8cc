/* SPDX-License-Identifier: MIT */
/*
 * What is kept for reuse after the caller released it: ranges with their pages
 * (option "retain") and stacks, whose pages are gone unless retained too.
 *
 * Entries live in a fixed table, so that keeping allocates nothing: when it is
 * full, the oldest entry is released. Eight shards, chosen by thread, each with
 * its lock; in a shard, entries of one length and kind form a chain, and all of
 * them a queue from oldest to newest.
 *
 * Invariants: the bytes of pages that entries hold never exceed the option
 * "retain" at the time of the call; an entry's pages are taken and not live.
 *
 * Removing an entry and what happens to its pages next are one step for fork():
 * under the shard's lock its pages become live, or its region busy.
 */
#ifndef SF_VM_KEEP_H
#define SF_VM_KEEP_H

#include "vm/extent.h"

/*
 * Have the table resident, so that putting something there, which is part of a
 * release, needs no memory. Called before the first of it can be released.
 */
void sf_keep_prepare(void);

/*
 * Keep a range with its pages. Older entries are released to make room. False
 * when it can't be kept. Part of an operation on the extent's region.
 */
bool sf_keep_put_range(const struct sf_extent *extent);

/*
 * Make a kept range of nr pages live again, with its old contents. flags as
 * surefree_map(). False when there is none.
 */
bool sf_keep_take_range(size_t nr, unsigned flags, struct sf_extent *out);

/*
 * Keep a stack, its guard page first. Its pages are kept too when the bound
 * allows, else they are released. False when the table is full. Part of an
 * operation on the extent's region.
 */
bool sf_keep_put_stack(const struct sf_extent *extent);

/*
 * The same for a stack that has pages in its top top_len bytes only: those are
 * kept where they are few and not many stacks keep theirs, and the bound
 * allows it.
 */
bool sf_keep_put_stack_top(const struct sf_extent *extent, size_t top_len);

/* Make all but the first page of a kept stack of nr pages live again. */
bool sf_keep_take_stack(size_t nr, struct sf_extent *out);

/*
 * Release what is kept until at most keep_len bytes of pages are; with 0 the
 * kept stacks too. Returns the bytes of pages released.
 */
size_t sf_keep_trim(size_t keep_len);

/* Stacks waiting to be taken up again. */
size_t sf_keep_nr_stacks(void);

/* For fork(). */
void sf_keep_lock_all(void);
void sf_keep_unlock_all(void);

#endif
