// SPDX-License-Identifier: MIT
/*
 * Sums by kind, file and size, and which malloc is there. What else is found
 * is in the files that explain.h names.
 */
#include "explain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *key;
	const char *name;
} kinds[SF_NR_KINDS] = {
	[SF_KIND_LIBRARY] = { "library", "program, library" },
	[SF_KIND_FILE] = { "file", "file" },
	[SF_KIND_SHARED] = { "shared", "shared memory" },
	[SF_KIND_HEAP] = { "heap", "heap" },
	[SF_KIND_ANON] = { "anonymous", "anonymous" },
	[SF_KIND_STACK] = { "stack", "stack" },
	[SF_KIND_THREAD_STACK] = { "thread_stack", "thread stack" },
	[SF_KIND_FIBER_STACK] = { "fiber_stack", "fiber stack" },
	[SF_KIND_GUARD] = { "guard", "guard page" },
	[SF_KIND_RESERVED] = { "reserved", "reserved" },
	[SF_KIND_SUREFREE] = { "surefree", "surefree's region" },
	[SF_KIND_KERNEL] = { "kernel", "vdso, vvar" },
	[SF_KIND_OTHER] = { "other", "device, other" },
};

const char *sf_kind_name(enum sf_kind kind)
{
	return kinds[kind].name;
}

const char *sf_kind_key(enum sf_kind kind)
{
	return kinds[kind].key;
}

static bool starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/*
 * Sums
 */

static void add(struct sf_explain_sum *sum, const struct sf_vma *vma)
{
	sum->nr++;
	sum->len += vma->len;
	sum->resident += vma->resident;
}

static void sum_up(struct sf_explanation *out, const struct sf_mappings *all)
{
	size_t i, size;

	for (size = 0; size < SF_NR_SIZES; size++)
		out->sizes[size].max = out->facts.page_len << (2 * size);
	out->sizes[SF_NR_SIZES - 1].max = UINT64_MAX;
	for (i = 0; i < all->nr; i++) {
		const struct sf_vma *vma = &all->vma[i];

		for (size = 0; vma->len > out->sizes[size].max; size++)
			;
		add(&out->sizes[size].sum, vma);
		add(&out->kinds[vma->kind], vma);
		out->len += vma->len;
	}
	out->nr = all->nr;
}

static bool is_of_file(const struct sf_vma *vma)
{
	return vma->kind == SF_KIND_LIBRARY || vma->kind == SF_KIND_FILE ||
	       vma->kind == SF_KIND_SHARED || vma->kind == SF_KIND_OTHER;
}

static int by_name(const void *a, const void *b)
{
	const struct sf_vma *x = *(const struct sf_vma *const *)a;
	const struct sf_vma *y = *(const struct sf_vma *const *)b;

	return strcmp(x->name, y->name);
}

static int by_number(const void *a, const void *b)
{
	const struct sf_explain_file *x = a;
	const struct sf_explain_file *y = b;

	if (x->sum.nr != y->sum.nr)
		return x->sum.nr > y->sum.nr ? -1 : 1;
	return strcmp(x->name, y->name);
}

static int sum_files(struct sf_explanation *out, const struct sf_mappings *all)
{
	const struct sf_vma **sorted = malloc((all->nr + 1) *
					      sizeof(struct sf_vma *));
	struct sf_explain_file *file = NULL;
	size_t nr = 0;

	out->files = calloc(all->nr + 1, sizeof(*out->files));
	if (sorted == NULL || out->files == NULL) {
		free(sorted);
		return -ENOMEM;
	}
	for (size_t i = 0; i < all->nr; i++)
		if (is_of_file(&all->vma[i]))
			sorted[nr++] = &all->vma[i];
	qsort(sorted, nr, sizeof(struct sf_vma *), by_name);
	for (size_t i = 0; i < nr; i++) {
		if (file == NULL || strcmp(file->name, sorted[i]->name) != 0) {
			file = &out->files[out->nr_files++];
			file->name = sorted[i]->name;
		}
		add(&file->sum, sorted[i]);
	}
	qsort(out->files, out->nr_files, sizeof(*out->files), by_number);
	free(sorted);
	return 0;
}

/* Which malloc this is, by the names of libraries. */
static void find_allocator(struct sf_explanation *out,
			   const struct sf_mappings *all)
{
	static const char *const names[] = { "jemalloc", "mimalloc",
					     "tcmalloc", "tbbmalloc",
					     "snmalloc", "hardened_malloc" };

	for (size_t i = 0; i < all->nr; i++) {
		const struct sf_vma *vma = &all->vma[i];
		const char *name = strrchr(vma->name, '/');

		if (name == NULL || (vma->prot & SF_EXEC) == 0)
			continue;
		out->has_surefree |= starts(name, "/libsurefree");
		out->has_drop_in |= starts(name, "/libsurefree-preload");
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			if (strstr(name, names[k]) != NULL)
				out->allocator = names[k];
	}
	if (out->has_drop_in)
		out->allocator = "surefree";
}

int sf_explain(struct sf_explanation *out, struct sf_mappings *all,
	       const struct sf_explain_facts *facts)
{
	int err;

	*out = (struct sf_explanation){ .facts = *facts };
	find_allocator(out, all);
	err = sf_explain_kinds(out, all);
	if (err == 0)
		err = sum_files(out, all);
	if (err != 0) {
		sf_explain_free(out);
		return err;
	}
	sum_up(out, all);
	sf_explain_joints(out, all);
	sf_explain_advise(out, all);
	return 0;
}

void sf_explain_free(struct sf_explanation *out)
{
	free(out->files);
	out->files = NULL;
}
