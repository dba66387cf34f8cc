/* SPDX-License-Identifier: MIT */
/* What a signal handler's third argument tells of a fault. */
#ifndef SF_OS_CONTEXT_H
#define SF_OS_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "base/compiler.h"

#if defined(__x86_64__)

/* The instruction that faulted. */
static inline uintptr_t sf_context_pc(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
}

static inline bool sf_context_is_write(const ucontext_t *context)
{
	/* Bit 1 of the page fault's error code. */
	return (context->uc_mcontext.gregs[REG_ERR] & 2) != 0;
}

#else

static inline uintptr_t sf_context_pc(const ucontext_t *context)
{
	return (uintptr_t)context->uc_mcontext.pc;
}

static inline bool sf_context_is_write(const ucontext_t *context)
{
	const struct _aarch64_ctx *head = (const void *)context->uc_mcontext
						  .__reserved;

	/* Records of different sizes; an empty one ends them. */
	while (head->magic != 0 && head->magic != ESR_MAGIC)
		head = (const void *)((const char *)head + head->size);
	/* WnR, "write not read", of a data abort's syndrome. */
	return head->magic == ESR_MAGIC &&
	       (((const struct esr_context *)(const void *)head)->esr >> 6 &
		1) != 0;
}

#endif

#endif
