// SPDX-License-Identifier: MIT
/*
 * The public functions: they check arguments, translate -errno into errno, and
 * leave everything else to vm/. The contract stands in surefree.h.
 */
#include <errno.h>
#include <string.h>
#include <surefree.h>
#include <sys/mman.h>

#include "base/compiler.h"
#include "base/log.h"
#include "base/option.h"
#include "malloc/malloc.h"
#include "malloc/profile.h"
#include "malloc/stats.h"
#include "os/limit.h"
#include "os/maps.h"
#include "os/page.h"
#include "os/probe.h"
#include "vm/account.h"
#include "vm/keep.h"
#include "vm/range.h"
#include "vm/retain.h"
#include "vm/stack.h"
#include "vm/state.h"
#include "vm/trim.h"
#include "vm/view.h"

#define HUGE_LEN ((size_t)2 << 20)
#define MAX_LEN	 ((size_t)1 << 47)
#define RED_ZONE 128
#define MAP_FLAGS \
	(SUREFREE_GUARDED | SUREFREE_HUGE | SUREFREE_POPULATE | SUREFREE_NOTRAP)
#define REMAP_FLAGS (SUREFREE_NOMOVE | SUREFREE_POPULATE | SUREFREE_NOTRAP)
#define VIEW_FLAGS                                                       \
	(MAP_SHARED | MAP_PRIVATE | MAP_SHARED_VALIDATE | MAP_POPULATE | \
	 MAP_SYNC)

#define STRING(x)    #x
#define STRING_OF(x) STRING(x)

SF_EXPORT const char *surefree_version(void)
{
	return STRING_OF(SUREFREE_VERSION_MAJOR) "." STRING_OF(
		SUREFREE_VERSION_MINOR) "." STRING_OF(SUREFREE_VERSION_PATCH);
}

static void *fail(int err)
{
	errno = -err;
	return NULL;
}

static int fail_int(int err)
{
	if (err == 0)
		return 0;
	errno = -err;
	return -1;
}

/*
 * Map and release
 */

/* A range whose pages the caller released before: its contents must go. */
static bool map_retained(size_t nr, unsigned flags, struct sf_extent *out)
{
	if ((flags & (SUREFREE_GUARDED | SUREFREE_HUGE)) != 0 ||
	    !sf_keep_take_range(nr, flags, out))
		return false;
	sf_range_zero(out);
	return true;
}

static int populate_retained(unsigned flags, const struct sf_extent *extent)
{
	int err = 0;

	if ((flags & SUREFREE_POPULATE) != 0)
		err = sf_page_populate(sf_extent_addr(extent),
				       sf_extent_len(extent));
	if (err != 0)
		sf_extent_unmap("surefree_map", extent);
	return err;
}

static int map(size_t len, size_t align, unsigned flags, struct sf_extent *out)
{
	enum sf_region_kind kind = SF_REGION_NORMAL;
	int err;

	if (len == 0 || (flags & ~MAP_FLAGS) != 0 || !sf_is_power_of_two(align))
		return -EINVAL;
	if (len > MAX_LEN || align > MAX_LEN)
		return -ENOMEM;
	sf_state_init();
	if ((flags & SUREFREE_HUGE) != 0) {
		len = sf_align_up(len, HUGE_LEN);
		align = sf_max(align, HUGE_LEN);
		if (sf_probe_has(SF_FEATURE_HUGE))
			kind = SF_REGION_HUGE;
		else
			sf_count(SF_COUNT_HUGE_MISSING, 1);
	}
	if (align <= sf_page_size &&
	    map_retained(sf_extent_pages(len), flags, out))
		return populate_retained(flags, out);
	err = sf_extent_map(kind, sf_extent_pages(len), align, flags, out);
	if (err == 0 || kind != SF_REGION_HUGE)
		return err;
	/* No mappings for a region of huge pages: small ones do. */
	sf_count(SF_COUNT_HUGE_MISSING, 1);
	return sf_extent_map(SF_REGION_NORMAL, sf_extent_pages(len), align,
			     flags, out);
}

SF_EXPORT void *surefree_map_aligned(size_t len, size_t align, unsigned flags)
{
	struct sf_extent extent;
	int err = map(len, align, flags, &extent);

	return err == 0 ? (void *)sf_extent_addr(&extent) : fail(err);
}

SF_EXPORT void *surefree_map(size_t len, unsigned flags)
{
	return surefree_map_aligned(len, 1, flags);
}

SF_EXPORT void surefree_unmap(void *addr, size_t len)
{
	struct sf_extent extent;

	if (len == 0)
		return;
	sf_state_init();
	sf_extent_find(__func__, addr, len, false, &extent);
	sf_extent_unmap(__func__, &extent);
}

SF_EXPORT void surefree_discard(void *addr, size_t len)
{
	struct sf_extent extent;

	if (len == 0)
		return;
	sf_state_init();
	sf_extent_find(__func__, addr, len, false, &extent);
	sf_range_discard(__func__, &extent);
}

SF_EXPORT void *surefree_remap(void *addr, size_t old_len, size_t new_len,
			       unsigned flags)
{
	struct sf_extent extent;
	struct sf_extent out;
	size_t nr;
	int err;

	if (old_len == 0 || new_len == 0 || (flags & ~REMAP_FLAGS) != 0)
		return fail(-EINVAL);
	if (new_len > MAX_LEN)
		return fail(-ENOMEM);
	sf_state_init();
	sf_extent_find(__func__, addr, old_len, false, &extent);
	nr = sf_extent_pages(new_len);
	if (extent.region->kind == SF_REGION_HUGE)
		nr = sf_extent_pages(sf_align_up(new_len, HUGE_LEN));
	err = sf_range_resize(__func__, &extent, nr, flags, &out);
	return err == 0 ? (void *)sf_extent_addr(&out) : fail(err);
}

SF_EXPORT int surefree_guard(void *addr, size_t len)
{
	struct sf_extent extent;

	if (len == 0)
		return 0;
	sf_state_init();
	sf_extent_find(__func__, addr, len, false, &extent);
	return fail_int(sf_range_guard(__func__, &extent));
}

SF_EXPORT int surefree_unguard(void *addr, size_t len)
{
	struct sf_extent extent;

	if (len == 0)
		return 0;
	sf_state_init();
	sf_extent_find(__func__, addr, len, false, &extent);
	return fail_int(sf_range_unguard(__func__, &extent));
}

/*
 * Stacks
 */

SF_EXPORT int surefree_stack_map(size_t len, struct surefree_stack *out)
{
	struct sf_extent body;
	bool guarded;
	int err;

	if (len == 0 || len > MAX_LEN)
		return fail_int(len == 0 ? -EINVAL : -ENOMEM);
	sf_state_init();
	err = sf_stack_map(sf_extent_pages(len), &body, &guarded);
	if (err != 0)
		return fail_int(err);
	sf_stack_pin(&body);
	*out = (struct surefree_stack){
		.addr = (void *)sf_extent_addr(&body),
		.len = sf_extent_len(&body),
		.guard_len = guarded ? sf_page_size : 0,
	};
	return 0;
}

SF_EXPORT void surefree_stack_unmap(const struct surefree_stack *stack)
{
	struct sf_extent body;

	sf_state_init();
	if (stack->len == 0)
		sf_fatal("%s(%p, 0): not a stack", __func__, stack->addr);
	sf_extent_find(__func__, stack->addr, stack->len, false, &body);
	sf_stack_unmap(__func__, &body);
}

SF_EXPORT size_t surefree_stack_trim(const struct surefree_stack *stack,
				     const void *sp)
{
	uintptr_t start = (uintptr_t)stack->addr;
	uintptr_t end = start + stack->len;
	struct sf_extent deep;

	sf_state_init();
	if (sp != NULL && ((uintptr_t)sp < start || (uintptr_t)sp > end))
		sf_fatal("%s(%p, %zu): stack pointer %p lies outside", __func__,
			 stack->addr, stack->len, sp);
	if (sp != NULL)
		end = sf_align_down(sf_max((uintptr_t)sp - RED_ZONE, start),
				    sf_page_size);
	if (end == start)
		return 0;
	sf_extent_find(__func__, stack->addr, end - start, false, &deep);
	sf_range_discard(__func__, &deep);
	return end - start;
}

/*
 * File views
 */

SF_EXPORT void *surefree_map_file(int fd, off_t off, size_t len, int prot,
				  int flags)
{
	struct sf_extent view;
	int err;

	if (len == 0 || (flags & ~VIEW_FLAGS) != 0)
		return fail(-EINVAL);
	if (len > MAX_LEN)
		return fail(-ENOMEM);
	sf_state_init();
	err = sf_view_map(fd, off, sf_extent_pages(len), prot, flags, &view);
	return err == 0 ? (void *)sf_extent_addr(&view) : fail(err);
}

SF_EXPORT void surefree_unmap_file(void *addr, size_t len)
{
	struct sf_extent view;

	if (len == 0)
		return;
	sf_state_init();
	sf_extent_find(__func__, addr, len, true, &view);
	sf_view_unmap(__func__, &view);
}

/*
 * Look and adjust
 */

/*
 * Copy as much of a struct as the caller's version of it holds; members that
 * only a newer one has are 0.
 */
static int copy_out(void *out, size_t out_len, void *from, size_t from_len)
{
	if (out_len < sizeof(size_t))
		return -EINVAL;
	memcpy(from, &out_len, sizeof(out_len));
	memcpy(out, from, sf_min(out_len, from_len));
	if (out_len > from_len)
		memset((char *)out + from_len, 0, out_len - from_len);
	return 0;
}

SF_EXPORT int surefree_mappings(pid_t pid, struct surefree_mappings *out)
{
	struct surefree_mappings mappings = { 0 };
	int err = sf_maps_count(pid, &mappings.nr);

	if (err != 0)
		return fail_int(err);
	sf_limit_mappings(&mappings.limit);
	if (mappings.limit > mappings.nr)
		mappings.headroom = mappings.limit - mappings.nr;
	return fail_int(copy_out(out, out->size, &mappings, sizeof(mappings)));
}

SF_EXPORT int surefree_stats(struct surefree_stats *out)
{
	struct surefree_stats stats;

	sf_state_init();
	sf_account_collect(&stats);
	sf_malloc_account(&stats);
	return fail_int(copy_out(out, out->size, &stats, sizeof(stats)));
}

SF_EXPORT size_t surefree_stats_classes(struct surefree_class_stats *out,
					size_t nr)
{
	sf_malloc_classes(out, nr);
	return SF_NR_CLASSES;
}

SF_EXPORT size_t surefree_trim(size_t keep_len)
{
	size_t len;

	sf_state_init();
	len = sf_malloc_trim(keep_len);
	return len + sf_trim(keep_len);
}

SF_EXPORT int surefree_set(const char *option, const char *value)
{
	int err;

	sf_state_init();
	if (strcmp(option, "profile") == 0)
		return fail_int(sf_profile_set(__func__, value));
	err = sf_option_set(__func__, option, value);
	if (err == 0 && sf_option(SF_OPTION_RETAIN) > 0)
		sf_keep_prepare();
	if (err == 0) {
		/* A lower bound holds at once. */
		sf_keep_trim(sf_max(sf_option(SF_OPTION_RETAIN), 1));
		sf_malloc_trim(sf_retain_bound());
	}
	return fail_int(err);
}
