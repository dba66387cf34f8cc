// SPDX-License-Identifier: MIT
/* Small readers of limits; a number in a file, or a resource limit. */
#include "os/limit.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/resource.h>

#include "os/page.h"
#include "os/proc.h"
#include "os/sys.h"

#define DEFAULT_MAPPINGS 65530

int sf_limit_mappings(size_t *out)
{
	size_t value;
	int err = sf_proc_number("/proc/sys/vm/max_map_count", &value);

	*out = err == 0 ? value : DEFAULT_MAPPINGS;
	return err;
}

bool sf_limit_overcommit_strict(void)
{
	size_t mode;

	return sf_proc_number("/proc/sys/vm/overcommit_memory", &mode) == 0 &&
	       mode == 2;
}

static bool read_huge_always(void)
{
	struct sf_proc proc;
	char *line;
	char *rest;
	bool always;

	if (sf_proc_open(&proc, "/sys/kernel/mm/transparent_hugepage/enabled"))
		return false;
	always = sf_proc_line(&proc, &line) == 1 &&
		 sf_proc_starts(line, "[always]", &rest);
	sf_proc_close(&proc);
	return always;
}

bool sf_limit_huge_always(void)
{
	/* 0: not asked yet. Relaxed: whoever asks twice gets the same. */
	static _Atomic int answer;
	int known = atomic_load_explicit(&answer, memory_order_relaxed);

	if (known == 0) {
		known = read_huge_always() ? 1 : -1;
		atomic_store_explicit(&answer, known, memory_order_relaxed);
	}
	return known > 0;
}

static size_t resource_limit(int resource)
{
	struct rlimit limit = { 0 };

	if (sf_sys(__NR_prlimit64, 0, resource, 0, (long)&limit, 0, 0) != 0 ||
	    limit.rlim_cur == RLIM_INFINITY)
		return SIZE_MAX;
	return limit.rlim_cur;
}

size_t sf_limit_address_space(void)
{
	return resource_limit(RLIMIT_AS);
}

size_t sf_limit_address_space_left(void)
{
	size_t limit = sf_limit_address_space();
	size_t nr_pages;
	size_t len;

	if (limit == SIZE_MAX ||
	    sf_proc_number("/proc/self/statm", &nr_pages) != 0)
		return limit;
	len = nr_pages << sf_page_shift;
	return limit > len ? limit - len : 0;
}

size_t sf_limit_data(void)
{
	return resource_limit(RLIMIT_DATA);
}

size_t sf_limit_locked(void)
{
	return resource_limit(RLIMIT_MEMLOCK);
}
