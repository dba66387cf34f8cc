// SPDX-License-Identifier: MIT
/*
 * How bad it can get, and what to do about it. A cause is named when it costs
 * a twentieth of the mappings and not just a few.
 */
#include <stdlib.h>

#include "explain.h"

#define FEW  64
#define PART 20 /* a 20th of all mappings */

static const struct {
	const char *key;
	const char *text;
	const char *remedy;
} advice[SF_NR_ADVICE] = {
	[SF_ADVICE_LIMIT] = { "limit",
			      "More than 80 % of the limit is used: soon mmap() fails, and "
			      "munmap() with it.",
			      "Remove the causes that are named here; until then raise "
			      "vm.max_map_count (sysctl, needs root, for the whole "
			      "machine)." },
	[SF_ADVICE_FIBERS] = { "fiber_guards",
			       "Stacks of fibers or coroutines, each with a guard made by "
			       "mprotect(PROT_NONE): two mappings a stack.",
			       "surefree run -- PROGRAM makes such guards without a mapping "
			       "(Linux 6.13); in a program of your own use "
			       "surefree_stack_map()." },
	[SF_ADVICE_THREADS] = { "thread_guards",
				"Stacks of threads, each with a guard: two mappings a thread.",
				"Run fewer threads, or give them stacks of "
				"surefree_stack_map() by pthread_attr_setstack(); glibc 2.42 "
				"needs no mapping for the guard." },
	[SF_ADVICE_GUARDS] = { "guards",
			       "Guard pages between other memory, made by mprotect(): each "
			       "cuts a mapping in two.",
			       "Use surefree_guard() (Linux 6.13), or surefree run "
			       "--hardened -- PROGRAM in place of a hardened malloc." },
	[SF_ADVICE_COMMIT] = { "commit_pattern",
			       "Address space is reserved by PROT_NONE and made accessible "
			       "in pieces, here and there: each piece is a mapping.",
			       "Commit from one end, or make all of it accessible at once "
			       "with MAP_NORESERVE and give back by MADV_DONTNEED; or take "
			       "it from surefree_map(). An allocator: surefree run -- "
			       "PROGRAM." },
	[SF_ADVICE_HOLES] = { "holes",
			      "Memory was released in pieces, and each hole cuts a mapping "
			      "in two: an allocator that maps and unmaps blocks.",
			      "surefree run -- PROGRAM releases without cutting; in a "
			      "program of your own use surefree_map() and "
			      "surefree_unmap()." },
	[SF_ADVICE_APART] = { "touched_apart",
			      "Neighbours that are alike were touched before they met, or "
			      "by different processes of a fork(): the kernel never merges "
			      "them any more.",
			      "Map in one piece and touch from one end on; surefree_map() "
			      "and surefree run do so. --smaps shows whether it is flags "
			      "after all." },
	[SF_ADVICE_PROTECTION] = { "protection",
				   "mprotect() of parts of a map, as compilers at run time, "
				   "debugging allocators and garbage collectors do: each "
				   "change of protection begins a mapping.",
				   "Protect larger pieces, and put what has the same "
				   "protection together. Where parts become inaccessible, "
				   "surefree_guard() needs no mapping (Linux 6.13), nor do "
				   "guards by surefree run -- PROGRAM." },
	[SF_ADVICE_FLAGS] = { "flags",
			      "madvise() or mlock() on pieces of memory: each piece with "
			      "flags of its own is a mapping.",
			      "Set such flags once, on the whole of a reservation." },
	[SF_ADVICE_NAMES] = { "names",
			      "Pieces of memory have names (PR_SET_VMA_ANON_NAME) that "
			      "differ: each is a mapping.",
			      "Give one name to all of a kind, without a number." },
	[SF_ADVICE_FILES] = { "file_views",
			      "Views of files and devices: each is a mapping by nature.",
			      "Map larger parts, fewer files at a time, or read() instead; "
			      "surefree_map_file() refuses a view while there is still "
			      "headroom for others. Else raise vm.max_map_count." },
	[SF_ADVICE_SHARED] = { "shared_memory", "Shared memory in many pieces.",
			       "Map one object of all that is needed, and release inside it "
			       "by MADV_REMOVE." },
	[SF_ADVICE_CODE] = { "code",
			     "Executable memory for code that is made at run time, in many "
			     "pieces.",
			     "Look for the run time's option to reserve its code cache in "
			     "one piece." },
	[SF_ADVICE_LIBRARIES] = { "libraries",
				  "Programs and libraries: some five mappings each.",
				  "Nothing to do, unless plugins are loaded without end." },
};

const char *sf_advice_key(enum sf_advice_cause cause)
{
	return advice[cause].key;
}

const char *sf_advice_text(enum sf_advice_cause cause)
{
	return advice[cause].text;
}

const char *sf_advice_remedy(enum sf_advice_cause cause)
{
	return advice[cause].remedy;
}

/*
 * The worst case
 */

/* Memory out of which pieces may be unmapped: not brk()'s, not our own. */
static bool can_be_cut(const struct sf_vma *vma)
{
	return vma->kind == SF_KIND_ANON && (vma->prot & SF_WRITE) != 0;
}

/* Mappings when every second range of each such mapping is released. */
static uint64_t worst_case(const struct sf_mappings *all, uint64_t range_len)
{
	uint64_t nr = 0;

	for (size_t i = 0; i < all->nr; i++) {
		const struct sf_vma *vma = &all->vma[i];
		uint64_t nr_ranges = vma->len / range_len;

		nr += can_be_cut(vma) && nr_ranges > 1 ? (nr_ranges + 1) / 2 :
							 1;
	}
	return nr;
}

static void find_worst(struct sf_explanation *out,
		       const struct sf_mappings *all)
{
	static const unsigned pages[SF_NR_WORST] = { 1, 4, 16, 32, 256, 2048 };
	size_t shift;

	for (size_t i = 0; i < SF_NR_WORST; i++) {
		out->worst[i].range_len = pages[i] * out->facts.page_len;
		out->worst[i].nr = worst_case(all, out->worst[i].range_len);
	}
	for (size_t i = 0; i < all->nr; i++)
		if (can_be_cut(&all->vma[i]))
			out->cut_len += all->vma[i].len;
	/* The smallest power of two that does no harm; halves of it do. */
	for (shift = 0; worst_case(all, (uint64_t)out->facts.page_len
						<< shift) > out->facts.limit &&
			out->facts.page_len << shift <= out->cut_len;
	     shift++)
		out->passes_below = (uint64_t)out->facts.page_len
				    << (shift + 1);
}

/*
 * Advice
 */

static void advise(struct sf_explanation *out, enum sf_advice_cause cause,
		   size_t nr)
{
	if (nr >= FEW && nr >= out->nr / PART)
		out->advice[out->nr_advice++] = (struct sf_explain_advice){
			cause, nr
		};
}

static size_t joints_of(const struct sf_explanation *out, enum sf_cause cause)
{
	size_t nr = 0;

	for (size_t i = 0; i < out->nr_joints; i++)
		if (out->joints[i].cause == cause)
			nr += out->joints[i].nr;
	return nr;
}

static bool is_code(const struct sf_vma *vma)
{
	return vma->kind == SF_KIND_ANON && (vma->prot & SF_EXEC) != 0;
}

/* Accessible memory beside reserved: pieces of a reservation. */
static bool is_commit(const struct sf_vma *low, const struct sf_vma *high)
{
	return low->end == high->start &&
	       ((low->kind == SF_KIND_RESERVED && high->kind == SF_KIND_ANON) ||
		(low->kind == SF_KIND_ANON && high->kind == SF_KIND_RESERVED));
}

static size_t count_committed(const struct sf_mappings *all)
{
	size_t nr = 0;

	for (size_t i = 1; i < all->nr; i++)
		nr += is_commit(&all->vma[i - 1], &all->vma[i]);
	return nr;
}

/* What has other advice when it differs from its neighbours. */
static bool is_protected_by_nature(const struct sf_vma *vma)
{
	return vma->kind == SF_KIND_GUARD || vma->kind == SF_KIND_LIBRARY;
}

/* Neighbours that only protection keeps apart, and nobody else speaks of. */
static size_t count_reprotected(const struct sf_mappings *all)
{
	size_t nr = 0;

	for (size_t i = 1; i < all->nr; i++) {
		const struct sf_vma *low = &all->vma[i - 1];
		const struct sf_vma *high = &all->vma[i];

		nr += sf_explain_may_merge(low, high) &&
		      low->prot != high->prot && !is_commit(low, high) &&
		      !is_protected_by_nature(low) &&
		      !is_protected_by_nature(high);
	}
	return nr;
}

static size_t count_code(const struct sf_mappings *all)
{
	size_t nr = 0;

	for (size_t i = 0; i < all->nr; i++)
		nr += is_code(&all->vma[i]);
	return nr;
}

static size_t kind_nr(const struct sf_explanation *out, enum sf_kind kind)
{
	return out->kinds[kind].nr;
}

static int by_cost(const void *a, const void *b)
{
	const struct sf_explain_advice *x = a;
	const struct sf_explain_advice *y = b;

	if (x->nr != y->nr)
		return x->nr > y->nr ? -1 : 1;
	return x->cause < y->cause ? -1 : 1;
}

/* Each arena of glibc has a reserved part, which is no pattern to mend. */
static size_t without(size_t nr, size_t less)
{
	return nr > less ? nr - less : 0;
}

void sf_explain_advise(struct sf_explanation *out,
		       const struct sf_mappings *all)
{
	size_t fibers = 2 * kind_nr(out, SF_KIND_FIBER_STACK);
	size_t threads = 2 * kind_nr(out, SF_KIND_THREAD_STACK);
	size_t guards = kind_nr(out, SF_KIND_GUARD);

	find_worst(out, all);
	advise(out, SF_ADVICE_FIBERS, fibers);
	advise(out, SF_ADVICE_THREADS, threads);
	advise(out, SF_ADVICE_GUARDS,
	       2 * without(guards, (fibers + threads) / 2));
	advise(out, SF_ADVICE_COMMIT,
	       without(count_committed(all), out->nr_arenas));
	advise(out, SF_ADVICE_HOLES, joints_of(out, SF_CAUSE_HOLE));
	advise(out, SF_ADVICE_APART, joints_of(out, SF_CAUSE_ANON_VMA));
	advise(out, SF_ADVICE_PROTECTION, count_reprotected(all));
	advise(out, SF_ADVICE_FLAGS, joints_of(out, SF_CAUSE_FLAGS));
	advise(out, SF_ADVICE_NAMES, joints_of(out, SF_CAUSE_NAME));
	advise(out, SF_ADVICE_FILES,
	       kind_nr(out, SF_KIND_FILE) + kind_nr(out, SF_KIND_OTHER));
	advise(out, SF_ADVICE_SHARED, kind_nr(out, SF_KIND_SHARED));
	advise(out, SF_ADVICE_CODE, count_code(all));
	if (kind_nr(out, SF_KIND_LIBRARY) > out->facts.limit / PART)
		advise(out, SF_ADVICE_LIBRARIES, kind_nr(out, SF_KIND_LIBRARY));
	if (out->nr * 5 > out->facts.limit * 4 && out->nr_advice < SF_NR_ADVICE)
		out->advice[out->nr_advice++] = (struct sf_explain_advice){
			SF_ADVICE_LIMIT, out->nr
		};
	qsort(out->advice, out->nr_advice, sizeof(out->advice[0]), by_cost);
}
