// SPDX-License-Identifier: MIT
/* Setting up the family, fork(), and what is told at exit. */
#include "malloc/summary.h"
#include "mmap/alter.h"
#include "mmap/count.h"
#include "mmap/family.h"
#include "mmap/mmap.h"
#include "mmap/rescue.h"
#include "mmap/saved.h"
#include "vm/fork.h"

static void fork_child(void)
{
	sf_alter_fork_child();
	sf_rescue_forget_holes();
	sf_mmap_lock_fork_child();
	sf_space_unlock();
}

static const struct sf_fork_layer fork_layer = {
	.prepare = sf_space_lock,
	.parent = sf_space_unlock,
	.child = fork_child,
	.child_as_is = sf_mmap_lock_fork_child,
};

/* The first map shall need no spare mapping. */
static void open_region(void)
{
	struct sf_extent extent;

	if (sf_extent_map(SF_REGION_MAP, 1, 1, 0, &extent) == 0)
		sf_extent_unmap("munmap", &extent);
}

/* What is not 0; the rest is always of interest. */
static void print_some(struct sf_text *out)
{
	static const struct {
		const char *what;
		enum sf_mmap_counter counter;
	} rows[] = {
		{ "guards by marker", SF_MMAP_MARKS },
		{ "moved by copying", SF_MMAP_MOVED_COPIED },
		{ "moved by kernel", SF_MMAP_MOVED_KERNEL },
		{ "fell back", SF_MMAP_FELL_BACK },
		{ "munmap() ignored", SF_MMAP_FOREIGN },
	};

	for (size_t i = 0; i < SF_NR(rows); i++)
		if (sf_mmap_counted(rows[i].counter) > 0)
			sf_text_print(out, "    %-16s%12llu\n", rows[i].what,
				      (unsigned long long)sf_mmap_counted(
					      rows[i].counter));
}

/* What else is told. */
static void (*more)(struct sf_text *out);

static void print(struct sf_text *out)
{
	size_t saved = sf_mmap_saved();

	sf_text_print(out, "  mmap() served     %12llu   left to kernel %llu\n",
		      (unsigned long long)sf_mmap_counted(SF_MMAP_MAPS),
		      (unsigned long long)sf_mmap_counted(SF_MMAP_PASSED));
	sf_text_print(out, "    mapped          %12s   peak %s\n",
		      sf_amount(sf_mmap_counted(SF_MMAP_LIVE_LEN)).text,
		      sf_amount(sf_mmap_counted(SF_MMAP_PEAK_LEN)).text);
	sf_text_print(out, "    mappings saved  %12zu   peak %zu\n", saved,
		      sf_mmap_saved_peak());
	sf_text_print(out, "    munmap() served %12llu\n",
		      (unsigned long long)sf_mmap_counted(SF_MMAP_UNMAPS));
	sf_text_print(out, "    released        %12s   in place, %llu times\n",
		      sf_amount(sf_mmap_counted(SF_MMAP_RELEASED_LEN)).text,
		      (unsigned long long)sf_mmap_counted(SF_MMAP_RELEASES));
	print_some(out);
	if (sf_mmap_counted(SF_MMAP_RESCUED) > 0)
		sf_text_print(
			out, "    rescued         %12llu   %s, remembered %s\n",
			(unsigned long long)sf_mmap_counted(SF_MMAP_RESCUED),
			sf_amount(sf_mmap_counted(SF_MMAP_RESCUED_LEN)).text,
			sf_amount(sf_rescue_len()).text);
	if (sf_alter_any_aside())
		sf_text_print(out, "    set aside       %12s\n",
			      sf_amount(sf_alter_aside_len()).text);
	if (more != NULL)
		more(out);
}

void sf_mmap_start(void)
{
	sf_state_init();
	if (!sf_option(SF_OPTION_MMAP))
		return;
	sf_fork_init();
	sf_fork_set_layer(SF_FORK_MMAP, &fork_layer);
	sf_alter_prepare();
	sf_rescue_prepare();
	open_region();
	more = sf_summary_more;
	sf_summary_more = print;
}
