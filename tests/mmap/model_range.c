// SPDX-License-Identifier: MIT
/* Picking ranges, and what is common to the calls of the model. */
#include "model_range.h"

#include <errno.h>
#include <string.h>

struct model_page *range_page(struct model_world *w, struct range r, size_t i)
{
	return model_page(w, r.addr + i * test_page());
}

char *range_end(struct range r)
{
	return r.addr + r.nr * test_page();
}

bool range_pick(struct model_world *w, struct range *r)
{
	struct model_area *area;
	size_t first;

	if (w->nr_areas == 0)
		return false;
	area = &w->areas[model_pick(w, w->nr_areas)];
	first = model_pick(w, area->nr);
	r->addr = area->addr + first * test_page();
	r->nr = 1 + model_pick(w, area->nr - first);
	if (model_pick(w, 3) == 0 && r->nr > 4)
		r->nr = 1 + model_pick(w, 4);
	if (!w->shared)
		return true;
	for (size_t i = 0; i < r->nr; i++)
		if (!range_page(w, *r, i)->mapped)
			r->nr = i;
	return r->nr > 0;
}

bool range_pick_run(struct model_world *w, struct range *r)
{
	uint32_t id;

	if (!range_pick(w, r) || !range_page(w, *r, 0)->mapped)
		return false;
	id = range_page(w, *r, 0)->id;
	for (size_t i = 1; i < r->nr; i++)
		if (!range_page(w, *r, i)->mapped ||
		    range_page(w, *r, i)->id != id)
			r->nr = i;
	return true;
}

void range_renumber(struct model_world *w, struct range r, size_t end)
{
	uint32_t before = 0;

	for (size_t i = 0; i < end; i++) {
		struct model_page *page = range_page(w, r, i);

		if (!page->mapped)
			continue;
		if (page->id != before)
			w->next_id++;
		before = page->id;
		page->id = w->next_id;
	}
	w->next_id++;
}

void range_expect(struct model_world *w, long result, int err)
{
	int got = result == -1 ? errno : 0;

	if (got != err)
		model_fail(w, "errno %d (%s), not %d (%s)", got,
			   got == 0 ? "success" : strerror(got), err,
			   err == 0 ? "success" : strerror(err));
	else if (err == 0 && errno != ERRNO_KEPT)
		model_fail(w, "errno was changed to %d", errno);
}

void range_set_free(struct model_world *w, struct range r)
{
	for (size_t i = 0; i < r.nr; i++)
		range_page(w, r, i)->mapped = false;
}

bool range_in_use(struct model_world *w, struct range r)
{
	for (size_t i = 0; i < r.nr; i++)
		if (range_page(w, r, i)->mapped)
			return true;
	return false;
}
