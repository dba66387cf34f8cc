/* SPDX-License-Identifier: MIT */
/*
 * Explains a table of mappings: what they are, what keeps neighbours apart,
 * how bad it can get, and who did it. Looks at nothing but its arguments.
 *
 *	what is it?	kinds			explain_kinds.c
 *			files, sizes		explain.c
 *	what parts it?	joints			explain_joints.c
 *	how bad?	worst case		explain_advice.c
 *	whose doing?	advice			explain_advice.c
 *
 * Several things can't be seen from outside and are inferred: a stack is
 * memory with a guard below it, and neighbours that differ in nothing that is
 * shown were touched apart (the kernel's anon_vma).
 */
#ifndef SF_CLI_EXPLAIN_H
#define SF_CLI_EXPLAIN_H

#include "mappings.h"

/* What is known besides the mappings. */
struct sf_explain_facts {
	size_t limit;
	size_t page_len;
	size_t nr_threads; /* at least 1 */
};

struct sf_explain_sum {
	size_t nr;
	uint64_t len;
	uint64_t resident; /* where the mappings are detailed */
};

struct sf_explain_file {
	const char *name;
	struct sf_explain_sum sum;
};

#define SF_NR_SIZES 10

/* Mappings of at most max bytes, and more than the class before. */
struct sf_explain_size {
	uint64_t max;
	struct sf_explain_sum sum;
};

/* What keeps two neighbours apart. */
enum sf_cause {
	SF_CAUSE_PROTECTION,
	SF_CAUSE_FLAGS,	   /* of madvise(), mlock() and mmap(); of smaps */
	SF_CAUSE_NAME,	   /* PR_SET_VMA_ANON_NAME */
	SF_CAUSE_SHARING,  /* one private, one shared */
	SF_CAUSE_OFFSET,   /* in the file */
	SF_CAUSE_ANON_VMA, /* nothing else: touched apart, or hidden flags */
	SF_CAUSE_HOLE,	   /* alike, with unmapped addresses between them */
	SF_NR_CAUSES,
};

#define SF_JOINTS_MAX 32
#define SF_DETAIL_LEN 64

/* Pairs of neighbours that have the same things in the way. */
struct sf_explain_joint {
	enum sf_cause cause;
	char detail[SF_DETAIL_LEN]; /* "rw-p beside ---p" */
	size_t nr;
	uint64_t first; /* address where the first pair meets */
};

#define SF_NR_WORST 6

/* Every second range of this size released in memory that can be cut up. */
struct sf_explain_worst {
	uint64_t range_len;
	uint64_t nr; /* mappings then */
};

enum sf_advice_cause {
	SF_ADVICE_LIMIT,      /* little is left */
	SF_ADVICE_FIBERS,     /* fiber stacks with guards by mprotect() */
	SF_ADVICE_THREADS,    /* the same of threads */
	SF_ADVICE_GUARDS,     /* guards between other memory */
	SF_ADVICE_COMMIT,     /* pieces of a reservation made accessible */
	SF_ADVICE_HOLES,      /* memory released in pieces */
	SF_ADVICE_APART,      /* neighbours alike, touched apart */
	SF_ADVICE_PROTECTION, /* neighbours protected otherwise */
	SF_ADVICE_FLAGS,      /* flags set on pieces */
	SF_ADVICE_NAMES,      /* names given to pieces */
	SF_ADVICE_FILES,      /* file views */
	SF_ADVICE_SHARED,     /* shared memory */
	SF_ADVICE_CODE,	      /* memory for code that is made at run time */
	SF_ADVICE_LIBRARIES,  /* many libraries */
	SF_NR_ADVICE,
};

struct sf_explain_advice {
	enum sf_advice_cause cause;
	size_t nr; /* mappings that it costs, about */
};

struct sf_explanation {
	struct sf_explain_facts facts;
	size_t nr;
	uint64_t len;
	struct sf_explain_sum kinds[SF_NR_KINDS];
	struct sf_explain_size sizes[SF_NR_SIZES];
	struct sf_explain_file *files; /* most mappings first */
	size_t nr_files;
	struct sf_explain_joint joints[SF_JOINTS_MAX]; /* most first */
	size_t nr_joints;
	size_t nr_pairs; /* of all joints but holes */
	struct sf_explain_worst worst[SF_NR_WORST];
	uint64_t cut_len;      /* memory that can be cut up */
	uint64_t passes_below; /* smaller ranges pass the limit; 0: none do */
	struct sf_explain_advice advice[SF_NR_ADVICE]; /* dearest first */
	size_t nr_advice;
	size_t nr_arenas;      /* of glibc's malloc */
	const char *allocator; /* "jemalloc"; NULL: the C library's */
	bool has_surefree;     /* the library or the drop-in is mapped */
	bool has_drop_in;
};

/*
 * Explain all, whose mappings get their kinds. 0 or -ENOMEM. all must stay
 * until sf_explain_free().
 */
int sf_explain(struct sf_explanation *out, struct sf_mappings *all,
	       const struct sf_explain_facts *facts);
void sf_explain_free(struct sf_explanation *out);

/* Words: "thread stack", "anon_vma"; keys for JSON: "thread_stack". */
const char *sf_kind_name(enum sf_kind kind);
const char *sf_kind_key(enum sf_kind kind);
const char *sf_cause_key(enum sf_cause cause);
const char *sf_cause_text(enum sf_cause cause);
const char *sf_advice_key(enum sf_advice_cause cause);
const char *sf_advice_text(enum sf_advice_cause cause);
const char *sf_advice_remedy(enum sf_advice_cause cause);

/* Whether these are neighbours that could be one, if they were made alike. */
bool sf_explain_may_merge(const struct sf_vma *low, const struct sf_vma *high);

/* Parts of sf_explain(), in this order. 0 or -ENOMEM. */
int sf_explain_kinds(struct sf_explanation *out, struct sf_mappings *all);
void sf_explain_joints(struct sf_explanation *out,
		       const struct sf_mappings *all);
void sf_explain_advise(struct sf_explanation *out,
		       const struct sf_mappings *all);

#endif
