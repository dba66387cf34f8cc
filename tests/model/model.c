// SPDX-License-Identifier: MIT
/*
 * The records of the reference model and the checks made with them.
 *
 * A page's pattern is a number that is written to a few words of the page,
 * each mixed with the word's position, so that a page that moved to the wrong
 * place, or kept its contents when it must not, is seen. Pages without a
 * pattern must be zero from end to end.
 */
#include "model.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "surefree.h"

#define CHUNK_PAGES   512u
#define WORDS_WRITTEN 4u

struct model_chunk {
	uintptr_t key; /* address / (page length * CHUNK_PAGES) */
	struct model_page pages[CHUNK_PAGES];
};

void model_fail(const struct model *m, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "model: seed %llu, operation %llu (%s): ",
		(unsigned long long)m->seed, (unsigned long long)m->nr_ops,
		m->op ? m->op : "-");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

/* splitmix64: a different good number for each x. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

size_t model_pick(struct model *m, size_t n)
{
	uint64_t value = 0;
	size_t left = n - 1;

	if (n <= 1)
		return 0;
	if (m->data == NULL) {
		m->random += 0x9e3779b97f4a7c15u;
		return (size_t)(mix(m->random) % n);
	}
	for (; left > 0 && m->data_len > 0; left >>= 8) {
		value = value << 8 | *m->data++;
		m->data_len--;
	}
	return (size_t)(value % n);
}

static struct model_chunk **find_slot(const struct model *m, uintptr_t key)
{
	size_t at = (size_t)mix(key) & (m->nr_slots - 1);

	while (m->chunks[at] != NULL && m->chunks[at]->key != key)
		at = (at + 1) & (m->nr_slots - 1);
	return &m->chunks[at];
}

static void *model_calloc(const struct model *m, size_t nr, size_t len)
{
	void *p = calloc(nr, len);

	MODEL_CHECK(m, p != NULL, "the model itself is out of memory");
	return p;
}

static void grow_table(struct model *m)
{
	struct model_chunk **old = m->chunks;
	size_t nr_old = m->nr_slots;

	m->nr_slots = nr_old ? nr_old * 2 : 1024;
	m->chunks = model_calloc(m, m->nr_slots, sizeof(struct model_chunk *));
	for (size_t i = 0; i < nr_old; i++)
		if (old[i] != NULL)
			*find_slot(m, old[i]->key) = old[i];
	free(old);
}

struct model_page *model_page(struct model *m, const char *addr)
{
	uintptr_t nr = (uintptr_t)addr / m->page_len;
	uintptr_t key = nr / CHUNK_PAGES;
	struct model_chunk **slot;

	if (m->nr_chunks * 2 >= m->nr_slots)
		grow_table(m);
	slot = find_slot(m, key);
	if (*slot == NULL) {
		*slot = model_calloc(m, 1, sizeof(struct model_chunk));
		(*slot)->key = key;
		m->nr_chunks++;
		for (size_t i = 0; i < CHUNK_PAGES; i++)
			(*slot)->pages[i].range = MODEL_NONE;
	}
	return &(*slot)->pages[nr % CHUNK_PAGES];
}

void model_init(struct model *m, const uint8_t *data, size_t data_len,
		uint64_t seed)
{
	memset(m, 0, sizeof(*m));
	m->data = data;
	m->data_len = data_len;
	m->random = seed;
	m->seed = seed;
	m->page_len = (size_t)sysconf(_SC_PAGESIZE);
	m->has_guard = madvise(NULL, 0, 102) == 0; /* MADV_GUARD_INSTALL */
	m->trace = getenv("MODEL_TRACE") != NULL;
	m->view_fd = -1;
}

static bool counts_as_live(enum model_kind kind)
{
	return kind == MODEL_LIVE || kind == MODEL_GUARD || kind == MODEL_STACK;
}

struct model_range *model_add(struct model *m, char *addr, size_t nr,
			      enum model_kind kind)
{
	uint32_t index = m->nr_ranges++;
	struct model_range *range = &m->ranges[index];

	*range = (struct model_range){ .addr = addr, .nr_pages = nr };
	for (size_t i = 0; i < nr; i++) {
		struct model_page *page;

		page = model_page(m, addr + i * m->page_len);
		MODEL_CHECK(m, page->kind == MODEL_FREE,
			    "%p handed out, but page %zu of it is in use (%d)",
			    (void *)addr, i, page->kind);
		page->kind = (uint8_t)kind;
		page->range = index;
		page->seed = 0;
	}
	if (counts_as_live(kind))
		m->nr_live += nr;
	return range;
}

/* Give the pages of range `index` that number. */
static void renumber(struct model *m, uint32_t index)
{
	struct model_range *range = &m->ranges[index];

	for (size_t i = 0; i < range->nr_pages; i++)
		model_page(m, range->addr + i * m->page_len)->range = index;
}

static void drop_range(struct model *m, uint32_t index)
{
	uint32_t last = --m->nr_ranges;

	if (index == last)
		return;
	m->ranges[index] = m->ranges[last];
	renumber(m, index);
}

/* Take [addr, +nr), which lies within range `index`, out of that range. */
static void cut_range(struct model *m, uint32_t index, char *addr, size_t nr)
{
	struct model_range *range = &m->ranges[index];
	size_t head = (size_t)(addr - range->addr) / m->page_len;
	size_t tail = range->nr_pages - head - nr;

	if (head == 0 && tail == 0) {
		drop_range(m, index);
	} else if (head == 0) {
		range->addr += nr * m->page_len;
		range->nr_pages = tail;
	} else {
		range->nr_pages = head;
		if (tail > 0) {
			struct model_range *rest = &m->ranges[m->nr_ranges];

			MODEL_CHECK(m, m->nr_ranges < MODEL_MAX_RANGES,
				    "too many ranges for the model");
			*rest = *range;
			rest->addr = addr + nr * m->page_len;
			rest->nr_pages = tail;
			renumber(m, m->nr_ranges++);
		}
	}
}

/* Take [addr, +nr), which may lie in several ranges, out of them. */
static void remove_pages(struct model *m, char *addr, size_t nr)
{
	char *end = addr + nr * m->page_len;

	while (addr < end) {
		struct model_page *page = model_page(m, addr);
		struct model_range *range;
		uint32_t index = page->range;
		char *stop;
		size_t nr_here;

		MODEL_CHECK(m, index != MODEL_NONE, "model lost page %p",
			    (void *)addr);
		range = &m->ranges[index];
		stop = range->addr + range->nr_pages * m->page_len;
		if (stop > end)
			stop = end;
		nr_here = (size_t)(stop - addr) / m->page_len;
		for (char *p = addr; p < stop; p += m->page_len) {
			page = model_page(m, p);
			if (counts_as_live(page->kind))
				m->nr_live--;
			page->kind = MODEL_FREE;
			page->range = MODEL_NONE;
			page->seed = 0;
		}
		cut_range(m, index, addr, nr_here);
		addr = stop;
	}
}

/* Free a guard page at addr when nothing is mapped at other, beyond it. */
static void free_edge(struct model *m, char *addr, const char *other)
{
	if (model_page(m, addr)->kind == MODEL_EDGE &&
	    !counts_as_live(model_page(m, other)->kind))
		remove_pages(m, addr, 1);
}

void model_remove(struct model *m, char *addr, size_t nr)
{
	size_t page = m->page_len;
	char *end = addr + nr * page;

	remove_pages(m, addr, nr);
	free_edge(m, addr - page, addr - 2 * page);
	free_edge(m, end, end + page);
}

bool model_is_guard(struct model *m, const struct model_range *r)
{
	unsigned kind = model_page(m, r->addr)->kind;

	return kind == MODEL_EDGE || kind == MODEL_STACK_GUARD;
}

void model_remove_stack(struct model *m, const struct model_range *r)
{
	char *addr = r->addr;
	size_t guard_len = r->guard_len;

	model_remove(m, addr, r->nr_pages);
	if (guard_len > 0)
		model_remove(m, addr - guard_len, guard_len / m->page_len);
}

/* The position of the i-th word that carries the pattern. */
static size_t word_at(const struct model *m, uint64_t seed, size_t i)
{
	size_t nr_words = m->page_len / sizeof(uint64_t);

	if (i == 0)
		return 0;
	if (i == WORDS_WRITTEN - 1)
		return nr_words - 1;
	return (size_t)(mix(seed + i) % nr_words);
}

void model_write(struct model *m, char *addr)
{
	struct model_page *page = model_page(m, addr);
	uint64_t *words = (uint64_t *)(void *)addr;

	m->random++;
	if (page->seed != 0) /* words of the old pattern must not stay */
		memset(addr, 0, m->page_len);
	page->seed = mix(m->random ^ (uintptr_t)addr) | 1;
	for (size_t i = 0; i < WORDS_WRITTEN; i++) {
		size_t at = word_at(m, page->seed, i);

		words[at] = page->seed ^ at;
	}
}

bool model_readable(const char *addr)
{
	char byte;
	struct iovec to = { .iov_base = &byte, .iov_len = 1 };
	struct iovec from = { .iov_base = (void *)(uintptr_t)addr,
			      .iov_len = 1 };

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1;
}

static void check_zero(struct model *m, const char *addr)
{
	const uint64_t *words = (const uint64_t *)(const void *)addr;

	for (size_t i = 0; i < m->page_len / sizeof(uint64_t); i++)
		MODEL_CHECK(m, words[i] == 0,
			    "%p reads %#llx at word %zu, must be zero",
			    (const void *)addr, (unsigned long long)words[i],
			    i);
}

static void check_pattern(struct model *m, const char *addr, uint64_t seed)
{
	const uint64_t *words = (const uint64_t *)(const void *)addr;

	for (size_t i = 0; i < WORDS_WRITTEN; i++) {
		size_t at = word_at(m, seed, i);

		MODEL_CHECK(m, words[at] == (seed ^ at),
			    "%p reads %#llx at word %zu, must be %#llx",
			    (const void *)addr, (unsigned long long)words[at],
			    at, (unsigned long long)(seed ^ at));
	}
}

void model_check_page(struct model *m, char *addr)
{
	struct model_page *page = model_page(m, addr);

	switch (page->kind) {
	case MODEL_LIVE:
		if (page->seed == 0)
			check_zero(m, addr);
		else
			check_pattern(m, addr, page->seed);
		break;
	case MODEL_GUARD:
	case MODEL_EDGE:
	case MODEL_STACK_GUARD:
		MODEL_CHECK(m, !model_readable(addr),
			    "guard page %p (%d) can be read", (void *)addr,
			    page->kind);
		break;
	case MODEL_STACK:
		MODEL_CHECK(m, model_readable(addr),
			    "stack page %p cannot be read", (void *)addr);
		break;
	default:
		break;
	}
}

static void check_stats(struct model *m)
{
	struct surefree_stats s = { .size = sizeof(s) };
	size_t view_len = 0;

	MODEL_CHECK(m, surefree_stats(&s) == 0, "surefree_stats: errno %d",
		    errno);
	for (uint32_t i = 0; i < m->nr_views; i++)
		view_len += m->views[i].len;
	MODEL_CHECK(m, s.used_len == m->nr_live * m->page_len,
		    "used_len is %zu, must be %zu", s.used_len,
		    m->nr_live * m->page_len);
	MODEL_CHECK(m, s.view_len == view_len, "view_len is %zu, must be %zu",
		    s.view_len, view_len);
	MODEL_CHECK(m, s.nr_views == m->nr_views, "nr_views is %zu, must be %u",
		    s.nr_views, m->nr_views);
	MODEL_CHECK(m, s.used_len + s.retained_len <= s.committed_len,
		    "used %zu + retained %zu > committed %zu", s.used_len,
		    s.retained_len, s.committed_len);
	MODEL_CHECK(m, s.committed_len <= s.reserved_len,
		    "committed %zu > reserved %zu", s.committed_len,
		    s.reserved_len);
	MODEL_CHECK(m, s.retained_len <= s.retained_peak_len,
		    "retained %zu > its peak %zu", s.retained_len,
		    (size_t)s.retained_peak_len);
	MODEL_CHECK(m,
		    s.nr_unmaps <= m->nr_ops * 2 + MODEL_MAX_RANGES * 4 ||
			    m->data != NULL,
		    "%llu unmaps counted", (unsigned long long)s.nr_unmaps);
	MODEL_CHECK(m, s.nr_stuck == 0 && s.stuck_len == 0,
		    "%zu bytes are stuck", s.stuck_len);
}

void model_check(struct model *m)
{
	m->op = "check all";
	for (uint32_t i = 0; i < m->nr_ranges; i++)
		for (size_t n = 0; n < m->ranges[i].nr_pages; n++)
			model_check_page(m,
					 m->ranges[i].addr + n * m->page_len);
	for (uint32_t i = 0; i < m->nr_views; i++) {
		struct model_view *view = &m->views[i];
		size_t want = view->off / m->page_len + 1;

		MODEL_CHECK(m, (unsigned char)view->addr[0] == want,
			    "view %p reads %d", (void *)view->addr,
			    view->addr[0]);
	}
	check_stats(m);
}

static void release_range(struct model *m, struct model_range r)
{
	struct surefree_stack stack = {
		.addr = r.addr,
		.len = r.nr_pages * m->page_len,
		.guard_len = r.guard_len,
	};

	if (r.is_stack) {
		surefree_stack_unmap(&stack);
		model_remove_stack(m, &r);
	} else {
		surefree_unmap(r.addr, r.nr_pages * m->page_len);
		model_remove(m, r.addr, r.nr_pages);
	}
}

void model_finish(struct model *m)
{
	struct surefree_stats s = { .size = sizeof(s) };

	model_check(m);
	m->op = "finish";
	surefree_set("retain", "0");
	while (m->nr_ranges > 0) {
		uint32_t i = m->nr_ranges - 1;

		/* Guard pages go with what they stand beside. */
		while (i > 0 && model_is_guard(m, &m->ranges[i]))
			i--;
		MODEL_CHECK(m, !model_is_guard(m, &m->ranges[i]),
			    "guard page %p is left over",
			    (void *)m->ranges[i].addr);
		release_range(m, m->ranges[i]);
	}
	while (m->nr_views > 0) {
		struct model_view *view = &m->views[--m->nr_views];

		surefree_unmap_file(view->addr, view->len);
	}
	surefree_trim(0);
	surefree_stats(&s);
	MODEL_CHECK(m,
		    s.used_len == 0 && s.retained_len == 0 && s.view_len == 0 &&
			    s.nr_stacks_kept == 0,
		    "left after the end: used %zu retained %zu views %zu "
		    "stacks %zu",
		    s.used_len, s.retained_len, s.view_len, s.nr_stacks_kept);
	if (m->view_fd >= 0)
		close(m->view_fd);
	for (size_t i = 0; i < m->nr_slots; i++)
		free(m->chunks[i]);
	free(m->chunks);
}
