// SPDX-License-Identifier: MIT
/* Refused calls by group, see group_refused.h. */
#include "group_refused.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "count_proc.h"

bool sf_group_was_refused(const struct sf_group *group)
{
	for (size_t call = 0; call < SF_CALL_NR; call++) {
		if (group->refused[call][0] + group->refused[call][1] > 0)
			return true;
	}
	return false;
}

/*
 * Members
 */

static int compare_starts(const void *a, const void *b)
{
	const struct sf_group_member *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

void sf_group_set_members(struct sf_groups *groups,
			  struct sf_group_member *member, size_t nr)
{
	if (nr > 1)
		qsort(member, nr, sizeof(*member), compare_starts);
	free(groups->member[1]);
	groups->member[1] = groups->member[0];
	groups->nr_members[1] = groups->nr_members[0];
	groups->member[0] = member;
	groups->nr_members[0] = nr;
}

/* The group that a process is in, or was at the last snapshot; or NULL. */
static struct sf_group *group_of(struct sf_groups *groups, uint64_t start)
{
	const struct sf_group_member key = { .start = start };
	const struct sf_group_member *member = NULL;

	for (int i = 0; member == NULL && i < 2; i++) {
		if (groups->nr_members[i] > 0)
			member = bsearch(&key, groups->member[i],
					 groups->nr_members[i], sizeof(key),
					 compare_starts);
	}
	for (size_t i = 0; member != NULL && i < groups->nr; i++) {
		if (groups->group[i].id == member->id)
			return &groups->group[i];
	}
	return NULL;
}

/* That of one that came and went unseen; its cgroup nobody knows. */
static struct sf_group *group_of_ended(struct sf_groups *groups,
				       const char *command)
{
	char name[SF_COMM_LEN];

	sf_process_copy_name(name, sizeof(name), command);
	return sf_group_add(groups, sf_group_name(groups, name, ""));
}

/*
 * Counts
 */

static int compare_seen(const void *a, const void *b)
{
	const struct sf_bpf_refusals *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* What was counted before; a process that was forgotten begins again. */
static void subtract_seen(const struct sf_group_seen *seen,
			  struct sf_bpf_refusals *r)
{
	const struct sf_bpf_refusals *old = NULL;

	if (seen->nr > 0)
		old = bsearch(r, seen->at, seen->nr, sizeof(*r), compare_seen);
	for (size_t call = 0; old != NULL && call < SF_CALL_NR; call++) {
		if (old->nr[call] > r->nr[call])
			continue;
		r->nr[call] -= old->nr[call];
		r->nr_again[call] -= old->nr_again[call] < r->nr_again[call] ?
					     old->nr_again[call] :
					     r->nr_again[call];
	}
}

/* Add the calls that are new to the group of their process. 0 or -ENOMEM. */
static int add_new(struct sf_groups *groups, struct sf_bpf_refusals r)
{
	struct sf_group *group;
	uint64_t nr = 0;

	subtract_seen(&groups->seen, &r);
	for (size_t call = 0; call < SF_CALL_NR; call++)
		nr += r.nr[call];
	if (nr == 0)
		return 0;
	group = group_of(groups, r.start);
	if (group == NULL)
		group = group_of_ended(groups, r.comm);
	if (group == NULL)
		return -ENOMEM;
	group->is_untold = true;
	for (size_t call = 0; call < SF_CALL_NR; call++) {
		/* The two are counted one after the other. */
		if (r.nr_again[call] > r.nr[call])
			r.nr_again[call] = r.nr[call];
		group->refused[call][0] += r.nr[call] - r.nr_again[call];
		group->refused[call][1] += r.nr_again[call];
	}
	return 0;
}

static int take(void *arg, const struct sf_bpf_refusals *r)
{
	struct sf_group_seen *next = arg;
	size_t room = next->room != 0 ? 2 * next->room : 64;
	struct sf_bpf_refusals *at = next->at;

	if (next->nr == next->room) {
		at = reallocarray(next->at, room, sizeof(*at));
		if (at == NULL)
			return -ENOMEM;
		next->at = at;
		next->room = room;
	}
	at[next->nr++] = *r;
	return 0;
}

int sf_group_count_refused(struct sf_groups *groups, struct sf_processes *all)
{
	struct sf_group_seen *next = &groups->next_seen;
	struct sf_group_seen swap;
	int err;

	next->nr = 0;
	err = sf_processes_read_refusals(all, take, next);
	if (err == 0 && next->nr > 1)
		qsort(next->at, next->nr, sizeof(*next->at), compare_seen);
	for (size_t i = 0; err == 0 && i < next->nr; i++)
		err = add_new(groups, next->at[i]);
	if (err != 0)
		return err;
	swap = groups->seen;
	groups->seen = groups->next_seen;
	groups->next_seen = swap;
	return 0;
}
