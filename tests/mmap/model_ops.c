// SPDX-License-Identifier: MIT
/*
 * The calls of the model: each picks its arguments, works out what must come
 * of them, calls, and compares.
 */
#include "model_range.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pages.h"

#define RW	      (PROT_READ | PROT_WRITE)
#define ENOUGH_LOCKED ((rlim_t)8 << 20)
#define NOREPLACE     0x100000
#define FILE_PAGES    64u

/*
 * mmap() and munmap()
 */

/* A file of FILE_PAGES pages that are filled with 128, 129, ... */
static int open_file(void)
{
	static int fd = -1;
	static char page[64 << 10];
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&lock);
	if (fd < 0) {
		fd = memfd_create("model", MFD_CLOEXEC);
		for (unsigned int i = 0; i < FILE_PAGES; i++) {
			memset(page, 128 + (int)i, test_page());
			CHECK_EQ(write(fd, page, test_page()), test_page());
		}
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

static int pick_prot(struct model_world *w)
{
	static const int prots[] = { RW, RW, PROT_READ, PROT_NONE };

	return w->plain ? RW : prots[model_pick(w, 4)];
}

struct map_call {
	enum model_kind kind;
	size_t nr;
	int prot;
	int flags;
	int fd;
};

static void pick_map(struct model_world *w, struct map_call *c)
{
	static const int more[] = { 0, MAP_NORESERVE, MAP_STACK, MAP_POPULATE };

	c->nr = 1 + model_pick(w, MODEL_SMALL);
	c->prot = RW;
	c->kind = MODEL_ANON;
	c->flags = MAP_PRIVATE | MAP_ANONYMOUS | more[model_pick(w, 4)];
	c->fd = -1;
	if (model_pick(w, 3) == 0)
		c->prot = pick_prot(w);
	switch (w->plain ? 2 : model_pick(w, 12)) {
	case 0:
		c->kind = MODEL_SHARED;
		c->flags = MAP_SHARED | MAP_ANONYMOUS;
		break;
	case 1:
		c->kind = MODEL_FILE;
		c->flags = MAP_PRIVATE;
		c->fd = open_file();
		break;
	default:
		break;
	}
}

/* Note that it was mapped at r. */
static void set_mapped(struct model_world *w, struct range r,
		       const struct map_call *c)
{
	uint32_t id = ++w->next_id;

	for (size_t i = 0; i < r.nr; i++) {
		struct model_page *page = range_page(w, r, i);
		uintptr_t number = page->number;

		memset(page, 0, sizeof(*page));
		page->number = number;
		page->id = id;
		page->mapped = true;
		page->kind = (uint8_t)c->kind;
		page->prot = (uint8_t)c->prot;
		if (c->kind == MODEL_FILE)
			page->file_byte = (uint8_t)(128 + i);
		page->byte = page->file_byte;
	}
}

static void do_map(struct model_world *w)
{
	struct map_call c;
	struct range r;

	if (w->nr_areas >= MODEL_AREAS - 2)
		model_drop_areas(w);
	if (w->nr_areas >= MODEL_AREAS - 2)
		return;
	pick_map(w, &c);
	if (c.kind == MODEL_ANON && model_pick(w, 20) == 0)
		c.nr = 1 + model_pick(w, MODEL_LARGE);
	errno = ERRNO_KEPT;
	r.addr = mmap(NULL, c.nr * test_page(), c.prot, c.flags, c.fd, 0);
	r.nr = c.nr;
	model_trace(w, "%p = map %zu pages, prot %d, flags 0x%x",
		    (void *)r.addr, r.nr, c.prot, c.flags);
	range_expect(w, r.addr == MAP_FAILED ? -1 : 0, 0);
	if (w->failed)
		return;
	if (range_in_use(w, r))
		model_fail(w, "%p, %zu pages, is in use", (void *)r.addr, r.nr);
	set_mapped(w, r, &c);
	model_add_area(w, r.addr, r.nr);
}

static void do_map_fixed(struct model_world *w)
{
	struct map_call c;
	struct range r;
	bool noreplace = model_pick(w, 4) == 0;
	int err = 0;
	char *p;

	if (!range_pick(w, &r))
		return;
	pick_map(w, &c);
	if (r.nr > FILE_PAGES)
		r.nr = FILE_PAGES;
	if (noreplace && range_in_use(w, r))
		err = EEXIST;
	model_trace(w, "map at %p, %zu pages, prot %d, flags 0x%x%s",
		    (void *)r.addr, r.nr, c.prot, c.flags,
		    noreplace ? ", no replacing" : "");
	errno = ERRNO_KEPT;
	p = mmap(r.addr, r.nr * test_page(), c.prot,
		 c.flags | (noreplace ? NOREPLACE : MAP_FIXED), c.fd, 0);
	range_expect(w, p == MAP_FAILED ? -1 : 0, err);
	if (w->failed || err != 0)
		return;
	if (p != r.addr)
		model_fail(w, "%p, not %p", (void *)p, (void *)r.addr);
	set_mapped(w, r, &c);
}

static void do_unmap(struct model_world *w)
{
	struct range r;

	if (!range_pick(w, &r))
		return;
	model_trace(w, "unmap %p, %zu pages", (void *)r.addr, r.nr);
	errno = ERRNO_KEPT;
	range_expect(w, munmap(r.addr, r.nr * test_page()), 0);
	range_set_free(w, r);
	if (!w->shared && test_resident(r.addr, r.nr * test_page()) != 0)
		model_fail(w, "%p, %zu pages, is resident", (void *)r.addr,
			   r.nr);
}

/*
 * Attributes
 */

static void do_protect(struct model_world *w)
{
	struct range r;
	int prot = pick_prot(w);
	int err = 0;
	size_t i;

	if (!range_pick(w, &r))
		return;
	for (i = 0; i < r.nr; i++) {
		if (!range_page(w, r, i)->mapped) {
			err = ENOMEM;
			break;
		}
		range_page(w, r, i)->prot = (uint8_t)prot;
	}
	range_renumber(w, r, i);
	model_trace(w, "protect %p, %zu pages, %d", (void *)r.addr, r.nr, prot);
	errno = ERRNO_KEPT;
	range_expect(w, mprotect(r.addr, r.nr * test_page(), prot), err);
}

/* What an advice does to one page; or errno where it ends the call. */
static int advise_page(struct model_page *page, int advice)
{
	switch (advice) {
	case MADV_DONTNEED:
		if (page->locked)
			return EINVAL;
		if (page->kind != MODEL_SHARED) {
			page->byte = page->file_byte;
			page->maybe = false;
		}
		return 0;
	case MADV_FREE:
		if (page->locked || page->kind != MODEL_ANON)
			return EINVAL;
		page->maybe = true;
		return 0;
	case MADV_DONTFORK:
	case MADV_DOFORK:
		page->dontfork = advice == MADV_DONTFORK;
		return 0;
	case MADV_WIPEONFORK:
		if (page->kind != MODEL_ANON)
			return EINVAL;
		page->wipe = true;
		return 0;
	case MADV_KEEPONFORK:
		page->wipe = false;
		return 0;
	default:
		return 0;
	}
}

static void do_advise(struct model_world *w)
{
	static const int advices[] = {
		MADV_DONTNEED, MADV_DONTNEED,	MADV_FREE,	 MADV_DONTFORK,
		MADV_DOFORK,   MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_RANDOM,
		MADV_NORMAL,   MADV_WILLNEED,	MADV_SEQUENTIAL,
	};
	size_t nr = w->plain ? 3 : sizeof(advices) / sizeof(int);
	int advice = advices[model_pick(w, nr)];
	struct range r;
	int err = 0;
	size_t i;

	if (!range_pick(w, &r))
		return;
	for (i = 0; i < r.nr; i++) {
		struct model_page *page = range_page(w, r, i);
		int wrong = page->mapped ? advise_page(page, advice) : 0;

		if (!page->mapped)
			err = ENOMEM;
		if (wrong != 0) {
			err = wrong;
			break;
		}
	}
	if (advice != MADV_DONTNEED && advice != MADV_FREE)
		range_renumber(w, r, i);
	model_trace(w, "advise %p, %zu pages, %d", (void *)r.addr, r.nr,
		    advice);
	errno = ERRNO_KEPT;
	range_expect(w, madvise(r.addr, r.nr * test_page(), advice), err);
}

/* Whether no limit is in the way of a few pages. */
static bool may_lock(void)
{
	struct rlimit limit;

	return geteuid() == 0 || (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
				  limit.rlim_cur >= ENOUGH_LOCKED);
}

static void do_lock(struct model_world *w)
{
	struct range r;
	bool lock = model_pick(w, 2) == 0;
	int err = 0;
	size_t i;

	if (!range_pick(w, &r) || r.nr > MODEL_SMALL || !may_lock())
		return;
	for (i = 0; i < r.nr; i++) {
		struct model_page *page = range_page(w, r, i);

		if (!page->mapped) {
			err = ENOMEM;
			break;
		}
		page->locked = lock;
		if (lock && page->prot == PROT_NONE)
			err = ENOMEM; /* locked, but can't be read in */
	}
	range_renumber(w, r, i);
	model_trace(w, "%s %p, %zu pages", lock ? "lock" : "unlock",
		    (void *)r.addr, r.nr);
	errno = ERRNO_KEPT;
	if (lock)
		range_expect(w, mlock(r.addr, r.nr * test_page()), err);
	else
		range_expect(w, munlock(r.addr, r.nr * test_page()), err);
}

/*
 * And the rest
 */

static void do_fill(struct model_world *w)
{
	struct range r;
	int byte = 1 + (int)model_pick(w, 127);

	if (!range_pick(w, &r))
		return;
	for (size_t i = 0; i < r.nr; i++) {
		struct model_page *page = range_page(w, r, i);

		if (!page->mapped || !(page->prot & PROT_WRITE) ||
		    (w->child && page->kind == MODEL_SHARED))
			continue;
		pages_fill(r.addr + i * test_page(), 1, byte);
		page->byte = (uint8_t)byte;
		page->maybe = false;
	}
}

/* What is refused changes nothing, as the checks after it show. */
static void do_wrong(struct model_world *w)
{
	struct range r;
	size_t len;

	if (!range_pick(w, &r))
		return;
	len = r.nr * test_page();
	range_expect(w, munmap(r.addr + 1, len), EINVAL);
	range_expect(w, munmap(r.addr, 0), EINVAL);
	range_expect(w, munmap(r.addr, SIZE_MAX - test_page() + 1), EINVAL);
	range_expect(w, mprotect(r.addr + 8, len, PROT_NONE), EINVAL);
	range_expect(w, mprotect(r.addr, SIZE_MAX - test_page() + 1, 0),
		     ENOMEM);
	range_expect(w, madvise(r.addr + 1, len, MADV_DONTNEED), EINVAL);
	range_expect(w, madvise(r.addr, len, 9999), EINVAL);
	range_expect(w, mremap(r.addr + 1, len, len, 0) == MAP_FAILED ? -1 : 0,
		     EINVAL);
	range_expect(w, mremap(r.addr, len, 0, 0) == MAP_FAILED ? -1 : 0,
		     EINVAL);
}

static const struct op {
	const char *name;
	void (*run)(struct model_world *w);
	size_t weight;
} ops[] = {
	{ "map", do_map, 14 },		{ "map fixed", do_map_fixed, 8 },
	{ "unmap", do_unmap, 12 },	{ "protect", do_protect, 14 },
	{ "advise", do_advise, 14 },	{ "lock", do_lock, 6 },
	{ "shrink", model_shrink, 3 },	{ "grow", model_grow, 6 },
	{ "move", model_move, 5 },	{ "fill", do_fill, 20 },
	{ "wrong calls", do_wrong, 2 },
};
#define NR_OPS	(sizeof(ops) / sizeof(ops[0]))
#define ALL_OPS 104 /* their weights together */

static bool is_left_out(const struct model_world *w, const char *name)
{
	const char *word = w->without;
	size_t len = strlen(name);

	for (; word != NULL; word = strchr(word, ',')) {
		word += *word == ',';
		if (strncmp(word, name, len) == 0 &&
		    (word[len] == ',' || word[len] == '\0'))
			return true;
	}
	return false;
}

void model_step(struct model_world *w)
{
	size_t left = model_pick(w, ALL_OPS);
	const struct op *op = ops;

	while (left >= op->weight) {
		left -= op->weight;
		op++;
	}
	w->step++;
	w->op = op->name;
	if (!is_left_out(w, op->name))
		op->run(w);
}
