// SPDX-License-Identifier: MIT
/* Names of groups, and who has a place; group_refused.c counts refused calls. */
#include "group.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "group_refused.h"

#define OTHER "other"

/* A group of this snapshot, before it has a place. */
struct candidate {
	const char *name;
	struct sf_group sum;
	struct sf_group *place; /* NULL: none yet */
};

/* A row, and the name of its group. */
struct named {
	const char *name;
	const struct sf_process *p;
	size_t candidate;
};

/*
 * Opening
 */

int sf_groups_open(struct sf_groups *groups, enum sf_group_by by, size_t max)
{
	*groups = (struct sf_groups){ .by = by, .max = max + 1 };
	groups->group = calloc(groups->max, sizeof(*groups->group));
	if (groups->group == NULL)
		return -ENOMEM;
	groups->group[0].name = strdup(OTHER);
	groups->nr = 1;
	groups->next_id = 1;
	return groups->group[0].name != NULL ? 0 : -ENOMEM;
}

void sf_groups_close(struct sf_groups *groups)
{
	for (size_t i = 0; i < groups->nr; i++)
		free(groups->group[i].name);
	for (size_t i = 0; i < groups->nr_rules; i++) {
		regfree(&groups->rule[i].regex);
		free(groups->rule[i].name);
	}
	free(groups->group);
	free(groups->rule);
	free(groups->member[0]);
	free(groups->member[1]);
	free(groups->seen.at);
	free(groups->next_seen.at);
	*groups = (struct sf_groups){ 0 };
}

static bool is_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] > '~')
			return false;
	}
	return len > 0;
}

int sf_groups_add_rule(struct sf_groups *groups, const char *text, char *why,
		       size_t why_len)
{
	const char *equals = strchr(text, '=');
	size_t len = equals != NULL ? (size_t)(equals - text) : 0;
	struct sf_group_rule *rule;
	int err;

	snprintf(why, why_len, "is not NAME=REGEX with a printable name");
	if (equals == NULL || !is_printable(text, len))
		return -EINVAL;
	snprintf(why, why_len, "does not fit in memory");
	rule = reallocarray(groups->rule, groups->nr_rules + 1, sizeof(*rule));
	if (rule == NULL)
		return -ENOMEM;
	groups->rule = rule;
	rule += groups->nr_rules;
	err = regcomp(&rule->regex, equals + 1, REG_EXTENDED | REG_NOSUB);
	if (err != 0) {
		regerror(err, &rule->regex, why, why_len);
		return -EINVAL;
	}
	rule->name = strndup(text, len);
	if (rule->name == NULL) {
		regfree(&rule->regex);
		return -ENOMEM;
	}
	groups->nr_rules++;
	return 0;
}

/*
 * Names
 */

static const char *name_by_rules(const struct sf_groups *groups,
				 const char *command, const char *cgroup)
{
	for (size_t i = 0; i < groups->nr_rules; i++) {
		const regex_t *regex = &groups->rule[i].regex;

		if (regexec(regex, command, 0, NULL, 0) == 0 ||
		    regexec(regex, cgroup, 0, NULL, 0) == 0)
			return groups->rule[i].name;
	}
	return OTHER;
}

const char *sf_group_name(const struct sf_groups *groups, const char *command,
			  const char *cgroup)
{
	switch (groups->by) {
	case SF_GROUP_CGROUP:
		return cgroup[0] != '\0' ? cgroup : OTHER;
	case SF_GROUP_REGEX:
		return name_by_rules(groups, command, cgroup);
	case SF_GROUP_COMM:
		break;
	}
	return command;
}

static int compare_names(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void add_sums(struct sf_group *to, const struct sf_group *from)
{
	to->nr += from->nr;
	to->mappings += from->mappings;
	to->rss_len += from->rss_len;
	to->tables_len += from->tables_len;
	to->largest = sf_max(to->largest, from->largest);
}

static void clear_sums(struct sf_group *group)
{
	group->nr = 0;
	group->mappings = 0;
	group->rss_len = 0;
	group->tables_len = 0;
	group->largest = 0;
	group->is_untold = false;
}

/* One candidate for each name; returns their number. */
static size_t make_candidates(struct named *named, size_t nr,
			      struct candidate *candidates)
{
	size_t last = 0;

	if (nr > 1)
		qsort(named, nr, sizeof(*named), compare_names);
	for (size_t i = 0; i < nr; i++) {
		const struct sf_process *p = named[i].p;
		struct sf_group one = {
			.nr = 1,
			.mappings = p->mappings,
			.rss_len = p->rss_len,
			.tables_len = p->tables_len,
			.largest = p->mappings,
		};

		if (i > 0 && strcmp(named[i].name, named[i - 1].name) != 0)
			last++;
		candidates[last].name = named[i].name;
		add_sums(&candidates[last].sum, &one);
		named[i].candidate = last;
	}
	return nr > 0 ? last + 1 : 0;
}

/*
 * Places
 */

struct sf_group *sf_group_find(struct sf_groups *groups, const char *name)
{
	for (size_t i = 0; i < groups->nr; i++) {
		if (strcmp(groups->group[i].name, name) == 0)
			return &groups->group[i];
	}
	return NULL;
}

/* Give a place to name. Whoever had it is in "other" from now on. */
static struct sf_group *take_place(struct sf_groups *groups,
				   struct sf_group *place, const char *name)
{
	char *copy = strdup(name);

	assert(groups->group != NULL); /* it is open */
	if (copy == NULL)
		return NULL;
	add_sums(&groups->group[0], place);
	groups->nr_folded += place->nr > 0;
	free(place->name);
	*place = (struct sf_group){ .name = copy, .id = groups->next_id++ };
	return place;
}

struct sf_group *sf_group_add(struct sf_groups *groups, const char *name)
{
	struct sf_group *place = sf_group_find(groups, name);

	if (place != NULL)
		return place;
	if (groups->nr < groups->max) {
		place = &groups->group[groups->nr];
		*place = (struct sf_group){ 0 };
		if (take_place(groups, place, name) != NULL)
			groups->nr++;
		return place->name != NULL ? place : NULL;
	}
	for (size_t i = 1; i < groups->nr; i++) {
		if (groups->group[i].nr == 0 && !groups->group[i].is_untold)
			return take_place(groups, &groups->group[i], name);
	}
	return &groups->group[0];
}

static struct sf_group *smallest(struct sf_groups *groups)
{
	struct sf_group *least = NULL;

	for (size_t i = 1; i < groups->nr; i++) {
		struct sf_group *group = &groups->group[i];

		if (least == NULL || group->largest < least->largest)
			least = group;
	}
	return least;
}

/* A place for one that has none: its own, or "other". NULL: no memory. */
static struct sf_group *place_for(struct sf_groups *groups,
				  const struct candidate *candidate)
{
	struct sf_group *place = sf_group_add(groups, candidate->name);
	struct sf_group *least = smallest(groups);

	if (place != &groups->group[0] || strcmp(candidate->name, OTHER) == 0)
		return place;
	if (least != NULL && candidate->sum.largest / 2 >= least->largest)
		return take_place(groups, least, candidate->name);
	groups->nr_folded++;
	return place;
}

static int compare_size(const void *a, const void *b)
{
	const struct candidate *const *x = a;
	const struct candidate *const *y = b;
	size_t size_x = (*x)->sum.largest, size_y = (*y)->sum.largest;

	if (size_x != size_y)
		return size_x < size_y ? 1 : -1;
	return strcmp((*x)->name, (*y)->name);
}

/* Groups without processes go, unless something is still to be told of them. */
static void drop_empty(struct sf_groups *groups)
{
	size_t nr = 1;

	for (size_t i = 1; i < groups->nr; i++) {
		struct sf_group *group = &groups->group[i];

		if (group->nr == 0 && !sf_group_was_refused(group))
			free(group->name);
		else
			groups->group[nr++] = *group;
	}
	groups->nr = nr;
}

/*
 * Those that have a place stay, then the others come, the largest first. order
 * has room for all. 0 or -ENOMEM.
 */
static int give_places(struct sf_groups *groups, struct candidate *candidates,
		       size_t nr, struct candidate **order)
{
	size_t nr_new = 0;

	groups->nr_folded = 0;
	for (size_t i = 0; i < groups->nr; i++)
		clear_sums(&groups->group[i]);
	for (size_t i = 0; i < nr; i++) {
		struct candidate *c = &candidates[i];
		struct sf_group *place = sf_group_find(groups, c->name);

		if (place != NULL)
			add_sums(place, &c->sum);
		else
			order[nr_new++] = c;
	}
	if (nr_new > 1)
		qsort(order, nr_new, sizeof(struct candidate *), compare_size);
	for (size_t i = 0; i < nr_new; i++) {
		struct sf_group *place = place_for(groups, order[i]);

		if (place == NULL)
			return -ENOMEM;
		add_sums(place, &order[i]->sum);
	}
	return 0;
}

/* Remember the group of each process, once the places are known. */
static int note_members(struct sf_groups *groups, const struct named *named,
			size_t nr, struct candidate *candidates)
{
	struct sf_group_member *member = calloc(nr + 1, sizeof(*member));

	if (member == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		struct candidate *c = &candidates[named[i].candidate];

		if (c->place == NULL)
			c->place = sf_group_find(groups, c->name);
		if (c->place == NULL)
			c->place = &groups->group[0];
		member[i] = (struct sf_group_member){ named[i].p->start,
						      c->place->id };
	}
	sf_group_set_members(groups, member, nr);
	return 0;
}

int sf_groups_update(struct sf_groups *groups, struct sf_processes *all)
{
	struct named *named = calloc(all->nr + 1, sizeof(*named));
	struct candidate *candidates = calloc(all->nr + 1, sizeof(*candidates));
	struct candidate **order = calloc(all->nr + 1,
					  sizeof(struct candidate *));
	int err = -ENOMEM;
	size_t nr;

	if (named != NULL && candidates != NULL && order != NULL) {
		for (size_t i = 0; i < all->nr; i++) {
			const struct sf_process *p = &all->row[i];

			named[i].p = p;
			named[i].name = sf_group_name(groups, p->command,
						      p->cgroup);
		}
		nr = make_candidates(named, all->nr, candidates);
		err = give_places(groups, candidates, nr, order);
		if (err == 0)
			err = note_members(groups, named, all->nr, candidates);
	}
	free(order);
	free(candidates);
	free(named);
	if (err == 0 && all->no_refused == NULL)
		err = sf_group_count_refused(groups, all);
	drop_empty(groups);
	return err;
}

size_t sf_group_headroom(const struct sf_group *group, size_t limit)
{
	return group->largest < limit ? limit - group->largest : 0;
}
