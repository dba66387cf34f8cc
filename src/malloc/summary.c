// SPDX-License-Identifier: MIT
/*
 * The summary at exit: option stats=exit. The library's destructor writes it,
 * which runs when the program's exit handlers are done.
 */
#include <errno.h>
#include <stdio.h>
#include <surefree.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/option.h"
#include "malloc/stats.h"
#include "malloc/summary.h"
#include "os/maps.h"
#include "os/text.h"
#include "vm/account.h"
#include "vm/retain.h"
#include "vm/state.h"

#define NR_BUSIEST 8

/* Bytes for people: "1.5 MiB". */
struct sf_amount sf_amount(uint64_t len)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	struct sf_amount amount;
	unsigned unit = 0;

	if (len < 1024) {
		snprintf(amount.text, sizeof(amount.text), "%u B",
			 (unsigned)len);
		return amount;
	}
	for (; len >= (uint64_t)1024 << 10 && unit < SF_NR(units) - 1; unit++)
		len >>= 10;
	snprintf(amount.text, sizeof(amount.text), "%u.%u %s",
		 (unsigned)(len >> 10), (unsigned)((len & 1023) * 10 >> 10),
		 units[unit]);
	return amount;
}

static void print_memory(struct sf_text *out, const struct surefree_stats *all,
			 const struct sf_malloc_stats *blocks)
{
	struct rusage usage = { 0 };
	size_t resident_len = 0;

	getrusage(RUSAGE_SELF, &usage);
	sf_maps_resident(&resident_len);
	sf_text_print(out, "  blocks in use     %12s\n",
		      sf_amount(blocks->used_len).text);
	sf_text_print(out, "    beyond 32 KiB   %12s\n",
		      sf_amount(all->malloc_large_len).text);
	sf_text_print(out, "  slabs and large   %12s   peak %s\n",
		      sf_amount(all->malloc_len).text,
		      sf_amount(all->malloc_peak_len).text);
	sf_text_print(out, "  retained          %12s   peak %s, bound %s\n",
		      sf_amount(all->retained_len).text,
		      sf_amount(all->retained_peak_len).text,
		      sf_amount(sf_retain_bound()).text);
	sf_text_print(out, "  released in all   %12s\n",
		      sf_amount(all->released_len).text);
	sf_text_print(out, "  resident          %12s   peak, with files, %s\n",
		      sf_amount(resident_len).text,
		      sf_amount((uint64_t)usage.ru_maxrss << 10).text);
	sf_text_print(out, "  mappings          %12zu\n", all->nr_mappings);
	sf_text_print(out, "  threads           %12zu\n", all->nr_heaps);
}

/* What should be 0 is told only when it is not. */
static void print_troubles(struct sf_text *out,
			   const struct surefree_stats *all)
{
	const struct {
		const char *what;
		uint64_t nr;
	} troubles[] = {
		{ "regions refused", all->nr_regions_refused },
		{ "memory refused", all->nr_commits_refused },
		{ "not taken back", all->nr_stuck },
		{ "samples lost", all->nr_samples_lost },
	};

	for (size_t i = 0; i < SF_NR(troubles); i++)
		if (troubles[i].nr > 0)
			sf_text_print(out, "  %-18s%12llu\n", troubles[i].what,
				      (unsigned long long)troubles[i].nr);
}

/* Whether a has more slabs than b, or as many and more blocks in them. */
static bool is_busier(const struct sf_malloc_class *a,
		      const struct sf_malloc_class *b)
{
	return a->nr_slabs != b->nr_slabs ? a->nr_slabs > b->nr_slabs :
					    a->nr_used > b->nr_used;
}

/* The busiest size that is not done yet, or NULL. */
static struct sf_malloc_class *busiest(struct sf_malloc_stats *blocks)
{
	struct sf_malloc_class *most = NULL;

	for (size_t i = 0; i < SF_NR_CLASSES; i++)
		if (blocks->classes[i].nr_slabs > 0 &&
		    (most == NULL || is_busier(&blocks->classes[i], most)))
			most = &blocks->classes[i];
	return most;
}

static void print_classes(struct sf_text *out, struct sf_malloc_stats *blocks)
{
	struct sf_malloc_class *class = busiest(blocks);

	if (class != NULL)
		sf_text_print(out, "  %10s %10s %10s %10s %7s\n", "block size",
			      "slabs", "bytes", "in use", "filled");
	for (size_t i = 0; i < NR_BUSIEST && class != NULL; i++) {
		size_t size = sf_classes[class - blocks->classes].size;
		size_t nr = class->nr_used + class->nr_free;

		sf_text_print(out, "  %10zu %10zu %10s %10zu %5zu %%\n", size,
			      class->nr_slabs,
			      sf_amount(class->nr_slabs * SF_SLAB_LEN).text,
			      class->nr_used, class->nr_used * 100 / nr);
		class->nr_slabs = 0;
		class = busiest(blocks);
	}
}

/* What layers above add, if they are there. */
void (*sf_summary_more)(struct sf_text *out);

static void write_summary(int fd)
{
	struct sf_malloc_stats blocks;
	struct surefree_stats all;
	struct sf_text out;

	sf_account_collect(&all);
	sf_malloc_account(&all);
	sf_malloc_stats(&blocks);
	sf_text_use(&out, fd);
	sf_text_print(&out, "surefree: process %d (%s) at exit\n", getpid(),
		      program_invocation_short_name);
	print_memory(&out, &all, &blocks);
	if (sf_summary_more != NULL)
		sf_summary_more(&out);
	print_troubles(&out, &all);
	print_classes(&out, &blocks);
	/* There is nobody left to tell when it can't be written. */
	sf_text_flush(&out);
}

__attribute__((constructor)) static void at_load(void)
{
	sf_state_init();
	if (sf_option(SF_OPTION_STATS) != 0)
		sf_text_keep_stderr();
}

__attribute__((destructor)) static void at_exit(void)
{
	int fd = sf_option(SF_OPTION_STATS) != 0 ? sf_text_stderr() : -1;

	if (fd >= 0)
		write_summary(fd);
}
