// SPDX-License-Identifier: MIT
/* mremap() in the model. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "model_range.h"

#define DONTUNMAP 4

/* Note that the pages of from are now at to, whose rest is new and zero. */
static void set_moved(struct model_world *w, struct range from, struct range to)
{
	static __thread struct model_page pages[MODEL_LARGE + 2 * MODEL_SMALL];
	size_t nr = from.nr < to.nr ? from.nr : to.nr;
	uint32_t id = ++w->next_id;

	for (size_t i = 0; i < nr; i++)
		pages[i] = *range_page(w, from, i);
	range_set_free(w, from);
	for (size_t i = 0; i < to.nr; i++) {
		struct model_page *page = range_page(w, to, i);
		uintptr_t number = page->number;

		*page = pages[i < nr ? i : 0];
		page->number = number;
		page->id = id;
		if (i >= nr) {
			page->byte = 0;
			page->maybe = false;
		}
	}
}

void model_shrink(struct model_world *w)
{
	struct range r;
	struct range rest;
	size_t nr;
	char *p;

	if (!range_pick_run(w, &r) || r.nr == 1)
		return;
	nr = 1 + model_pick(w, r.nr - 1);
	rest = (struct range){ r.addr + nr * test_page(), r.nr - nr };
	model_trace(w, "shrink %p from %zu to %zu pages", (void *)r.addr, r.nr,
		    nr);
	errno = ERRNO_KEPT;
	p = mremap(r.addr, r.nr * test_page(), nr * test_page(), 0);
	range_expect(w, p == MAP_FAILED ? -1 : 0, 0);
	if (!w->failed && p != r.addr)
		model_fail(w, "it moved to %p", (void *)p);
	range_set_free(w, rest);
}

/* In place, where the pages behind are free, or to any place. */
void model_grow(struct model_world *w)
{
	struct range r;
	struct range to;
	bool may_move = model_pick(w, 2) == 0;

	if (!range_pick_run(w, &r) || range_page(w, r, 0)->kind != MODEL_ANON ||
	    w->nr_areas >= MODEL_AREAS - 1 || r.nr > MODEL_LARGE)
		return;
	to.nr = r.nr + model_pick(w, MODEL_SMALL);
	errno = ERRNO_KEPT;
	to.addr = mremap(r.addr, r.nr * test_page(), to.nr * test_page(),
			 may_move ? MREMAP_MAYMOVE : 0);
	model_trace(w, "%p = grow %p from %zu to %zu pages%s", (void *)to.addr,
		    (void *)r.addr, r.nr, to.nr, may_move ? ", may move" : "");
	if (!may_move && to.addr == MAP_FAILED && errno == ENOMEM)
		return;
	range_expect(w, to.addr == MAP_FAILED ? -1 : 0, 0);
	if (w->failed)
		return;
	if (!may_move && to.addr != r.addr)
		model_fail(w, "it moved to %p", (void *)to.addr);
	range_set_free(w, r);
	if (range_in_use(w, to))
		model_fail(w, "%p, %zu pages, is in use", (void *)to.addr,
			   to.nr);
	set_moved(w, r, to);
	for (size_t i = 0; i < to.nr; i++)
		range_page(w, to, i)->mapped = true;
	model_add_area(w, to.addr, to.nr);
}

static bool overlap(struct range a, struct range b)
{
	return a.addr < range_end(b) && b.addr < range_end(a);
}

/* To a given place; now and then the old range stays, empty. */
void model_move(struct model_world *w)
{
	struct range r;
	struct range to;
	bool stays = model_pick(w, 3) == 0;
	char *p;

	if (!range_pick_run(w, &r) || !range_pick(w, &to))
		return;
	/* Linux forgets to take a lock that stays off its count (VmLck). */
	stays = stays && range_page(w, r, 0)->kind == MODEL_ANON &&
		!range_page(w, r, 0)->locked;
	if (to.nr > r.nr)
		to.nr = r.nr;
	if (stays)
		r.nr = to.nr;
	/* All of the place must be known. */
	for (size_t i = 0; i < to.nr; i++)
		if (w->shared && !range_page(w, to, i)->mapped)
			return;
	if (overlap(r, to))
		return;
	model_trace(w, "move %p, %zu pages, to %p, %zu pages%s", (void *)r.addr,
		    r.nr, (void *)to.addr, to.nr, stays ? ", and stay" : "");
	errno = ERRNO_KEPT;
	p = mremap(r.addr, r.nr * test_page(), to.nr * test_page(),
		   MREMAP_MAYMOVE | MREMAP_FIXED | (stays ? DONTUNMAP : 0),
		   to.addr);
	range_expect(w, p == MAP_FAILED ? -1 : 0, 0);
	if (w->failed)
		return;
	if (p != to.addr)
		model_fail(w, "it is at %p", (void *)p);
	set_moved(w, r, to);
	if (!stays)
		return;
	for (size_t i = 0; i < r.nr; i++) {
		struct model_page *page = range_page(w, r, i);

		page->mapped = true;
		page->byte = 0;
		page->maybe = false;
		page->locked = false;
	}
	range_renumber(w, r, r.nr);
}
