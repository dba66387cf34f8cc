/* SPDX-License-Identifier: MIT */
/*
 * Holding signals back while a lock is held that a handler may want: the
 * kernel's own calls can be made in any handler, and collectors stop threads by
 * signals wherever they are. Those that a thread causes itself come through.
 */
#ifndef SF_OS_SIGNALS_H
#define SF_OS_SIGNALS_H

#include <stdint.h>

/* Returns what sf_signals_restore() wants. May be nested. */
uint64_t sf_signals_block(void);
void sf_signals_restore(uint64_t mask);

/* In a handler: have faults call it again, instead of ending the process. */
void sf_signals_unblock_faults(void);

#endif
