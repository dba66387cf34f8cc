// SPDX-License-Identifier: MIT
/* glibc's functions that tell how malloc is doing. */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>

#include "base/compiler.h"
#include "malloc/stats.h"

/* Bytes that the heaps took from the kernel and did not give back. */
static size_t system_len(const struct sf_malloc_stats *stats)
{
	return stats->used_len + stats->retained_len;
}

/*
 * arena: bytes held; uordblks: in use; fordblks: free and held; hblks and
 * hblkhd: 0, since no block is a mapping.
 */
SF_EXPORT struct mallinfo2 mallinfo2(void)
{
	struct sf_malloc_stats stats;
	struct mallinfo2 info = { 0 };

	sf_malloc_stats(&stats);
	info.arena = system_len(&stats);
	info.uordblks = stats.used_len;
	info.fordblks = stats.retained_len;
	info.keepcost = stats.retained_len;
	for (unsigned i = 0; i < SF_NR_CLASSES; i++)
		info.ordblks += stats.classes[i].nr_free;
	return info;
}

static int cut(size_t x)
{
	return x > INT_MAX ? INT_MAX : (int)x;
}

SF_EXPORT struct mallinfo mallinfo(void)
{
	struct mallinfo2 wide = mallinfo2();

	return (struct mallinfo){
		.arena = cut(wide.arena),
		.ordblks = cut(wide.ordblks),
		.uordblks = cut(wide.uordblks),
		.fordblks = cut(wide.fordblks),
		.keepcost = cut(wide.keepcost),
	};
}

static void print_classes(FILE *file, const struct sf_malloc_stats *stats)
{
	fprintf(file, "<sizes>\n");
	for (unsigned i = 0; i < SF_NR_CLASSES; i++) {
		const struct sf_malloc_class *class = &stats->classes[i];
		size_t size = sf_classes[i].size;

		if (class->nr_slabs == 0)
			continue;
		fprintf(file,
			"  <size from=\"%zu\" to=\"%zu\" total=\"%zu\" "
			"count=\"%zu\" used=\"%zu\" slabs=\"%zu\"/>\n",
			i == 0 ? 0 : (size_t)sf_classes[i - 1].size + 1, size,
			class->nr_free * size, class->nr_free, class->nr_used,
			class->nr_slabs);
	}
	fprintf(file, "</sizes>\n");
}

/* As glibc's: "total" and "count" are of free blocks; "used" is ours. */
SF_EXPORT int malloc_info(int options, FILE *file)
{
	struct sf_malloc_stats stats;

	if (options != 0)
		return EINVAL;
	sf_malloc_stats(&stats);
	fprintf(file, "<malloc version=\"surefree-1\">\n<heap nr=\"0\">\n");
	print_classes(file, &stats);
	fprintf(file,
		"</heap>\n"
		"<total type=\"used\" size=\"%zu\"/>\n"
		"<total type=\"large\" size=\"%zu\"/>\n"
		"<total type=\"retained\" size=\"%zu\"/>\n"
		"<system type=\"current\" size=\"%zu\"/>\n"
		"<heaps count=\"%zu\"/>\n"
		"</malloc>\n",
		stats.used_len, stats.large_len, stats.retained_len,
		system_len(&stats), stats.nr_heaps);
	return 0;
}

SF_EXPORT void malloc_stats(void)
{
	struct sf_malloc_stats stats;

	sf_malloc_stats(&stats);
	fprintf(stderr,
		"in use bytes     = %10zu\n"
		"  in large ones  = %10zu\n"
		"retained bytes   = %10zu\n"
		"heaps            = %10zu\n",
		stats.used_len, stats.large_len, stats.retained_len,
		stats.nr_heaps);
}
