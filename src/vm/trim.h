/* SPDX-License-Identifier: MIT */
/* Giving back what is kept for speed. */
#ifndef SF_VM_TRIM_H
#define SF_VM_TRIM_H

#include <stddef.h>

/*
 * Retained memory down to keep_len bytes; with 0 also kept stacks, the page
 * tables of free leaves with their traps, and commit charge. Returns the bytes
 * of memory given back.
 */
size_t sf_trim(size_t keep_len);

#endif
