// SPDX-License-Identifier: MIT
/*
 * Backtraces, see stacks.h.
 *
 *	store    | head | frames ... | head | frames ... |       words of 64
 *bits head     next << 32 | hash << 8 | nr    next: of the same bucket
 *
 * A stack's number is the index of its head. Stacks never change and are never
 * removed, so looking one up takes no lock.
 */
#include "malloc/stacks.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <link.h>
#include <stdatomic.h>

#include "base/log.h"
#include "malloc/array.h"
#include "os/lock.h"

#define MAX_FRAMES 16
#define OWN_FRAMES 8 /* at most so many are this library's */
#define NR_BUCKETS ((size_t)1 << 16)
#define STORE_LEN  ((size_t)1 << 32)
#define HASH_MASK  0xffffffu

struct stack {
	size_t nr;
	uint64_t frames[MAX_FRAMES];
};

static struct sf_lock lock; /* protects what is added */
static struct sf_array store;
static size_t nr_words = 1; /* used; number 0 is no stack */
static _Atomic uint32_t buckets[NR_BUCKETS];

/* This library's code, if it is one of its own. */
static uintptr_t own_start;
static uintptr_t own_end;

static _Atomic bool is_ready;

/* Unwinding: what it may allocate gets no backtrace. */
static _Thread_local bool is_busy __attribute__((tls_model("initial-exec")));

static uint64_t *words(void)
{
	return (uint64_t *)store.base;
}

/*
 * Setting up
 */

static int find_own(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t here = (uintptr_t)&find_own;

	(void)size;
	(void)arg;
	/* A program's own code is what backtraces are for. */
	for (unsigned i = 0; info->dlpi_name[0] != '\0' && i < info->dlpi_phnum;
	     i++) {
		uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		size_t len = info->dlpi_phdr[i].p_memsz;

		if (info->dlpi_phdr[i].p_type == PT_LOAD &&
		    here - start < len) {
			own_start = start;
			own_end = start + len;
			return 1;
		}
	}
	return 0;
}

void sf_stacks_init(void)
{
	void *frames[4];

	if (sf_array_open(&store, STORE_LEN) != 0) {
		sf_warn("no address space for backtraces");
		return;
	}
	is_busy = true;
	dl_iterate_phdr(find_own, NULL);
	if (backtrace(frames, 4) > 0)
		atomic_store_explicit(&is_ready, true, memory_order_release);
	is_busy = false;
}

/*
 * Storing
 */

static uint32_t hash_of(const struct stack *stack)
{
	uint64_t hash = stack->nr;

	for (size_t i = 0; i < stack->nr; i++) {
		hash = (hash ^ stack->frames[i]) * 0x9e3779b97f4a7c15;
		hash ^= hash >> 29;
	}
	return (uint32_t)(hash >> 32);
}

static bool is_equal(const uint64_t *head, uint32_t hash,
		     const struct stack *stack)
{
	if ((uint32_t)*head != ((hash & HASH_MASK) << 8 | (uint32_t)stack->nr))
		return false;
	for (size_t i = 0; i < stack->nr; i++)
		if (head[1 + i] != stack->frames[i])
			return false;
	return true;
}

/* The stack's number, or 0. */
static uint32_t look_up(uint32_t hash, const struct stack *stack)
{
	/* Acquire: pairs with the release in add(). */
	uint32_t number = atomic_load_explicit(&buckets[hash % NR_BUCKETS],
					       memory_order_acquire);

	while (number != 0 && !is_equal(&words()[number], hash, stack))
		number = (uint32_t)(words()[number] >> 32);
	return number;
}

/* Called under the lock. 0: there is no room. */
static uint32_t add_locked(uint32_t hash, const struct stack *stack)
{
	_Atomic uint32_t *bucket = &buckets[hash % NR_BUCKETS];
	uint32_t next = atomic_load_explicit(bucket, memory_order_relaxed);
	uint32_t number = (uint32_t)nr_words;
	uint64_t *head = &words()[number];

	if (!sf_array_grow(&store, (nr_words + 1 + stack->nr) * 8))
		return 0;
	*head = (uint64_t)next << 32 | (hash & HASH_MASK) << 8 | stack->nr;
	for (size_t i = 0; i < stack->nr; i++)
		head[1 + i] = stack->frames[i];
	nr_words += 1 + stack->nr;
	atomic_store_explicit(bucket, number, memory_order_release);
	return number;
}

static uint32_t number_of(const struct stack *stack)
{
	uint32_t hash = hash_of(stack);
	uint32_t number = look_up(hash, stack);

	if (SF_LIKELY(number != 0))
		return number;
	sf_lock_acquire(&lock, SF_RANK_MODE);
	number = look_up(hash, stack);
	if (number == 0)
		number = add_locked(hash, stack);
	sf_lock_release(&lock, SF_RANK_MODE);
	return number;
}

static bool is_own(const void *frame)
{
	return (uintptr_t)frame - own_start < own_end - own_start;
}

uint32_t sf_stacks_take(void)
{
	void *frames[OWN_FRAMES + MAX_FRAMES];
	struct stack stack = { 0 };
	int saved = errno;
	int first = 0;
	int nr;

	/* Acquire: pairs with the release in sf_stacks_init(). */
	if (is_busy || !atomic_load_explicit(&is_ready, memory_order_acquire))
		return 0;
	is_busy = true;
	nr = backtrace(frames, (int)SF_NR(frames));
	is_busy = false;
	while (first < nr && is_own(frames[first]))
		first++;
	for (; first < nr && stack.nr < MAX_FRAMES; first++)
		stack.frames[stack.nr++] = (uintptr_t)frames[first];
	errno = saved;
	return stack.nr > 0 ? number_of(&stack) : 0;
}

/*
 * Printing
 */

/* code: an address in the function's code, where frame may be beyond it. */
static void print_frame(uintptr_t frame, uintptr_t code)
{
	Dl_info info;

	if (dladdr((void *)code, &info) == 0)
		sf_warn("    %p", (void *)frame);
	else if (info.dli_sname == NULL)
		sf_warn("    %p (%s+0x%zx)", (void *)frame, info.dli_fname,
			frame - (uintptr_t)info.dli_fbase);
	else
		sf_warn("    %p %s+0x%zx (%s+0x%zx)", (void *)frame,
			info.dli_sname, frame - (uintptr_t)info.dli_saddr,
			info.dli_fname, frame - (uintptr_t)info.dli_fbase);
}

/* A return address: the call is before it, and may end its function. */
static void print_return(uintptr_t frame)
{
	print_frame(frame, frame - 1);
}

void sf_stacks_print(const char *title, uint32_t number)
{
	const uint64_t *head = &words()[number];

	if (number == 0)
		return;
	sf_warn("  %s", title);
	for (size_t i = 0; i < (*head & 0xff); i++)
		print_return(head[1 + i]);
}

void sf_stacks_print_pc(const char *title, uintptr_t pc)
{
	if (!atomic_load_explicit(&is_ready, memory_order_acquire))
		return;
	sf_warn("  %s", title);
	print_frame(pc, pc);
}

void sf_stacks_print_from(const char *title, uintptr_t pc)
{
	void *frames[OWN_FRAMES + MAX_FRAMES];
	int first = 0;
	int nr;

	if (!atomic_load_explicit(&is_ready, memory_order_acquire))
		return;
	is_busy = true;
	nr = backtrace(frames, (int)SF_NR(frames));
	is_busy = false;
	while (first < nr && (uintptr_t)frames[first] != pc)
		first++;
	/* Where the stack can't be followed, there is still the instruction. */
	sf_stacks_print_pc(title, pc);
	for (int i = first + 1; i < nr; i++)
		print_return((uintptr_t)frames[i]);
}

void sf_stacks_was_left(void)
{
	is_busy = false;
}

void sf_stacks_lock(void)
{
	sf_lock_acquire(&lock, SF_RANK_MODE);
}

void sf_stacks_unlock(void)
{
	sf_lock_release(&lock, SF_RANK_MODE);
}
