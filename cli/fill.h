/* SPDX-License-Identifier: MIT */
/*
 * Uses up this process's mappings so that exactly as many are spare as asked,
 * and gives them back.
 *
 *	struct sf_fill fill;
 *	int err = sf_fill_up(&fill, 20);
 *	if (err != 0)
 *		errx(3, "cannot use up the mappings: %s", sf_fill_why(err));
 *	... what is to be seen with 20 spare mappings ...
 *	sf_fill_empty(&fill);
 *
 * Unprivileged. Takes one system call for two mappings and one page of address
 * space, nothing resident, and some 300 bytes of the kernel's memory for each.
 * Other threads must not map or unmap meanwhile. Allocates nothing.
 */
#ifndef SF_CLI_FILL_H
#define SF_CLI_FILL_H

#include <stdbool.h>
#include <stddef.h>

#define SF_FILL_MAX  ((size_t)8 << 20) /* mappings; half a minute */
#define SF_FILL_COST ((size_t)320)     /* kernel memory for one of them */

/* What changes mappings and counts them: of this process, or of another. */
struct sf_fill_hands {
	/* Give nr pages a protection, every second one from page on. */
	int (*set)(void *arg, size_t page, size_t nr, int prot);
	int (*count)(void *arg, size_t *nr);
};

struct sf_fill {
	const struct sf_fill_hands *hands;
	void *arg;
	char *addr;
	size_t len;
	size_t page_len;
	size_t nr_islands; /* readable pages amid inaccessible ones */
	bool tail;	   /* the last page is readable */
};

/*
 * Leave exactly spare mappings. 0, or -errno and nothing is held: -ERANGE
 * (fewer are left already), -E2BIG (more than SF_FILL_MAX to use up), -ENOMEM
 * (memory or address space), -EBUSY (the number changes by itself).
 */
int sf_fill_up(struct sf_fill *fill, size_t spare);

/* 0, or the error that sf_fill_up() would give without trying. */
int sf_fill_check(size_t spare);

/* Give them back. Cannot fail, not at the limit either. */
void sf_fill_empty(struct sf_fill *fill);

/*
 * For other hands. How many to use up, of nr that there are, into *missing; the
 * limit into *limit. 0 or an error as above. Then, in fill->len bytes that are
 * inaccessible and untouched, use up mappings until the count is limit - spare;
 * sf_fill_len() is what that needs.
 */
int sf_fill_look(size_t nr, size_t spare, size_t *limit, size_t *missing);
size_t sf_fill_len(size_t missing, size_t page_len);
int sf_fill_settle(struct sf_fill *fill, size_t limit, size_t spare);

/* What an error of sf_fill_up() means, one phrase with the remedy. */
const char *sf_fill_why(int err);

#endif
