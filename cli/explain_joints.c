// SPDX-License-Identifier: MIT
/*
 * What keeps neighbours apart. The kernel merges two mappings when nothing
 * differs: protection, flags, name, file and offset, and the anon_vma that
 * each got when it was first touched. The first thing that differs is named;
 * what can't be seen is concluded from everything else being alike.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"

#define HOLE_LEN ((uint64_t)1 << 30) /* more is no hole but elsewhere */

static const struct {
	const char *key;
	const char *text;
} causes[SF_NR_CAUSES] = {
	[SF_CAUSE_PROTECTION] = { "protection", "protection" },
	[SF_CAUSE_FLAGS] = { "flags", "flags" },
	[SF_CAUSE_NAME] = { "name", "name" },
	[SF_CAUSE_SHARING] = { "sharing", "private or shared" },
	[SF_CAUSE_OFFSET] = { "offset", "offset in the file" },
	[SF_CAUSE_ANON_VMA] = { "anon_vma", "anon_vma" },
	[SF_CAUSE_HOLE] = { "hole", "a hole" },
};

const char *sf_cause_key(enum sf_cause cause)
{
	return causes[cause].key;
}

const char *sf_cause_text(enum sf_cause cause)
{
	return causes[cause].text;
}

/* Memory of the process's own, whatever it is used for. */
static bool is_anon(const struct sf_vma *vma)
{
	switch (vma->kind) {
	case SF_KIND_HEAP:
	case SF_KIND_ANON:
	case SF_KIND_THREAD_STACK:
	case SF_KIND_FIBER_STACK:
	case SF_KIND_GUARD:
	case SF_KIND_RESERVED:
		return true;
	default:
		return false;
	}
}

static bool is_same_file(const struct sf_vma *low, const struct sf_vma *high)
{
	return low->inode != 0 && low->inode == high->inode &&
	       low->dev == high->dev;
}

bool sf_explain_may_merge(const struct sf_vma *low, const struct sf_vma *high)
{
	return low->end == high->start &&
	       ((is_anon(low) && is_anon(high)) || is_same_file(low, high));
}

/* Flags that follow from the protection, or keep nothing apart. */
static bool is_flag_of_no_weight(const char *flag)
{
	static const char none[] = "rd wr ex sh mr mw me ms gd sd gu ";

	for (const char *at = none; *at != '\0'; at += 3)
		if (strncmp(at, flag, 2) == 0)
			return true;
	return false;
}

/* Append to text the flags that a has and b has not. */
static void put_flags(char *text, const char *a, const char *b)
{
	for (; strlen(a) >= 2; a += a[2] == ' ' ? 3 : 2) {
		const char *at = b;
		size_t len = strlen(text);

		while (strlen(at) >= 2 && strncmp(at, a, 2) != 0)
			at += at[2] == ' ' ? 3 : 2;
		if (strlen(at) < 2 && !is_flag_of_no_weight(a))
			snprintf(text + len, SF_DETAIL_LEN - len, "%s%.2s",
				 len > 0 ? " " : "", a);
	}
}

static void describe_protection(char *text, const struct sf_vma *low,
				const struct sf_vma *high)
{
	char a[5];
	char b[5];

	if (low->kind == SF_KIND_LIBRARY)
		snprintf(text, SF_DETAIL_LEN, "parts of a program or library");
	else
		snprintf(text, SF_DETAIL_LEN, "%s %s beside %s %s",
			 sf_kind_name(low->kind), sf_mappings_prot(low, a),
			 sf_kind_name(high->kind), sf_mappings_prot(high, b));
}

/* The first thing that differs, and words for it. */
static enum sf_cause find_cause(const struct sf_vma *low,
				const struct sf_vma *high, char *text)
{
	text[0] = '\0';
	if (low->prot != high->prot) {
		describe_protection(text, low, high);
		return SF_CAUSE_PROTECTION;
	}
	snprintf(text, SF_DETAIL_LEN, "%s", sf_kind_name(low->kind));
	if (low->shared != high->shared)
		return SF_CAUSE_SHARING;
	if (low->inode != 0 && low->offset + low->len != high->offset)
		return SF_CAUSE_OFFSET;
	if (low->inode == 0 && strcmp(low->name, high->name) != 0 &&
	    (low->name[0] != '[' || low->name[1] == 'a') &&
	    (high->name[0] != '[' || high->name[1] == 'a'))
		return SF_CAUSE_NAME;
	text[0] = '\0';
	put_flags(text, low->flags, high->flags);
	put_flags(text, high->flags, low->flags);
	if (text[0] != '\0')
		return SF_CAUSE_FLAGS;
	snprintf(text, SF_DETAIL_LEN, "%s", sf_kind_name(low->kind));
	return SF_CAUSE_ANON_VMA;
}

/* One more pair. Those that find no room are in the sum only. */
static void note(struct sf_explanation *out, enum sf_cause cause,
		 const char *detail, uint64_t addr)
{
	struct sf_explain_joint *joint = out->joints;
	size_t i = 0;

	while (i < out->nr_joints && (joint[i].cause != cause ||
				      strcmp(joint[i].detail, detail) != 0))
		i++;
	if (i == SF_JOINTS_MAX)
		return;
	if (i == out->nr_joints) {
		out->nr_joints++;
		joint[i].cause = cause;
		joint[i].first = addr;
		snprintf(joint[i].detail, SF_DETAIL_LEN, "%s", detail);
	}
	joint[i].nr++;
}

static int by_number(const void *a, const void *b)
{
	const struct sf_explain_joint *x = a;
	const struct sf_explain_joint *y = b;

	if (x->nr != y->nr)
		return x->nr > y->nr ? -1 : 1;
	return x->first < y->first ? -1 : 1;
}

void sf_explain_joints(struct sf_explanation *out,
		       const struct sf_mappings *all)
{
	char detail[SF_DETAIL_LEN];

	for (size_t i = 1; i < all->nr; i++) {
		const struct sf_vma *low = &all->vma[i - 1];
		const struct sf_vma *high = &all->vma[i];

		if (sf_explain_may_merge(low, high)) {
			enum sf_cause cause = find_cause(low, high, detail);

			note(out, cause, detail, high->start);
			out->nr_pairs++;
		} else if (low->kind == SF_KIND_ANON &&
			   high->kind == SF_KIND_ANON &&
			   low->prot == high->prot && low->end != high->start &&
			   high->start - low->end < HOLE_LEN) {
			note(out, SF_CAUSE_HOLE, "anonymous", low->end);
		}
	}
	qsort(out->joints, out->nr_joints, sizeof(*out->joints), by_number);
}
