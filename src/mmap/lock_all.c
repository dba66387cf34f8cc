// SPDX-License-Identifier: MIT
/*
 * mlockall() and munlockall().
 *
 * The kernel locks, and counts against RLIMIT_MEMLOCK, all address space, and
 * our reservations are a thousand times what any limit allows. So where there
 * is a limit what it locks is what it would lock without us: the program's own
 * mappings, each by a call, and of our regions what is in use (vm/pin). Our
 * own records are not locked, and where it is tight our own code is not either.
 *
 * Where there is no limit the kernel locks all there is.
 */
#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "mmap/family.h"
#include "mmap/mmap.h"
#include "os/limit.h"
#include "os/maps.h"
#include "os/sys.h"
#include "vm/pin.h"
#include "vm/reserve.h"

/* Where the linker put us. */
#define HIDDEN __attribute__((visibility("hidden")))
extern HIDDEN const char __ehdr_start[];
extern HIDDEN const char _end[];

/* After mlockall(), until munlockall(); and ever. */
static _Atomic bool is_locked;
static _Atomic bool locked_all;

/* The kernel locks new maps. */
static _Atomic bool locks_new;

/* Relaxed, all: the calls themselves are not ordered with maps either. */

bool sf_mmap_locks_all(void)
{
	return SF_UNLIKELY(
		atomic_load_explicit(&is_locked, memory_order_relaxed));
}

bool sf_mmap_locked_all(void)
{
	return atomic_load_explicit(&locked_all, memory_order_relaxed);
}

void sf_mmap_lock_fork_child(void)
{
	atomic_store_explicit(&is_locked, false, memory_order_relaxed);
	atomic_store_explicit(&locks_new, false, memory_order_relaxed);
}

/* Also without MCL_FUTURE: our regions are locked then. */
static void note_locked(int flags)
{
	atomic_store_explicit(&locks_new, (flags & MCL_FUTURE) != 0,
			      memory_order_relaxed);
	atomic_store_explicit(&is_locked, true, memory_order_relaxed);
	atomic_store_explicit(&locked_all, true, memory_order_relaxed);
}

/* Views are mappings that the program asked for, in a reservation. */
static bool is_view(const struct sf_mapping *mapping)
{
	const struct sf_region *region = sf_state_find(mapping->start,
						       mapping->end -
							       mapping->start);

	return region != NULL && region->kind == SF_REGION_VIEW &&
	       mapping->prot != PROT_NONE;
}

/* What we do to each of the program's mappings. */
struct visit {
	bool with_image; /* ours too */
	unsigned flags;
	size_t len; /* in all */
};

static bool is_image(const struct sf_mapping *mapping)
{
	return mapping->start < (uintptr_t)_end &&
	       mapping->end > (uintptr_t)__ehdr_start;
}

/* [vsyscall] lies beyond all addresses, and is not counted. */
static bool is_programs(const struct sf_mapping *mapping,
			const struct visit *visit)
{
	if (mapping->end > SF_ARCH_ADDRESS_END ||
	    (!visit->with_image && is_image(mapping)))
		return false;
	return !sf_reserved_overlaps(mapping->start, mapping->end) ||
	       is_view(mapping);
}

static void add_len(const struct sf_mapping *mapping, void *arg)
{
	struct visit *visit = arg;

	if (is_programs(mapping, visit))
		visit->len += mapping->end - mapping->start;
}

/* What can't be is left, as the kernel does. */
static void lock_mapping(const struct sf_mapping *mapping, void *arg)
{
	const struct visit *visit = arg;

	if (is_programs(mapping, visit))
		(void)sf_page_call_lock(mapping->start,
					mapping->end - mapping->start,
					visit->flags);
}

/* What the process would have mapped without our reservations. */
static bool fits(struct visit *visit, size_t limit)
{
	visit->len = sf_pin_len();
	return sf_maps_each(add_len, visit) == 0 && visit->len <= limit;
}

/* Only new maps: this is not counted, and locks nothing. */
static int set_future(int flags)
{
	flags &= MCL_FUTURE | SF_MCL_ONFAULT;
	if ((flags & MCL_FUTURE) != 0)
		return sf_page_call_lock_all(flags);
	/* There is no other way to end it. */
	if (atomic_load_explicit(&locks_new, memory_order_relaxed))
		return sf_page_call_unlock_all();
	return 0;
}

static unsigned mlock_flags(int flags)
{
	return (flags & SF_MCL_ONFAULT) != 0 ? SF_MLOCK_ONFAULT : 0;
}

/* What is handed out from here on is locked as it is, if at all. */
static void follow(int flags)
{
	if ((flags & MCL_FUTURE) != 0)
		sf_pin_future(mlock_flags(flags));
	else
		sf_pin_end();
}

/* Lock what is there. 0, or -errno. */
static int lock_current(int flags, size_t limit)
{
	struct visit visit = { .with_image = true,
			       .flags = mlock_flags(flags) };
	/* It says whether we may, and reads in nothing that is ours. */
	int err = sf_page_call_lock_all(flags | SF_MCL_ONFAULT);

	if (err != 0 && err != -ENOMEM)
		return err;
	if (err != 0 && !fits(&visit, limit)) {
		visit.with_image = false;
		if (!fits(&visit, limit))
			return err;
	}
	follow(flags);
	/* Locked by this call, or when there was no limit. */
	sf_reserved_unlock();
	err = set_future(flags);
	if (err == 0 && sf_maps_each(lock_mapping, &visit) != 0) {
		/* Without /proc nothing can be told apart. */
		err = sf_page_call_lock_all(flags);
		sf_reserved_unlock();
	}
	if (err == 0)
		sf_pin_current(visit.flags);
	else
		(void)sf_mmap_unlock_all();
	return err;
}

static int lock_all(int flags)
{
	size_t limit = sf_limit_locked();
	int err;

	if ((flags & MCL_CURRENT) != 0 && limit != SIZE_MAX)
		return lock_current(flags, limit);
	err = sf_page_call_lock_all(flags);
	if (err != 0)
		return err;
	/* Together they lock all that is reserved, too. */
	follow((flags & MCL_CURRENT) != 0 ? 0 : flags);
	if ((flags & MCL_CURRENT) != 0)
		sf_pin_by_kernel();
	return 0;
}

int sf_mmap_lock_all(int flags)
{
	int err;

	sf_state_init();
	err = lock_all(flags);
	if (err == 0)
		note_locked(flags);
	return err;
}

int sf_mmap_unlock_all(void)
{
	int err;

	/* First, so that nothing is locked after the call. */
	sf_pin_end();
	err = sf_page_call_unlock_all();
	if (err == 0) {
		atomic_store_explicit(&is_locked, false, memory_order_relaxed);
		atomic_store_explicit(&locks_new, false, memory_order_relaxed);
	}
	return err;
}
