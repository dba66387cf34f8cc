/* SPDX-License-Identifier: MIT */
/*
 * The bound on memory that was released by the caller and is held back for
 * reuse: option "retain", in bytes, for the whole process. Whoever wants to
 * hold memory back counts it here first, so that the bound holds at every
 * instant.
 */
#ifndef SF_VM_RETAIN_H
#define SF_VM_RETAIN_H

#include "base/compiler.h"

/* The option, or its default of 128 MiB; ranges are kept only if it is set. */
size_t sf_retain_bound(void);

/* Count len bytes as retained; false when that would exceed the bound. */
bool sf_retain_try(size_t len);

/* They are released, or in use again. */
void sf_retain_end(size_t len);

size_t sf_retain_len(void);
size_t sf_retain_peak_len(void);

/* Whether who trims to keep_len bytes is done. With 0 he leaves nothing out. */
bool sf_retain_is_within(size_t keep_len);

#endif
