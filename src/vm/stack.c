// SPDX-License-Identifier: MIT
/* Stacks and their guards, see stack.h. */
#include "vm/stack.h"

#include <errno.h>

#include "base/log.h"
#include "base/option.h"
#include "os/probe.h"
#include "vm/account.h"
#include "vm/keep.h"
#include "vm/pin.h"
#include "vm/state.h"

static struct sf_extent body_of(const struct sf_extent *whole)
{
	return (struct sf_extent){ whole->region, whole->first + 1,
				   whole->nr - 1 };
}

static struct sf_extent whole_of(const struct sf_extent *body)
{
	return (struct sf_extent){ body->region, body->first - 1,
				   body->nr + 1 };
}

static unsigned planes_of(struct sf_region *region, size_t page)
{
	unsigned planes;

	sf_region_lock(region);
	planes = sf_tree_planes(&region->tree, page);
	sf_region_unlock(region);
	return planes;
}

/*
 * Have a marker on the page before a fresh stack, or surely none, and say so in
 * its bits: they may have said "perhaps", from when the page was free. 1: there
 * is one, 0: none can be had, -ENOMEM: neither marking nor unmarking worked.
 */
static int make_guard(const struct sf_extent *body)
{
	struct sf_region *region = body->region;
	size_t page = body->first - 1;
	uintptr_t addr = sf_region_addr(region, page);
	bool marked = sf_option(SF_OPTION_TRAP) &&
		      sf_page_mark(addr, sf_page_size) == 0;

	if (!marked && sf_page_unmark(addr, sf_page_size) != 0)
		return -ENOMEM;
	sf_region_lock(region);
	if (marked)
		sf_tree_set(&region->tree, page, 1, SF_MARKED);
	else
		sf_tree_clear(&region->tree, page, 1, SF_MARKED);
	sf_region_unlock(region);
	return marked;
}

/* Release a body that nobody else knows of, and the page before it. */
static void release(const char *call, const struct sf_extent *body)
{
	struct sf_extent whole = whole_of(body);

	sf_extent_unlive(call, body);
	sf_extent_release_kept(&whole, SF_MARKED);
	sf_extent_end(body);
}

/* A stack that was not kept. 1: guarded, 0: without guard, or -errno. */
static int map_fresh(size_t nr, struct sf_extent *body)
{
	int err = sf_extent_map(SF_REGION_NORMAL, nr, sf_page_size,
				SF_EXTENT_GAP | SF_EXTENT_UNPINNED, body);

	if (err != 0 || !sf_probe_has(SF_FEATURE_GUARD))
		return err;
	err = make_guard(body);
	if (err < 0)
		release("surefree_stack_map", body);
	return err;
}

int sf_stack_map(size_t nr, struct sf_extent *body, bool *guarded)
{
	struct sf_extent whole;
	int got;

	sf_keep_prepare();
	if (sf_keep_take_stack(nr + 1, &whole)) {
		*body = body_of(&whole);
		got = (planes_of(whole.region, whole.first) & SF_MARKED) != 0;
	} else {
		got = map_fresh(nr, body);
	}
	if (got < 0)
		return got;
	*guarded = got != 0;
	if (!*guarded)
		sf_count(SF_COUNT_GUARDS_MISSING, 1);
	return 0;
}

void sf_stack_pin(const struct sf_extent *part)
{
	if (sf_region_is_pinned(part->region))
		sf_pin_run(part->region, part->first, part->nr);
}

/* A stack's body has a taken page before it that nobody owns. */
static void check_is_stack(const char *call, const struct sf_extent *body)
{
	unsigned planes = body->first > 0 ?
				  planes_of(body->region, body->first - 1) :
				  0;

	if ((planes & (SF_TAKEN | SF_LIVE)) != SF_TAKEN)
		sf_fatal("%s(%p, %zu): not a stack, or already released", call,
			 (void *)sf_extent_addr(body), sf_extent_len(body));
}

static bool keep(const struct sf_extent *whole, size_t top_len)
{
	return top_len > 0 ? sf_keep_put_stack_top(whole, top_len) :
			     sf_keep_put_stack(whole);
}

void sf_stack_unmap(const char *call, const struct sf_extent *body)
{
	sf_stack_unmap_top(call, body, 0);
}

void sf_stack_unmap_top(const char *call, const struct sf_extent *body,
			size_t top_len)
{
	struct sf_extent whole = whole_of(body);
	unsigned planes;

	check_is_stack(call, body);
	planes = sf_extent_unlive(call, body);
	/* Part of it was made inaccessible: not for the next to find. */
	if (planes != 0 || !keep(&whole, top_len))
		sf_extent_release_kept(&whole, planes);
	sf_extent_end(body);
}

uintptr_t sf_stack_find(uintptr_t addr)
{
	struct sf_region *region = sf_state_find(addr, 1);
	size_t page;
	size_t before;

	if (region == NULL || region->kind != SF_REGION_NORMAL)
		return 0;
	sf_region_lock(region);
	page = sf_region_page(region, addr);
	before = sf_tree_prev(&region->tree, page + 1, SF_LIVE, false);
	sf_region_unlock(region);
	/* Page 0 is no stack's: each has a page before it. */
	if (before == page || before == SF_NONE)
		return 0;
	return sf_region_addr(region, before + 1);
}
