// SPDX-License-Identifier: MIT
/*
 * Groups calls by their whole stack. Unwinding takes a millisecond or so, and a
 * program at the limit may fail a hundred thousand times: after a few times
 * from one place, those of the same instruction and return address are counted
 * with the first.
 */
#include "refused.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "remote.h"
#include "resident.h"

#define LOOKS	   4 /* from one place */
#define GROUPS_MAX ((size_t)512)

struct sf_refused_key {
	uint64_t nr;
	int err;
	uint64_t ip;
	uint64_t caller;
	size_t looks;
	size_t group;
};

struct sf_range {
	uint64_t start;
	uint64_t end;
};

static bool is_error(int64_t result)
{
	return result < 0 && result >= -4095;
}

bool sf_refused_is(const struct sf_memory_call *call)
{
	/* brk() returns the break that it could not move. */
	if (call->nr == __NR_brk)
		return (uint64_t)call->result < call->args[0];
	return call->result == -ENOMEM || call->result == -EAGAIN;
}

bool sf_refused_for_hole(const struct sf_memory_call *call)
{
	static const uint64_t calls[] = { __NR_madvise,	      __NR_mprotect,
					  __NR_pkey_mprotect, __NR_mlock,
					  __NR_mlock2,	      __NR_munlock };

	if (call->result != -ENOMEM)
		return false;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i] == call->nr)
			return true;
	return false;
}

bool sf_refused_failed(const struct sf_memory_call *call)
{
	return call->nr != __NR_brk && is_error(call->result) &&
	       !sf_refused_is(call);
}

static int call_errno(const struct sf_memory_call *call)
{
	return call->nr == __NR_brk ? ENOMEM : (int)-call->result;
}

/* The key of this place, made when there is none; NULL: no memory. */
static struct sf_refused_key *find_key(struct sf_refused *refused,
				       const struct sf_memory_call *call,
				       pid_t tid)
{
	struct sf_refused_key key = { .nr = call->nr,
				      .err = call_errno(call),
				      .ip = call->ip };
	struct sf_refused_key *more;

	sf_remote_peek(tid, call->sp, &key.caller, sizeof(key.caller));
	for (size_t i = 0; i < refused->nr_keys; i++) {
		struct sf_refused_key *old = &refused->keys[i];

		if (old->nr == key.nr && old->err == key.err &&
		    old->ip == key.ip && old->caller == key.caller)
			return old;
	}
	if (refused->nr_keys == GROUPS_MAX)
		return NULL;
	more = realloc(refused->keys, (refused->nr_keys + 1) * sizeof(*more));
	if (more == NULL)
		return NULL;
	refused->keys = more;
	more[refused->nr_keys] = key;
	return &more[refused->nr_keys++];
}

static bool is_same_place(const struct sf_where *a, const struct sf_where *b)
{
	if (a->nr != b->nr)
		return false;
	for (size_t i = 0; i < a->nr; i++)
		if (strcmp(a->frame[i], b->frame[i]) != 0)
			return false;
	return true;
}

/* The group of this stack, made when there is none; nr_groups: no memory. */
static size_t find_group(struct sf_refused *refused,
			 const struct sf_memory_call *call,
			 const struct sf_where *where)
{
	int err = call_errno(call);
	struct sf_refused_group *more;
	size_t i;

	for (i = 0; i < refused->nr_groups; i++)
		if (refused->groups[i].nr == call->nr &&
		    refused->groups[i].err == err &&
		    is_same_place(&refused->groups[i].where, where))
			return i;
	if (i == GROUPS_MAX)
		return i;
	more = realloc(refused->groups, (i + 1) * sizeof(*more));
	if (more == NULL)
		return i;
	refused->groups = more;
	more[i] = (struct sf_refused_group){ .nr = call->nr,
					     .err = err,
					     .addr = call->args[0],
					     .addr_len = call->args[1],
					     .where = *where };
	return refused->nr_groups++;
}

static bool has_length(uint64_t nr)
{
	return nr != __NR_brk && nr != __NR_shmat && nr != __NR_shmdt;
}

void sf_refused_note(struct sf_refused *refused,
		     const struct sf_memory_call *call,
		     struct sf_where_cache **cache, pid_t pid, pid_t tid)
{
	struct sf_refused_key *key = find_key(refused, call, tid);
	size_t group = key != NULL ? key->group : refused->nr_groups;

	refused->times++;
	if (call->nr == __NR_munmap)
		refused->unmap_len += call->args[1];
	if (key != NULL && key->looks < LOOKS) {
		struct sf_where where;

		sf_where_look(&where, cache, pid, tid);
		group = find_group(refused, call, &where);
		if (key->looks++ == 0)
			key->group = group;
	}
	if (group >= refused->nr_groups)
		return;
	refused->groups[group].times++;
	if (has_length(call->nr))
		refused->groups[group].len += call->args[1];
}

void sf_refused_free(struct sf_refused *refused)
{
	free(refused->groups);
	free(refused->keys);
	*refused = (struct sf_refused){ 0 };
}

/*
 * Ranges
 */

void sf_ranges_add(struct sf_ranges *ranges, uint64_t addr, uint64_t len)
{
	struct sf_range *more;

	if (ranges->nr > 0 && ranges->range[ranges->nr - 1].end == addr) {
		ranges->range[ranges->nr - 1].end += len;
		return;
	}
	if (ranges->nr == ranges->space) {
		size_t space = ranges->space != 0 ? 2 * ranges->space : 64;

		more = realloc(ranges->range, space * sizeof(*more));
		if (more == NULL)
			return;
		ranges->range = more;
		ranges->space = space;
	}
	ranges->range[ranges->nr++] = (struct sf_range){ addr, addr + len };
}

void sf_ranges_free(struct sf_ranges *ranges)
{
	free(ranges->range);
	*ranges = (struct sf_ranges){ 0 };
}

static int by_start(const void *a, const void *b)
{
	const struct sf_range *x = a;
	const struct sf_range *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

int sf_ranges_measure(struct sf_ranges *ranges, pid_t pid,
		      const volatile sig_atomic_t *stop, uint64_t *len)
{
	struct sf_resident look;
	int err = sf_resident_open(&look, pid);
	uint64_t done = 0;

	*len = 0;
	look.stop = stop;
	qsort(ranges->range, ranges->nr, sizeof(*ranges->range), by_start);
	for (size_t i = 0; i < ranges->nr; i++) {
		uint64_t end = ranges->range[i].end;
		uint64_t start = ranges->range[i].start;
		uint64_t nr = 0;

		start = start > done ? start : done;
		if (end <= start)
			continue;
		if (err == 0)
			err = sf_resident_count(&look, start, end, &nr);
		*len += err == 0 ? nr * look.page_len : end - start;
		done = end;
	}
	sf_resident_close(&look);
	return err;
}
