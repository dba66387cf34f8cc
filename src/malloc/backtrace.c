// SPDX-License-Identifier: MIT
/* Stacks, see backtrace.h. */
#include "malloc/backtrace.h"

#include <execinfo.h>
#include <link.h>

/* Where this library's code is; empty when it is a part of the program. */
static uintptr_t own_start;
static uintptr_t own_end;

static int find_own(struct dl_phdr_info *info, size_t len, void *arg)
{
	(void)len;
	(void)arg;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + part->p_vaddr;

		if (part->p_type != PT_LOAD ||
		    (uintptr_t)find_own - start >= part->p_memsz)
			continue;
		if (info->dlpi_name[0] != '\0') {
			own_start = start;
			own_end = start + part->p_memsz;
		}
		return 1;
	}
	return 0;
}

void sf_backtrace_init(void)
{
	void *frames[SF_BACKTRACE_MAX];

	dl_iterate_phdr(find_own, NULL);
	backtrace(frames, SF_BACKTRACE_MAX);
}

static bool is_own(const void *frame)
{
	return (uintptr_t)frame - own_start < own_end - own_start;
}

struct sf_stack sf_backtrace(void *frames[SF_BACKTRACE_MAX])
{
	uint32_t nr = (uint32_t)backtrace(frames, SF_BACKTRACE_MAX);
	uint32_t skip = 0;

	while (skip + 1 < nr && is_own(frames[skip]))
		skip++;
	return (struct sf_stack){
		.depth = (uint32_t)sf_min(nr - skip, SF_SAMPLE_DEPTH),
		.frames = frames + skip,
	};
}
