// SPDX-License-Identifier: MIT
/*
 * The operations of the reference model: each is done by the library and on
 * the records, and what can be seen of it at once is compared.
 */
#include "model.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "surefree.h"

#define KIB	 ((size_t)1024)
#define HUGE_LEN (2048 * KIB)
/* Up to here a released range traps as a whole. */
#define TRAP_WHOLE_LEN (128 * KIB)
#define ERRNO_KEPT     4242 /* nobody sets this one */
#define NR_VIEW_PAGES  64

static void trace(const struct model *m, const void *addr, size_t nr,
		  size_t more)
{
	if (m->trace)
		fprintf(stderr, "%llu: %s %p +%zu (%zu)\n",
			(unsigned long long)m->nr_ops, m->op, addr, nr, more);
}

/* A number of pages: mostly few, sometimes beyond every threshold. */
static size_t pick_pages(struct model *m)
{
	switch (model_pick(m, 16)) {
	case 0:
		return 1 + model_pick(m, 1200);
	case 1:
	case 2:
		return 1 + model_pick(m, 130);
	case 3:
	case 4:
	case 5:
		return 1 + model_pick(m, 33);
	default:
		return 1 + model_pick(m, 8);
	}
}

/* Any map (or any stack); NULL when eight tries found none. */
static struct model_range *pick_range(struct model *m, bool stack)
{
	for (int i = 0; i < 8 && m->nr_ranges > 0; i++) {
		struct model_range *r;

		r = &m->ranges[model_pick(m, m->nr_ranges)];
		if (r->is_stack == stack && !model_is_guard(m, r))
			return r;
	}
	return NULL;
}

/*
 * A part of a map, in *addr and *nr: head, middle, tail or all of it, and
 * sometimes on into its neighbours. False when there is no map.
 */
static bool pick_part(struct model *m, bool neighbours, char **addr, size_t *nr)
{
	struct model_range *r = pick_range(m, false);
	size_t head, nr_more;

	if (r == NULL)
		return false;
	head = model_pick(m, 2) ? model_pick(m, r->nr_pages) : 0;
	*addr = r->addr + head * m->page_len;
	*nr = r->nr_pages - head;
	if (model_pick(m, 2))
		*nr = 1 + model_pick(m, *nr);
	if (!neighbours || head + *nr != r->nr_pages || model_pick(m, 2))
		return true;
	nr_more = model_pick(m, 64);
	for (size_t i = 0; i < nr_more; i++) {
		unsigned kind;

		kind = model_page(m, *addr + *nr * m->page_len)->kind;
		if (kind != MODEL_LIVE && kind != MODEL_GUARD)
			break;
		*nr += 1;
	}
	return true;
}

/* Look at the first, the last and two other pages of new memory. */
static void check_some(struct model *m, char *addr, size_t nr)
{
	model_check_page(m, addr);
	model_check_page(m, addr + (nr - 1) * m->page_len);
	for (int i = 0; i < 2; i++)
		model_check_page(m, addr + model_pick(m, nr) * m->page_len);
}

/* Write new patterns to a few pages, or to all. */
static void write_some(struct model *m, char *addr, size_t nr)
{
	size_t nr_writes = model_pick(m, 4) ? 1 + nr / 16 : nr;

	for (size_t i = 0; i < nr_writes; i++) {
		size_t at = nr_writes == nr ? i : model_pick(m, nr);
		char *page = addr + at * m->page_len;

		if (model_page(m, page)->kind == MODEL_LIVE)
			model_write(m, page);
	}
}

static unsigned pick_flags(struct model *m)
{
	unsigned flags = 0;

	if (model_pick(m, 8) == 0)
		flags |= SUREFREE_POPULATE;
	if (model_pick(m, 8) == 0)
		flags |= SUREFREE_NOTRAP;
	if (m->has_guard && model_pick(m, 8) == 0)
		flags |= SUREFREE_GUARDED;
	if (model_pick(m, 256) == 0)
		flags |= SUREFREE_HUGE;
	return flags;
}

static void add_edges(struct model *m, char *addr, size_t nr)
{
	char *low = addr - m->page_len;
	char *high = addr + nr * m->page_len;

	model_add(m, low, 1, MODEL_EDGE);
	model_add(m, high, 1, MODEL_EDGE);
	model_check_page(m, low);
	model_check_page(m, high);
}

static void op_map(struct model *m)
{
	size_t nr = pick_pages(m);
	unsigned flags = pick_flags(m);
	size_t align = m->page_len;
	size_t len;
	char *p;

	if (m->nr_live + nr > MODEL_MAX_PAGES)
		return;
	if (model_pick(m, 8) == 0)
		align = (size_t)1 << model_pick(m, 25);
	len = nr * m->page_len - model_pick(m, m->page_len);
	if (align != m->page_len || model_pick(m, 2))
		p = surefree_map_aligned(len, align, flags);
	else
		p = surefree_map(len, flags);
	trace(m, p, nr, flags);
	MODEL_CHECK(m, p != NULL, "map of %zu, align %zu, flags %#x: errno %d",
		    len, align, flags, errno);
	if (flags & SUREFREE_HUGE) {
		nr = (len + HUGE_LEN - 1) / HUGE_LEN * HUGE_LEN / m->page_len;
		MODEL_CHECK(m, (uintptr_t)p % HUGE_LEN == 0,
			    "%p is not aligned to 2 MiB", (void *)p);
	}
	MODEL_CHECK(m,
		    (uintptr_t)p % align == 0 &&
			    (uintptr_t)p % m->page_len == 0,
		    "%p is not aligned to %zu", (void *)p, align);
	model_add(m, p, nr, MODEL_LIVE)->flags = flags;
	if (flags & SUREFREE_GUARDED)
		add_edges(m, p, nr);
	check_some(m, p, nr);
	if (model_pick(m, 2))
		write_some(m, p, nr);
}

/* Whether every page of [addr, +nr) is of a map whose release traps. */
static bool all_trap(struct model *m, char *addr, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct model_page *page;

		page = model_page(m, addr + i * m->page_len);
		if (page->range == MODEL_NONE ||
		    m->ranges[page->range].flags & SUREFREE_NOTRAP)
			return false;
	}
	return true;
}

static uint64_t traps_skipped(void)
{
	struct surefree_stats s = { .size = sizeof(s) };

	surefree_stats(&s);
	return s.nr_traps_skipped;
}

static void check_traps(struct model *m, char *addr, size_t nr)
{
	char *last = addr + (nr - 1) * m->page_len;
	size_t step = nr * m->page_len <= TRAP_WHOLE_LEN ? 1 : nr - 1;

	for (char *p = addr; p <= last; p += step * m->page_len)
		MODEL_CHECK(m, !model_readable(p),
			    "released %p +%zu: %p can be read", (void *)addr,
			    nr, (void *)p);
}

static void release(struct model *m, char *addr, size_t nr)
{
	bool look = m->has_guard && !m->retaining && model_pick(m, 8) == 0 &&
		    all_trap(m, addr, nr);
	uint64_t nr_skipped = look ? traps_skipped() : 0;

	errno = ERRNO_KEPT;
	surefree_unmap(addr, nr * m->page_len - model_pick(m, m->page_len));
	MODEL_CHECK(m, errno == ERRNO_KEPT, "errno changed to %d", errno);
	if (look && nr_skipped == traps_skipped())
		check_traps(m, addr, nr);
	model_remove(m, addr, nr);
}

static void op_unmap(struct model *m)
{
	struct model_range *r = pick_range(m, false);

	if (r == NULL)
		return;
	trace(m, r->addr, r->nr_pages, r->flags);
	release(m, r->addr, r->nr_pages);
}

static void op_unmap_part(struct model *m)
{
	char *addr;
	size_t nr;

	if (!pick_part(m, true, &addr, &nr))
		return;
	trace(m, addr, nr, 0);
	release(m, addr, nr);
}

static void op_discard(struct model *m)
{
	char *addr;
	size_t nr;

	if (!pick_part(m, true, &addr, &nr))
		return;
	trace(m, addr, nr, 0);
	errno = ERRNO_KEPT;
	surefree_discard(addr, nr * m->page_len);
	MODEL_CHECK(m, errno == ERRNO_KEPT, "errno changed to %d", errno);
	for (size_t i = 0; i < nr; i++)
		model_page(m, addr + i * m->page_len)->seed = 0;
	check_some(m, addr, nr);
}

static void op_guard(struct model *m)
{
	char *addr;
	size_t nr;

	if (!pick_part(m, true, &addr, &nr))
		return;
	trace(m, addr, nr, 0);
	if (!m->has_guard) {
		MODEL_CHECK(m,
			    surefree_guard(addr, m->page_len) == -1 &&
				    errno == ENOTSUP,
			    "surefree_guard() without guards: errno %d", errno);
		return;
	}
	MODEL_CHECK(m, surefree_guard(addr, nr * m->page_len) == 0,
		    "surefree_guard: errno %d", errno);
	for (size_t i = 0; i < nr; i++) {
		struct model_page *page;

		page = model_page(m, addr + i * m->page_len);
		page->kind = MODEL_GUARD;
		page->seed = 0;
	}
	check_some(m, addr, nr);
}

static void op_unguard(struct model *m)
{
	char *addr;
	size_t nr;

	if (!m->has_guard || !pick_part(m, true, &addr, &nr))
		return;
	trace(m, addr, nr, 0);
	MODEL_CHECK(m, surefree_unguard(addr, nr * m->page_len) == 0,
		    "surefree_unguard: errno %d", errno);
	for (size_t i = 0; i < nr; i++)
		model_page(m, addr + i * m->page_len)->kind = MODEL_LIVE;
	check_some(m, addr, nr);
}

static bool is_any_guard(struct model *m, const char *addr)
{
	unsigned kind = model_page(m, addr)->kind;

	return kind == MODEL_EDGE || kind == MODEL_STACK_GUARD;
}

/* Move the records of nr pages from one place to another, as a new range. */
static void move_records(struct model *m, char *from, char *to, size_t nr,
			 size_t nr_new, unsigned flags)
{
	static struct model_page kept[MODEL_MAX_PAGES];

	for (size_t i = 0; i < nr; i++)
		kept[i] = *model_page(m, from + i * m->page_len);
	model_remove(m, from, nr);
	model_add(m, to, nr_new, MODEL_LIVE)->flags = flags;
	for (size_t i = 0; i < nr; i++) {
		struct model_page *page;

		page = model_page(m, to + i * m->page_len);
		page->kind = kept[i].kind;
		page->seed = kept[i].seed;
	}
}

/* A guarded map that shrinks stays guarded: its new end is a guard page. */
static void shrink_records(struct model *m, char *addr, size_t nr,
			   size_t nr_new, bool guarded)
{
	char *tail = addr + nr_new * m->page_len;

	if (nr_new == nr)
		return;
	model_remove(m, tail, nr - nr_new);
	if (guarded) {
		model_add(m, tail, 1, MODEL_EDGE);
		model_check_page(m, tail);
	}
}

/* Do it and compare what can be at once; NULL when it was refused rightly. */
static char *remap(struct model *m, char *addr, size_t nr, size_t nr_new,
		   unsigned flags)
{
	char *to;

	errno = ERRNO_KEPT;
	to = surefree_remap(addr, nr * m->page_len, nr_new * m->page_len,
			    flags);
	if (m->trace)
		fprintf(stderr, "%llu: %s %p +%zu -> %p +%zu (%#x)\n",
			(unsigned long long)m->nr_ops, m->op, (void *)addr, nr,
			(void *)to, nr_new, flags);
	if (to == NULL)
		MODEL_CHECK(m,
			    errno == ENOMEM && (flags & SUREFREE_NOMOVE) &&
				    nr_new > nr,
			    "remap: errno %d", errno);
	else
		MODEL_CHECK(m,
			    to == addr ||
				    (nr_new > nr && !(flags & SUREFREE_NOMOVE)),
			    "%p +%zu -> %zu moved to %p", (void *)addr, nr,
			    nr_new, (void *)to);
	return to;
}

static void op_remap(struct model *m)
{
	static const unsigned choices[] = {
		0, 0, SUREFREE_NOMOVE, SUREFREE_POPULATE, SUREFREE_NOTRAP,
	};
	unsigned flags = choices[model_pick(m, 5)];
	unsigned new_flags;
	size_t nr, nr_new;
	char *addr, *to;
	bool guarded;

	if (!pick_part(m, false, &addr, &nr))
		return;
	nr_new = model_pick(m, 2) ? 1 + model_pick(m, nr) : nr + pick_pages(m);
	new_flags = m->ranges[model_page(m, addr)->range].flags;
	if (m->nr_live + nr_new > MODEL_MAX_PAGES ||
	    new_flags & SUREFREE_HUGE) /* lengths round differently */
		return;
	new_flags = (new_flags | flags) & SUREFREE_NOTRAP;
	guarded = is_any_guard(m, addr - m->page_len) &&
		  is_any_guard(m, addr + nr * m->page_len);
	to = remap(m, addr, nr, nr_new, flags);
	if (to == NULL) {
		check_some(m, addr, nr);
		return;
	}
	if (nr_new <= nr) {
		shrink_records(m, addr, nr, nr_new, guarded);
	} else if (to == addr) {
		model_add(m, addr + nr * m->page_len, nr_new - nr, MODEL_LIVE)
			->flags = new_flags;
	} else {
		move_records(m, addr, to, nr, nr_new, new_flags);
		if (guarded)
			add_edges(m, to, nr_new);
	}
	check_some(m, to, nr_new);
}

static void op_write(struct model *m)
{
	char *addr;
	size_t nr;

	if (!pick_part(m, false, &addr, &nr))
		return;
	trace(m, addr, nr, 0);
	check_some(m, addr, nr);
	write_some(m, addr, nr);
}

static void op_stack_map(struct model *m)
{
	struct surefree_stack stack;
	size_t nr = 1 + model_pick(m, model_pick(m, 4) ? 4 : 40);
	struct model_range *r;

	if (m->nr_live + nr > MODEL_MAX_PAGES)
		return;
	MODEL_CHECK(m, surefree_stack_map(nr * m->page_len, &stack) == 0,
		    "surefree_stack_map: errno %d", errno);
	trace(m, stack.addr, nr, stack.guard_len);
	MODEL_CHECK(m, stack.len == nr * m->page_len, "stack.len is %zu",
		    stack.len);
	r = model_add(m, stack.addr, nr, MODEL_STACK);
	r->is_stack = true;
	r->guard_len = stack.guard_len;
	if (m->has_guard)
		MODEL_CHECK(m,
			    stack.guard_len > 0 &&
				    !model_readable((char *)stack.addr - 1),
			    "stack %p without guard", stack.addr);
	if (stack.guard_len > 0)
		model_add(m, (char *)stack.addr - stack.guard_len,
			  stack.guard_len / m->page_len, MODEL_STACK_GUARD);
	((char *)stack.addr)[stack.len - 1] = 1;
	if (model_pick(m, 2))
		memset(stack.addr, 0xa5, stack.len);
}

static void op_stack_unmap(struct model *m)
{
	struct model_range *r = pick_range(m, true);
	struct surefree_stack stack;

	if (r == NULL)
		return;
	trace(m, r->addr, r->nr_pages, 0);
	stack = (struct surefree_stack){
		.addr = r->addr,
		.len = r->nr_pages * m->page_len,
		.guard_len = r->guard_len,
	};
	errno = ERRNO_KEPT;
	surefree_stack_unmap(&stack);
	MODEL_CHECK(m, errno == ERRNO_KEPT, "errno changed to %d", errno);
	model_remove_stack(m, r);
}

static void op_stack_trim(struct model *m)
{
	struct model_range *r = pick_range(m, true);
	struct surefree_stack stack;
	char *top, *sp;
	size_t len;

	if (r == NULL)
		return;
	stack = (struct surefree_stack){
		.addr = r->addr,
		.len = r->nr_pages * m->page_len,
		.guard_len = r->guard_len,
	};
	top = r->addr + stack.len;
	sp = r->addr + stack.len / 2;
	top[-1] = 77;
	len = surefree_stack_trim(&stack, sp);
	trace(m, r->addr, r->nr_pages, len);
	MODEL_CHECK(m, top[-1] == 77, "trim took the live part of %p",
		    (void *)r->addr);
	MODEL_CHECK(m, len <= stack.len / 2 && len % m->page_len == 0,
		    "trim returned %zu", len);
	if (len > 0)
		MODEL_CHECK(m, r->addr[0] == 0, "trimmed %p reads %d",
			    (void *)r->addr, r->addr[0]);
}

static void op_retain(struct model *m)
{
	static const char *const choices[] = { "0", "64K", "1M", "16M", "1G" };
	size_t i = model_pick(m, 5);

	if (m->trace)
		fprintf(stderr, "%llu: retain=%s\n",
			(unsigned long long)m->nr_ops, choices[i]);
	MODEL_CHECK(m, surefree_set("retain", choices[i]) == 0,
		    "surefree_set: errno %d", errno);
	m->retaining = i != 0;
}

static void op_trim(struct model *m)
{
	struct surefree_stats s = { .size = sizeof(s) };
	size_t keep = model_pick(m, 2) ? model_pick(m, 1024) * KIB : 0;

	trace(m, NULL, keep, 0);
	surefree_trim(keep);
	surefree_stats(&s);
	MODEL_CHECK(m, s.retained_len <= keep, "trim(%zu) leaves %zu retained",
		    keep, s.retained_len);
	if (keep == 0)
		MODEL_CHECK(m, s.nr_stacks_kept == 0,
			    "trim(0) leaves %zu stacks", s.nr_stacks_kept);
}

static void open_view_file(struct model *m)
{
	m->view_fd = memfd_create("model", MFD_CLOEXEC);
	MODEL_CHECK(m, m->view_fd >= 0, "memfd_create: errno %d", errno);
	for (unsigned i = 0; i < NR_VIEW_PAGES; i++) {
		unsigned char byte = (unsigned char)(i + 1);
		off_t at = (off_t)(i * m->page_len);

		MODEL_CHECK(m, pwrite(m->view_fd, &byte, 1, at) == 1,
			    "pwrite: errno %d", errno);
	}
	MODEL_CHECK(m,
		    ftruncate(m->view_fd,
			      (off_t)(NR_VIEW_PAGES * m->page_len)) == 0,
		    "ftruncate: errno %d", errno);
}

static void op_view(struct model *m)
{
	struct model_view *v = &m->views[m->nr_views];
	size_t at = model_pick(m, NR_VIEW_PAGES);
	size_t nr = 1 + model_pick(m, NR_VIEW_PAGES - at);

	if (m->nr_views == MODEL_MAX_VIEWS)
		return;
	if (m->view_fd < 0)
		open_view_file(m);
	v->off = at * m->page_len;
	v->len = nr * m->page_len;
	v->addr = surefree_map_file(m->view_fd, (off_t)v->off, v->len,
				    PROT_READ,
				    model_pick(m, 2) ? MAP_SHARED :
						       MAP_PRIVATE);
	trace(m, v->addr, nr, at);
	MODEL_CHECK(m, v->addr != NULL, "surefree_map_file: errno %d", errno);
	MODEL_CHECK(m, (unsigned char)v->addr[0] == at + 1, "view reads %d",
		    v->addr[0]);
	m->nr_views++;
}

static void op_unmap_view(struct model *m)
{
	struct model_view *v;

	if (m->nr_views == 0)
		return;
	v = &m->views[model_pick(m, m->nr_views)];
	trace(m, v->addr, v->len / m->page_len, 0);
	errno = ERRNO_KEPT;
	surefree_unmap_file(v->addr, v->len);
	MODEL_CHECK(m, errno == ERRNO_KEPT, "errno changed to %d", errno);
	*v = m->views[--m->nr_views];
}

static void op_refused(struct model *m)
{
	MODEL_CHECK(m, surefree_map(0, 0) == NULL && errno == EINVAL,
		    "surefree_map(0): errno %d", errno);
	MODEL_CHECK(m, surefree_map(1, 0x8000u) == NULL && errno == EINVAL,
		    "unknown flag: errno %d", errno);
	MODEL_CHECK(m,
		    surefree_map_aligned(1, 3 * m->page_len, 0) == NULL &&
			    errno == EINVAL,
		    "alignment of three pages: errno %d", errno);
	MODEL_CHECK(m, surefree_map(SIZE_MAX, 0) == NULL && errno == ENOMEM,
		    "surefree_map(SIZE_MAX): errno %d", errno);
}

static const struct {
	const char *name;
	void (*fn)(struct model *m);
	unsigned weight; /* of 256 */
} ops[] = {
	{ "map", op_map, 78 },
	{ "unmap", op_unmap, 50 },
	{ "unmap part", op_unmap_part, 26 },
	{ "discard", op_discard, 14 },
	{ "guard", op_guard, 8 },
	{ "unguard", op_unguard, 8 },
	{ "remap", op_remap, 20 },
	{ "write", op_write, 17 },
	{ "stack map", op_stack_map, 12 },
	{ "stack unmap", op_stack_unmap, 11 },
	{ "stack trim", op_stack_trim, 5 },
	{ "retain", op_retain, 1 },
	{ "trim", op_trim, 1 },
	{ "view", op_view, 2 },
	{ "unmap view", op_unmap_view, 2 },
	{ "refused", op_refused, 1 },
};

#define NR_OPS (sizeof(ops) / sizeof(ops[0]))

bool model_step(struct model *m)
{
	size_t chosen = model_pick(m, 256);
	size_t i = 0;

	if (m->data != NULL && m->data_len == 0)
		return false;
	while (i + 1 < NR_OPS && chosen >= ops[i].weight)
		chosen -= ops[i++].weight;
	if (m->nr_ranges + 8 > MODEL_MAX_RANGES)
		i = 1; /* full: release one */
	m->nr_ops++;
	m->op = ops[i].name;
	m->nr_called[i]++;
	ops[i].fn(m);
	return true;
}

void model_report(const struct model *m)
{
	for (size_t i = 0; i < NR_OPS; i++)
		printf("  %-12s %llu\n", ops[i].name,
		       (unsigned long long)m->nr_called[i]);
}
