/* SPDX-License-Identifier: MIT */
/*
 * fork(): the child gets the state between two operations. New operations wait
 * while those under way end; then every lock is held, the process forks, and
 * both sides let go.
 */
#ifndef SF_VM_FORK_H
#define SF_VM_FORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern _Atomic uint32_t sf_fork_freeze;

/* Whether a fork() waits for operations to end. */
static inline bool sf_fork_frozen(void)
{
	/*
	 * Relaxed: read under a region's lock, which sf_fork_prepare() takes
	 * after setting it.
	 */
	return atomic_load_explicit(&sf_fork_freeze, memory_order_relaxed) != 0;
}

/* Sleep until the fork() is over. No lock may be held. */
void sf_fork_wait(void);

/* Register the handlers with libc. Called once. */
void sf_fork_init(void);

/*
 * A layer above whose locks are held while it calls this one: they are taken
 * before regions freeze, and let go after. Set at load.
 */
struct sf_fork_layer {
	void (*prepare)(void);
	void (*parent)(void);
	void (*child)(void);
};

void sf_fork_set_layer(const struct sf_fork_layer *layer);

#endif
