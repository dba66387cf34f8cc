/* SPDX-License-Identifier: MIT */
/* Ranges of a world's pages, for the calls of the model. */
#ifndef MODEL_RANGE_H
#define MODEL_RANGE_H

#include "model.h"

#define ERRNO_KEPT 4242 /* nobody sets this one */

#define MODEL_SMALL 40u /* pages of most maps */
#define MODEL_LARGE 700u

/* A range of pages, and where it is. */
struct range {
	char *addr;
	size_t nr;
};

struct model_page *range_page(struct model_world *w, struct range r, size_t i);
char *range_end(struct range r);

/* Any part of an area. Its pages may be free, unless that isn't safe. */
bool range_pick(struct model_world *w, struct range *r);

/* A part of one mapping. */
bool range_pick_run(struct model_world *w, struct range *r);

/*
 * The pages up to end were changed: those that were in one mapping still are,
 * but no more with what is around.
 */
void range_renumber(struct model_world *w, struct range r, size_t end);

void range_set_free(struct model_world *w, struct range r);
bool range_in_use(struct model_world *w, struct range r);

/* Check what a call gave: 0 and ERRNO_KEPT in errno, or -1 and err. */
void range_expect(struct model_world *w, long result, int err);

/* Calls of mremap(). */
void model_shrink(struct model_world *w);
void model_grow(struct model_world *w);
void model_move(struct model_world *w);

#endif
