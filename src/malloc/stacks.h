/* SPDX-License-Identifier: MIT */
/*
 * Backtraces: who allocated a block, and who freed it. Equal ones are stored
 * once, so that a number of 32 bits stands for each: programs have some
 * thousands of places that allocate, and millions of blocks.
 */
#ifndef SF_MALLOC_STACKS_H
#define SF_MALLOC_STACKS_H

#include "base/compiler.h"

/*
 * Have libc ready to take backtraces, which loads libgcc_s.so.1: not before
 * constructors run. Until then, and where it fails, all are empty.
 */
void sf_stacks_init(void);

/*
 * The number of the caller's backtrace: up to 16 frames, without those of this
 * library. 0: none. No lock may be held: unwinding takes those of the loader.
 */
uint32_t sf_stacks_take(void);

/* Print title, then a line on stderr for each frame; nothing for 0. */
void sf_stacks_print(const char *title, uint32_t number);

/* The same for the calling thread's stack, from the frame of pc on. */
void sf_stacks_print_from(const char *title, uintptr_t pc);

/* The same where there is no following it: the instruction alone. */
void sf_stacks_print_pc(const char *title, uintptr_t pc);

/* After a jump out of any of these. */
void sf_stacks_was_left(void);

/* Around fork(). */
void sf_stacks_lock(void);
void sf_stacks_unlock(void);

#endif
