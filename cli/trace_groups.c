// SPDX-License-Identifier: MIT
/* Sums of events by call, error and stack, see trace_groups.h. */
#include "trace_groups.h"

#include <errno.h>
#include <stdlib.h>

#define GROUPS_MAX ((size_t)4096)

/* Of events that belong into one group. */
static uint64_t hash_of(const struct sf_trace_event *event)
{
	uint64_t hash = event->where != NULL ? event->where->hash : 0;

	for (const char *at = event->call; *at != '\0'; at++)
		hash = hash * 31 + (unsigned char)*at;
	return hash * 31 + (uint64_t)event->err;
}

/* The group, made when there is none; NULL: no memory. */
static struct sf_trace_group *find(struct sf_trace_groups *groups,
				   const struct sf_trace_event *event)
{
	uint64_t hash = hash_of(event);
	struct sf_trace_group *group;

	for (size_t i = 0; i < groups->nr; i++)
		if (groups->group[i].hash == hash)
			return &groups->group[i];
	if (groups->nr == GROUPS_MAX)
		return &groups->group[GROUPS_MAX - 1];
	if (groups->nr == groups->space) {
		size_t space = groups->space != 0 ? 2 * groups->space : 16;

		group = reallocarray(groups->group, space, sizeof(*group));
		if (group == NULL)
			return NULL;
		groups->group = group;
		groups->space = space;
	}
	group = &groups->group[groups->nr++];
	*group = (struct sf_trace_group){ .call = event->call,
					  .err = event->err,
					  .hash = hash };
	if (event->where != NULL)
		group->where = *event->where;
	return group;
}

int sf_trace_groups_add(struct sf_trace_groups *groups,
			const struct sf_trace_event *event)
{
	struct sf_trace_group *group = find(groups, event);

	if (group == NULL)
		return -ENOMEM;
	group->times += event->times;
	group->len += event->err != 0 ? event->len : 0;
	group->leaked += event->err != 0 ? event->leaked : 0;
	group->made += event->made;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct sf_trace_group *x = a;
	const struct sf_trace_group *y = b;

	if (x->made != y->made)
		return x->made > y->made ? -1 : 1;
	if (x->times != y->times)
		return x->times > y->times ? -1 : 1;
	return x->hash < y->hash ? -1 : x->hash > y->hash;
}

void sf_trace_groups_sort(struct sf_trace_groups *groups)
{
	if (groups->nr > 1)
		qsort(groups->group, groups->nr, sizeof(*groups->group),
		      compare);
}

void sf_trace_groups_free(struct sf_trace_groups *groups)
{
	free(groups->group);
	*groups = (struct sf_trace_groups){ 0 };
}
