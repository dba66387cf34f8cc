// SPDX-License-Identifier: MIT
/* The table of threads' stacks, see thread_stacks.h. */
#include "preload/thread_stacks.h"

#include <errno.h>

#include "base/option.h"
#include "malloc/malloc.h"
#include "os/probe.h"
#include "os/signals.h"
#include "os/sys.h"
#include "vm/fork.h"
#include "vm/range.h"
#include "vm/release.h"
#include "vm/stack.h"
#include "vm/state.h"

#define NR_BUCKETS 1024

/* Ended threads looked at in a call. */
#define NR_POLLED 4

/* What a thread that ended may still use of its stack, as glibc has it. */
#define END_LEN ((size_t)16 << 10)

static struct sf_lock lock;

/* By the address of the body. */
static struct sf_thread_stack *buckets[NR_BUCKETS];

/* Detached threads that ended, oldest first. */
static _Atomic(struct sf_thread_stack *) ended;
static struct sf_thread_stack *last_ended;

/* Stacks that fork() left behind. */
static _Atomic(struct sf_thread_stack *) left;

static bool is_forked;

static _Thread_local struct sf_thread_stack *own
	__attribute__((tls_model("initial-exec")));

/*
 * Whoever takes this lock, a region's or malloc's here holds signals back, from
 * before the first to after the last: a handler may fork(), and its child shall
 * find none held.
 */
static void lock_table(void)
{
	sf_lock_acquire(&lock, SF_RANK_THREADS);
}

static void unlock_table(void)
{
	sf_lock_release(&lock, SF_RANK_THREADS);
}

/*
 * The table. Called under the lock.
 */

static struct sf_thread_stack **bucket_of(uintptr_t addr)
{
	uint64_t hash = (addr >> sf_page_shift) * 0x9e3779b97f4a7c15u;

	return &buckets[hash >> 54];
}

static void insert_locked(struct sf_thread_stack *stack)
{
	struct sf_thread_stack **bucket = bucket_of(
		sf_extent_addr(&stack->body));

	stack->next = *bucket;
	*bucket = stack;
}

static void remove_locked(struct sf_thread_stack *stack)
{
	struct sf_thread_stack **at = bucket_of(sf_extent_addr(&stack->body));

	while (*at != stack)
		at = &(*at)->next;
	*at = stack->next;
}

/* NULL, also for 0, where there is none. */
static struct sf_thread_stack *find_locked(uintptr_t addr)
{
	struct sf_thread_stack *stack = *bucket_of(addr);

	while (stack != NULL && sf_extent_addr(&stack->body) != addr)
		stack = stack->next;
	return stack;
}

static struct sf_thread_stack *first(_Atomic(struct sf_thread_stack *) *list)
{
	/* Relaxed: read under the lock, or as a hint. */
	return atomic_load_explicit(list, memory_order_relaxed);
}

static void set_first(_Atomic(struct sf_thread_stack *) *list,
		      struct sf_thread_stack *stack)
{
	atomic_store_explicit(list, stack, memory_order_relaxed);
}

static void queue_locked(struct sf_thread_stack *stack)
{
	stack->next_ended = NULL;
	if (first(&ended) == NULL)
		set_first(&ended, stack);
	else
		last_ended->next_ended = stack;
	last_ended = stack;
}

/*
 * Taking and freeing
 */

static size_t more_guard_pages(size_t guard_len)
{
	/* The first is vm/stack's. */
	return guard_len > sf_page_size ? sf_extent_pages(guard_len) - 1 : 0;
}

static void free_stack(struct sf_thread_stack *stack)
{
	sf_stack_unmap_top("thread's stack", &stack->body, stack->top_len);
	sf_free(stack);
}

/* A body with all of its guard; false: none, or not with a guard. */
static bool map_body(size_t len, size_t guard_len, bool must_guard,
		     struct sf_extent *body)
{
	size_t nr_more = more_guard_pages(guard_len);
	struct sf_extent guard;
	struct sf_extent rest;
	bool guarded;

	if (sf_stack_map(sf_extent_pages(len) + nr_more, body, &guarded) != 0)
		return false;
	guard = *body;
	guard.nr = nr_more;
	if (guarded && nr_more > 0)
		guarded = sf_range_guard("thread's stack", &guard) == 0;
	if (must_guard && !guarded) {
		sf_stack_unmap("thread's stack", body);
		return false;
	}
	rest = (struct sf_extent){ body->region, body->first + nr_more,
				   body->nr - nr_more };
	sf_stack_pin(&rest);
	return true;
}

static struct sf_thread_stack *take(size_t len, size_t guard_len,
				    bool must_guard)
{
	struct sf_thread_stack *stack = sf_calloc(1, sizeof(*stack));

	if (stack == NULL)
		return NULL;
	if (!map_body(len, guard_len, must_guard, &stack->body)) {
		sf_free(stack);
		return NULL;
	}
	stack->guard_len = guard_len;
	lock_table();
	insert_locked(stack);
	unlock_table();
	return stack;
}

struct sf_thread_stack *sf_thread_stack_take(size_t len, size_t guard_len,
					     bool must_guard)
{
	struct sf_thread_stack *stack;
	uint64_t signals;

	if (must_guard &&
	    !(sf_option(SF_OPTION_TRAP) && sf_probe_has(SF_FEATURE_GUARD)))
		return NULL;
	signals = sf_signals_block();
	stack = take(len, guard_len, must_guard);
	sf_signals_restore(signals);
	return stack;
}

void *sf_thread_stack_addr(const struct sf_thread_stack *stack)
{
	return (void *)(sf_extent_addr(&stack->body) +
			(more_guard_pages(stack->guard_len) << sf_page_shift));
}

void sf_thread_stack_drop(struct sf_thread_stack *stack)
{
	uint64_t signals = sf_signals_block();

	lock_table();
	remove_locked(stack);
	unlock_table();
	free_stack(stack);
	sf_signals_restore(signals);
}

/*
 * What a thread does for itself
 */

static int own_tid(void)
{
	return (int)sf_sys(__NR_gettid, 0, 0, 0, 0, 0, 0);
}

void sf_thread_stack_begin(struct sf_thread_stack *stack)
{
	own = stack;
	/* Relaxed: others look when the thread is queued, under the lock. */
	atomic_store_explicit(&stack->tid, own_tid(), memory_order_relaxed);
}

/*
 * Give back what lies deeper than this call. Nothing else does, until the
 * thread is joined, or found to be gone.
 */
static void discard_deep(struct sf_thread_stack *stack)
{
	uintptr_t start = (uintptr_t)sf_thread_stack_addr(stack);
	uintptr_t end = sf_extent_addr(&stack->body) +
			sf_extent_len(&stack->body);
	uintptr_t frame = (uintptr_t)__builtin_frame_address(0);
	size_t deep_len = 0;
	bool was_locked;

	/* The program may have switched to a stack of its own. */
	if (frame < start || frame >= end)
		return;
	if (frame - start > END_LEN)
		deep_len = sf_align_down(frame - start - END_LEN, sf_page_size);
	if (deep_len == 0 || sf_release_pages(start, deep_len, &was_locked))
		stack->top_len = end - start - deep_len;
}

void sf_thread_stack_end(struct sf_thread_stack *stack)
{
	uint64_t signals;

	discard_deep(stack);
	/* So that no more of them wait than end at the same time. */
	sf_thread_stacks_poll();
	signals = sf_signals_block();
	lock_table();
	stack->ended = true;
	if (stack->detached)
		queue_locked(stack);
	unlock_table();
	sf_signals_restore(signals);
}

/*
 * What others do to it
 */

void sf_thread_stack_joined(uintptr_t thread)
{
	uint64_t signals = sf_signals_block();
	uintptr_t addr = sf_stack_find(thread);
	struct sf_thread_stack *stack;

	lock_table();
	stack = find_locked(addr);
	/* Detached while another waited: it is, or will be, in the queue. */
	if (stack != NULL && stack->detached)
		stack = NULL;
	if (stack != NULL)
		remove_locked(stack);
	unlock_table();
	if (stack != NULL)
		free_stack(stack);
	sf_signals_restore(signals);
}

void sf_thread_stack_detached(uintptr_t thread)
{
	uint64_t signals = sf_signals_block();
	uintptr_t addr = sf_stack_find(thread);
	struct sf_thread_stack *stack;

	lock_table();
	stack = find_locked(addr);
	if (stack != NULL && !stack->detached) {
		stack->detached = true;
		if (stack->ended)
			queue_locked(stack);
	}
	unlock_table();
	sf_signals_restore(signals);
}

bool sf_thread_stack_guard(uintptr_t thread, size_t *guard_len)
{
	uint64_t signals = sf_signals_block();
	uintptr_t addr = sf_stack_find(thread);
	struct sf_thread_stack *stack;

	lock_table();
	stack = find_locked(addr);
	if (stack != NULL)
		*guard_len = stack->guard_len;
	unlock_table();
	sf_signals_restore(signals);
	return stack != NULL;
}

/*
 * Those nobody waits for
 */

/* The oldest of the queue; it stays in the table, for fork(). */
static struct sf_thread_stack *pop_ended(void)
{
	struct sf_thread_stack *stack;

	lock_table();
	stack = first(&ended);
	if (stack != NULL)
		set_first(&ended, stack->next_ended);
	unlock_table();
	return stack;
}

/*
 * The kernel unlinks a thread from its process when it is done with the
 * memory. Its number may be another's by now, of this process: that one has
 * the stack wait until it ends too.
 */
static bool is_gone(const struct sf_thread_stack *stack)
{
	long pid = sf_sys(__NR_getpid, 0, 0, 0, 0, 0, 0);
	int tid = atomic_load_explicit(&stack->tid, memory_order_relaxed);

	return sf_sys(__NR_tgkill, pid, tid, 0, 0, 0, 0) == -ESRCH;
}

static void free_one_left(void)
{
	struct sf_thread_stack *stack;

	lock_table();
	stack = first(&left);
	if (stack != NULL)
		set_first(&left, stack->next);
	unlock_table();
	if (stack != NULL)
		free_stack(stack);
}

static void poll(void)
{
	struct sf_thread_stack *stack;

	if (first(&left) != NULL)
		free_one_left();
	for (int i = 0; i < NR_POLLED && first(&ended) != NULL; i++) {
		stack = pop_ended();
		if (stack == NULL)
			return;
		if (is_gone(stack)) {
			sf_thread_stack_drop(stack);
			continue;
		}
		lock_table();
		queue_locked(stack);
		unlock_table();
	}
}

void sf_thread_stacks_poll(void)
{
	uint64_t signals;

	if (first(&left) == NULL && first(&ended) == NULL)
		return;
	signals = sf_signals_block();
	poll();
	sf_signals_restore(signals);
}

/*
 * Around fork()
 */

/*
 * The child has one thread. It may yet use what is on the others' stacks, so
 * these go one by one, as the child makes threads itself.
 */
static void leave_all_locked(void)
{
	struct sf_thread_stack *stack;
	struct sf_thread_stack *next;

	for (size_t i = 0; i < NR_BUCKETS; i++) {
		next = buckets[i];
		buckets[i] = NULL;
		while (next != NULL) {
			stack = next;
			next = stack->next;
			if (stack == own)
				continue;
			stack->top_len = 0;
			stack->next = first(&left);
			set_first(&left, stack);
		}
	}
	set_first(&ended, NULL);
}

/* Of the thread that forks: its handlers shall find no lock held. */
static uint64_t fork_signals;

static void fork_prepare(void)
{
	uint64_t signals = sf_signals_block();

	lock_table();
	fork_signals = signals;
}

static void fork_parent(void)
{
	uint64_t signals = fork_signals;

	unlock_table();
	sf_signals_restore(signals);
}

static void fork_child_as_is(void)
{
	is_forked = true;
	if (own != NULL)
		atomic_store_explicit(&own->tid, own_tid(),
				      memory_order_relaxed);
}

static void fork_child(void)
{
	fork_child_as_is();
	leave_all_locked();
	if (own != NULL) {
		insert_locked(own);
		/* Another key's destructor may have forked. */
		if (own->ended && own->detached)
			queue_locked(own);
	}
	fork_parent();
}

static const struct sf_fork_layer fork_layer = {
	.prepare = fork_prepare,
	.parent = fork_parent,
	.child = fork_child,
	.child_as_is = fork_child_as_is,
};

bool sf_thread_stacks_forked(void)
{
	return is_forked;
}

void sf_thread_stacks_init(void)
{
	sf_fork_set_layer(SF_FORK_THREADS, &fork_layer);
}
