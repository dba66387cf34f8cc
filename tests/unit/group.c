// SPDX-License-Identifier: MIT
/* Who has a name, and whose refused calls are counted where. */
#include "group.h"

#include <stdio.h>
#include <string.h>

#include "count_proc.h"
#include "test.h"

/* What the kernel would tell. */
static struct sf_process row[4];
static struct sf_bpf_refusals refusals[4];
static size_t nr_refusals;
static struct sf_processes all = { .row = row, .limit = 65530 };
static struct sf_groups groups;

int sf_processes_read_refusals(struct sf_processes *processes,
			       int (*take)(void *arg,
					   const struct sf_bpf_refusals *r),
			       void *arg)
{
	int err = 0;

	(void)processes;
	for (size_t i = 0; err == 0 && i < nr_refusals; i++)
		err = take(arg, &refusals[i]);
	return err;
}

void sf_process_copy_name(char *to, size_t to_len, const char *from)
{
	snprintf(to, to_len, "%s", from);
}

/* One more process, which started at start. */
static void put(uint64_t start, const char *name, size_t mappings)
{
	struct sf_process *p = &row[all.nr++];

	*p = (struct sf_process){ .start = start,
				  .mappings = mappings,
				  .cgroup = "" };
	snprintf(p->command, sizeof(p->command), "%s", name);
}

/* So many of its calls of mmap() were refused, in all. */
static void refuse(uint64_t start, const char *name, unsigned nr)
{
	struct sf_bpf_refusals *r = refusals;

	while (r < refusals + nr_refusals && r->start != start)
		r++;
	if (r == refusals + nr_refusals)
		nr_refusals++;
	r->start = start;
	r->nr[SF_CALL_MMAP] = nr;
	snprintf(r->comm, sizeof(r->comm), "%s", name);
}

/* -1: there is no such group. */
static long refused(const char *name)
{
	for (size_t i = 0; i < groups.nr; i++)
		if (strcmp(groups.group[i].name, name) == 0)
			return (long)groups.group[i].refused[SF_CALL_MMAP][0];
	return -1;
}

static void a_lost_name_takes_its_count_along(void)
{
	CHECK_EQ(sf_groups_open(&groups, SF_GROUP_COMM, 1), 0);
	put(1, "small", 100);
	refuse(1, "small", 3);
	CHECK_EQ(sf_groups_update(&groups, &all), 0);
	CHECK_EQ(refused("small"), 3);
	put(2, "large", 1000);
	CHECK_EQ(sf_groups_update(&groups, &all), 0);
	CHECK_EQ(refused("small"), -1);
	CHECK_EQ(refused("large"), 0);
	/* Nothing was refused now, and nothing looks so. */
	CHECK_EQ(refused("other"), 0);
	refuse(1, "small", 5);
	refuse(2, "large", 7);
	CHECK_EQ(sf_groups_update(&groups, &all), 0);
	CHECK_EQ(refused("other"), 2);
	CHECK_EQ(refused("large"), 7);
	sf_groups_close(&groups);
}

static void what_was_never_told_is_not_lost(void)
{
	CHECK_EQ(sf_groups_open(&groups, SF_GROUP_COMM, 1), 0);
	refuse(1, "one", 3);
	refuse(2, "two", 4);
	CHECK_EQ(sf_groups_update(&groups, &all), 0);
	CHECK_EQ(refused("one"), 3);
	CHECK_EQ(refused("other"), 4);
	/* Told once, its place may be taken. */
	refuse(3, "three", 5);
	CHECK_EQ(sf_groups_update(&groups, &all), 0);
	CHECK_EQ(refused("three"), 5);
	CHECK_EQ(refused("other"), 4);
	sf_groups_close(&groups);
}

static void the_count_of_an_ended_process_stays(void)
{
	CHECK_EQ(sf_groups_open(&groups, SF_GROUP_COMM, 2), 0);
	put(1, "one", 100);
	refuse(1, "one", 3);
	CHECK_EQ(sf_groups_update(&groups, &all), 0);
	all.nr = 0;
	refuse(1, "one", 4);
	CHECK_EQ(sf_groups_update(&groups, &all), 0);
	CHECK_EQ(sf_groups_update(&groups, &all), 0);
	CHECK_EQ(refused("one"), 4);
	sf_groups_close(&groups);
}

static const struct test tests[] = {
	{ "a lost name takes its count along",
	  a_lost_name_takes_its_count_along },
	{ "what was never told is not lost", what_was_never_told_is_not_lost },
	{ "the count of an ended process stays",
	  the_count_of_an_ended_process_stays },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
