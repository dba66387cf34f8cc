// SPDX-License-Identifier: MIT
/* The table of pages, and the checks made with it. */
#include "model.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pages.h"

#define NR_SAMPLES 6

void model_init(struct model_world *w, uint64_t seed, bool shared)
{
	memset(w, 0, sizeof(*w));
	w->rng = test_rng(seed);
	w->seed = seed;
	w->shared = shared;
	w->next_id = 1;
	w->trace = getenv("MODEL_TRACE") != NULL;
	w->without = getenv("MODEL_WITHOUT");
}

void model_fail(struct model_world *w, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!w->failed)
		FAIL("TEST_SEED=0x%llx%s, step %zu, %s: %s",
		     (unsigned long long)w->seed, w->child ? ", child" : "",
		     w->step, w->op, text);
	w->failed = true;
}

void model_trace(const struct model_world *w, const char *format, ...)
{
	char text[256];
	va_list args;

	if (!w->trace)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	test_say("%s%zu %s", w->child ? "child " : "", w->step, text);
}

size_t model_pick(struct model_world *w, size_t n)
{
	return (size_t)test_rand_below(&w->rng, n);
}

static struct model_page *find(struct model_world *w, uintptr_t number)
{
	size_t at = (size_t)(number * 0x9e3779b97f4a7c15u >> 40);

	for (;; at++) {
		struct model_page *page = &w->pages[at % MODEL_SLOTS];

		if (page->number == number || page->number == 0)
			return page;
	}
}

/* Make a new table of what is mapped. */
static void drop_free_pages(struct model_world *w)
{
	static struct model_page kept[MODEL_SLOTS];
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	size_t nr = 0;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < MODEL_SLOTS; i++)
		if (w->pages[i].number != 0 && w->pages[i].mapped)
			kept[nr++] = w->pages[i];
	memset(w->pages, 0, sizeof(w->pages));
	for (size_t i = 0; i < nr; i++)
		*find(w, kept[i].number) = kept[i];
	w->nr_slots = nr;
	pthread_mutex_unlock(&lock);
}

struct model_page *model_page(struct model_world *w, const char *addr)
{
	uintptr_t number = (uintptr_t)addr / test_page();
	struct model_page *page = find(w, number);

	if (page->number == 0) {
		page->number = number;
		w->nr_slots++;
	}
	return page;
}

void model_add_area(struct model_world *w, char *addr, size_t nr)
{
	if (w->nr_slots > MODEL_SLOTS / 2)
		drop_free_pages(w);
	w->areas[w->nr_areas++] = (struct model_area){ addr, nr };
}

static bool any_mapped(struct model_world *w, const struct model_area *area)
{
	for (size_t i = 0; i < area->nr; i++)
		if (model_page(w, area->addr + i * test_page())->mapped)
			return true;
	return false;
}

void model_drop_areas(struct model_world *w)
{
	for (size_t i = w->nr_areas; i > 0; i--)
		if (!any_mapped(w, &w->areas[i - 1]))
			w->areas[i - 1] = w->areas[--w->nr_areas];
}

static void check_byte(struct model_world *w, struct model_page *page,
		       char *addr)
{
	int byte = pages_byte(addr);

	if (page->maybe && byte == 0)
		return;
	if (byte != page->byte)
		model_fail(w, "%p holds %d, not %d%s", (void *)addr, byte,
			   page->byte, page->maybe ? " or 0" : "");
}

void model_check_page(struct model_world *w, char *addr)
{
	struct model_page *page = model_page(w, addr);
	enum pages_access access;
	enum pages_access wanted = PAGES_NONE;

	if (!page->mapped) {
		if (!w->shared && pages_mapped(addr))
			model_fail(w, "%p is mapped", (void *)addr);
		return;
	}
	if (page->prot & PROT_WRITE)
		wanted = PAGES_WRITE;
	else if (page->prot & PROT_READ)
		wanted = PAGES_READ;
	access = pages_access(addr);
	if (access != wanted)
		model_fail(w, "%p has access %d, not %d", (void *)addr, access,
			   wanted);
	else if (access != PAGES_NONE)
		check_byte(w, page, addr);
}

void model_check_some(struct model_world *w)
{
	for (int i = 0; i < NR_SAMPLES && w->nr_areas > 0; i++) {
		struct model_area *area = &w->areas[model_pick(w, w->nr_areas)];

		model_check_page(w, area->addr + model_pick(w, area->nr) *
							 test_page());
	}
}

/* Say of one page why the count of what is locked is wrong. */
static void fail_locked(struct model_world *w, size_t nr)
{
	char text[8];

	for (size_t i = 0; i < MODEL_SLOTS; i++) {
		struct model_page *page = &w->pages[i];
		char *addr = (char *)(page->number * test_page());

		if (addr == NULL)
			continue;
		pages_flags(addr, " lo ", text, sizeof(text));
		if ((text[0] != '\0') != (page->mapped && page->locked))
			model_fail(w, "%p is %slocked", (void *)addr,
				   text[0] != '\0' ? "" : "not ");
	}
	model_fail(w, "%zu pages are locked, not %zu",
		   test_status("VmLck") / test_page(), nr);
}

void model_check_all(struct model_world *w)
{
	size_t nr_locked = 0;

	for (size_t i = 0; i < MODEL_SLOTS && !w->failed; i++) {
		struct model_page *page = &w->pages[i];

		if (page->number == 0)
			continue;
		model_check_page(w, (char *)(page->number * test_page()));
		nr_locked += page->mapped && page->locked;
	}
	if (!w->shared && !w->failed &&
	    nr_locked * test_page() != test_status("VmLck"))
		fail_locked(w, nr_locked);
}

void model_become_child(struct model_world *w)
{
	w->child = true;
	for (size_t i = 0; i < MODEL_SLOTS; i++) {
		struct model_page *page = &w->pages[i];

		page->locked = false;
		if (page->dontfork)
			page->mapped = false;
		if (page->wipe)
			page->byte = 0;
	}
}

void model_end(struct model_world *w)
{
	w->op = "the end";
	for (size_t i = 0; i < MODEL_SLOTS; i++) {
		char *addr = (char *)(w->pages[i].number * test_page());

		if (addr == NULL || !w->pages[i].mapped)
			continue;
		if (munmap(addr, test_page()) != 0)
			model_fail(w, "%p can't be unmapped", (void *)addr);
		w->pages[i].mapped = false;
	}
	w->nr_areas = 0;
}
