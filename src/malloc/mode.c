// SPDX-License-Identifier: MIT
/* Choosing a mode, see mode.h. */
#include "malloc/mode.h"

#include "base/option.h"
#include "malloc/actions.h"
#include "malloc/fenced.h"
#include "malloc/hardened.h"
#include "malloc/heap.h"
#include "malloc/origin.h"
#include "malloc/random.h"
#include "malloc/report.h"
#include "malloc/stacks.h"
#include "vm/fork.h"

const struct sf_mode *sf_mode;

/* Around fork(). Threads have no lock of a mode while they wait for a heap. */

static void prepare_fork(void)
{
	sf_mode->lock();
	sf_stacks_lock();
}

static void fork_parent(void)
{
	sf_stacks_unlock();
	sf_mode->unlock();
}

static void fork_child_as_is(void)
{
	sf_random_fork_child();
	sf_report_fork_child();
}

static void fork_child(void)
{
	fork_child_as_is();
	fork_parent();
}

static const struct sf_fork_layer fork_layer = {
	.prepare = prepare_fork,
	.parent = fork_parent,
	.child = fork_child,
	.child_as_is = fork_child_as_is,
};

void sf_mode_init(void)
{
	if (sf_option(SF_OPTION_FENCE) && sf_fenced_init())
		sf_mode = &sf_fenced_mode;
	else if (sf_option(SF_OPTION_HARDENED) && sf_hardened_init())
		sf_mode = &sf_hardened_mode;
	if (sf_mode != NULL)
		sf_fork_set_layer(SF_FORK_MODE, &fork_layer);
}

/* Backtraces take longer than all else that "hardened" does. */
static bool wants_stacks(void)
{
	if (sf_option_is_set(SF_OPTION_BACKTRACE))
		return sf_option(SF_OPTION_BACKTRACE);
	return sf_mode == &sf_fenced_mode;
}

void sf_mode_start(void)
{
	sf_state_init();
	if (!sf_option(SF_OPTION_FENCE) && !sf_option(SF_OPTION_HARDENED))
		return;
	sf_heap_init();
	if (sf_mode == NULL)
		return;
	if (wants_stacks()) {
		sf_stacks_init();
		sf_origin_init();
	}
	sf_actions_init();
}
