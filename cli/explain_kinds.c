// SPDX-License-Identifier: MIT
/*
 * What each mapping is. In three passes: what a line tells by itself; regions
 * of surefree, by their layout; guards and stacks, by what lies beside them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"

#define GUARD_PAGES    16 /* at most; more is a reservation */
#define STACK_PAGES    4  /* at least */
#define CACHED_STACKS  8  /* of threads that have ended */
#define FEW_FIBERS     4  /* fewer are something else */
#define ARENA_LEN      ((uint64_t)64 << 20)
#define REGION_GAP_LEN ((uint64_t)64 << 10)
#define TABLE_LEN      ((uint64_t)1 << 30)

static bool starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/*
 * By the line itself
 */

static enum sf_kind kind_by_name(const struct sf_vma *vma)
{
	static const struct {
		const char *prefix;
		enum sf_kind kind;
	} names[] = {
		{ "[heap]", SF_KIND_HEAP },
		{ "[stack]", SF_KIND_STACK },
		{ "[v", SF_KIND_KERNEL },
		{ "[uprobes", SF_KIND_KERNEL },
		{ "[anon_shmem", SF_KIND_SHARED },
		{ "/memfd:", SF_KIND_SHARED },
		{ "/SYSV", SF_KIND_SHARED },
		{ "/dev/shm/", SF_KIND_SHARED },
		{ "/dev/zero", SF_KIND_SHARED },
		{ "/dev/", SF_KIND_OTHER },
		{ "/", SF_KIND_FILE },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (starts(vma->name, names[i].prefix))
			return names[i].kind;
	if (vma->shared ||
	    (vma->name[0] != '\0' && !starts(vma->name, "[anon:")))
		return SF_KIND_OTHER;
	return vma->prot == 0 ? SF_KIND_RESERVED : SF_KIND_ANON;
}

static int by_file(const void *a, const void *b)
{
	const struct sf_vma *x = *(const struct sf_vma *const *)a;
	const struct sf_vma *y = *(const struct sf_vma *const *)b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

/* A file that is executed somewhere is a program or library everywhere, but
 * for shared views of it. */
static int find_libraries(struct sf_mappings *all)
{
	const struct sf_vma **code = malloc((all->nr + 1) *
					    sizeof(struct sf_vma *));
	size_t nr = 0;

	if (code == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < all->nr; i++)
		if (all->vma[i].kind == SF_KIND_FILE &&
		    (all->vma[i].prot & SF_EXEC) != 0)
			code[nr++] = &all->vma[i];
	qsort(code, nr, sizeof(struct sf_vma *), by_file);
	for (size_t i = 0; i < all->nr; i++) {
		const struct sf_vma *vma = &all->vma[i];

		if (vma->kind == SF_KIND_FILE && !vma->shared &&
		    bsearch(&vma, code, nr, sizeof(struct sf_vma *), by_file) !=
			    NULL)
			all->vma[i].kind = SF_KIND_LIBRARY;
	}
	free(code);
	return 0;
}

/*
 * By what lies beside it
 */

static bool beside(const struct sf_vma *low, const struct sf_vma *high)
{
	return low->end == high->start;
}

static bool is_memory(const struct sf_vma *vma)
{
	return vma->kind == SF_KIND_ANON;
}

static void find_guards(struct sf_mappings *all, size_t page_len)
{
	for (size_t i = 0; i < all->nr; i++) {
		struct sf_vma *vma = &all->vma[i];
		bool below = i > 0 && beside(vma - 1, vma) &&
			     is_memory(vma - 1);
		bool above = i + 1 < all->nr && beside(vma, vma + 1) &&
			     is_memory(vma + 1);

		if (vma->kind == SF_KIND_RESERVED &&
		    vma->len <= GUARD_PAGES * page_len && (below || above))
			vma->kind = SF_KIND_GUARD;
	}
}

/* A stack with its guard, which lies before it. */
struct guarded {
	uint64_t len; /* of both */
	struct sf_vma *vma;
};

static int by_len(const void *a, const void *b)
{
	const struct guarded *x = a;
	const struct guarded *y = b;

	return x->len < y->len ? -1 : x->len > y->len;
}

static size_t list_guarded(struct sf_mappings *all, size_t page_len,
			   struct guarded *list)
{
	size_t nr = 0;

	for (size_t i = 1; i < all->nr; i++) {
		struct sf_vma *vma = &all->vma[i];

		if (is_memory(vma) && (vma->prot & SF_WRITE) != 0 &&
		    vma->len >= STACK_PAGES * page_len &&
		    vma[-1].kind == SF_KIND_GUARD && beside(vma - 1, vma))
			list[nr++] = (struct guarded){ vma[-1].len + vma->len,
						       vma };
	}
	return nr;
}

/* Of one size: threads have them, as many as there are; or fibers; or none. */
static enum sf_kind kind_of_stacks(size_t nr, size_t nr_threads)
{
	if (nr_threads > 1 && nr <= nr_threads - 1 + CACHED_STACKS)
		return SF_KIND_THREAD_STACK;
	return nr >= FEW_FIBERS ? SF_KIND_FIBER_STACK : SF_KIND_ANON;
}

static int find_stacks(struct sf_mappings *all,
		       const struct sf_explain_facts *facts)
{
	struct guarded *list = malloc((all->nr + 1) * sizeof(*list));
	size_t nr, first, end;

	if (list == NULL)
		return -ENOMEM;
	nr = list_guarded(all, facts->page_len, list);
	qsort(list, nr, sizeof(*list), by_len);
	for (first = 0; first < nr; first = end) {
		enum sf_kind kind;

		end = first;
		while (end < nr && list[end].len == list[first].len)
			end++;
		kind = kind_of_stacks(end - first, facts->nr_threads);
		for (size_t i = first; i < end; i++)
			list[i].vma->kind = (uint8_t)kind;
	}
	free(list);
	return 0;
}

static size_t count_arenas(const struct sf_mappings *all)
{
	size_t nr = 0;

	for (size_t i = 1; i < all->nr; i++) {
		const struct sf_vma *low = &all->vma[i - 1];
		const struct sf_vma *high = &all->vma[i];

		nr += is_memory(low) && high->prot == 0 && beside(low, high) &&
		      low->start % ARENA_LEN == 0 && high->end % ARENA_LEN == 0;
	}
	return nr;
}

/*
 * By the layout of a region: a reserved page, metadata, what it may grow into,
 * data, the rest. The page may be the rest of the region before it, and in a
 * forked child a part may be several mappings. Returns the end, or first.
 */
static size_t region_end(const struct sf_mappings *all, size_t first)
{
	const struct sf_vma *vma = all->vma;
	size_t nr_none = 1;
	size_t i;

	for (i = first + 1; i < all->nr && nr_none < 3; i++) {
		if (!beside(&vma[i - 1], &vma[i]) ||
		    (vma[i].kind != SF_KIND_RESERVED && !is_memory(&vma[i])))
			break;
		if (vma[i].prot == 0 && nr_none == 1 &&
		    vma[i].len < REGION_GAP_LEN)
			break;
		nr_none += vma[i].prot == 0;
	}
	return nr_none == 3 ? i : first;
}

/* Tables that grow have reserved space behind them, in all a power of two. */
static void find_tables(struct sf_mappings *all)
{
	for (size_t i = 1; i < all->nr; i++) {
		struct sf_vma *low = &all->vma[i - 1];
		struct sf_vma *high = &all->vma[i];
		uint64_t len = high->end - low->start;

		if (is_memory(low) && high->kind == SF_KIND_RESERVED &&
		    beside(low, high) && len >= TABLE_LEN &&
		    (len & (len - 1)) == 0) {
			low->kind = SF_KIND_SUREFREE;
			high->kind = SF_KIND_SUREFREE;
		}
	}
}

static void find_regions(struct sf_mappings *all, size_t page_len)
{
	size_t i = 0;

	while (i < all->nr) {
		const struct sf_vma *vma = &all->vma[i];
		bool may_begin = vma->kind == SF_KIND_RESERVED &&
				 vma->len == page_len;
		size_t end = may_begin ? region_end(all, i) : i;

		if (end == i) {
			i++;
			continue;
		}
		while (i < end) {
			all->vma[i++].kind = SF_KIND_SUREFREE;
			/* The next one may begin where this one ends. */
			if (i == end && region_end(all, i - 1) > i)
				end = region_end(all, i - 1);
		}
	}
}

int sf_explain_kinds(struct sf_explanation *out, struct sf_mappings *all)
{
	int err;

	for (size_t i = 0; i < all->nr; i++)
		all->vma[i].kind = (uint8_t)kind_by_name(&all->vma[i]);
	err = find_libraries(all);
	if (err != 0)
		return err;
	if (out->has_surefree) {
		find_regions(all, out->facts.page_len);
		find_tables(all);
	}
	find_guards(all, out->facts.page_len);
	out->nr_arenas = count_arenas(all);
	return find_stacks(all, &out->facts);
}
