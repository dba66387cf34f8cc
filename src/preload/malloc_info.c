// SPDX-License-Identifier: MIT
/* glibc's functions that tell how malloc is doing. */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <surefree.h>

#include "base/compiler.h"
#include "malloc/stats.h"
#include "vm/account.h"

/* Bytes that the heaps took from the kernel and did not give back. */
static size_t system_len(const struct sf_malloc_stats *stats)
{
	return stats->used_len + stats->retained_len;
}

/* Small blocks that are free, in memory that is held and given back alike. */
static size_t nr_free(const struct sf_malloc_stats *stats)
{
	size_t nr = 0;

	for (unsigned i = 0; i < SF_NR_CLASSES; i++)
		nr += stats->classes[i].nr_free;
	return nr;
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
	info.ordblks = nr_free(&stats);
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

/*
 * What glibc tells of each heap and of all: "fast" and "rest" are free, the rest
 * of "current" is in use. There are no fast bins, and no block is a mapping.
 */
static void print_totals(FILE *file, const struct sf_malloc_stats *stats,
			 const struct surefree_stats *all, const char *mmap)
{
	size_t current = system_len(stats);

	fprintf(file,
		"<total type=\"fast\" count=\"0\" size=\"0\"/>\n"
		"<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n"
		"%s"
		"<system type=\"current\" size=\"%zu\"/>\n"
		"<system type=\"max\" size=\"%zu\"/>\n"
		"<aspace type=\"total\" size=\"%zu\"/>\n"
		"<aspace type=\"mprotect\" size=\"%zu\"/>\n",
		nr_free(stats), stats->retained_len, mmap, current,
		sf_max(all->malloc_peak_len, current), all->committed_len,
		all->committed_len);
}

/* As glibc's; "used" and "slabs" of a size are ours, and elements at the end. */
SF_EXPORT int malloc_info(int options, FILE *file)
{
	struct sf_malloc_stats stats;
	struct surefree_stats all;

	if (options != 0)
		return EINVAL;
	sf_malloc_stats(&stats);
	sf_account_collect(&all);
	sf_malloc_account(&all);
	fprintf(file, "<malloc version=\"1\">\n<heap nr=\"0\">\n");
	print_classes(file, &stats);
	print_totals(file, &stats, &all, "");
	fprintf(file, "</heap>\n");
	print_totals(file, &stats, &all,
		     "<total type=\"mmap\" count=\"0\" size=\"0\"/>\n");
	fprintf(file,
		"<surefree used=\"%zu\" large=\"%zu\" retained=\"%zu\" "
		"heaps=\"%zu\"/>\n"
		"</malloc>\n",
		stats.used_len, stats.large_len, stats.retained_len,
		stats.nr_heaps);
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
