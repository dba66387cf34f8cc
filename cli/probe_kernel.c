// SPDX-License-Identifier: MIT
/* The limits of this process and the table of kernel features. */
#include <sys/utsname.h>
#include <unistd.h>

#include "cmd.h"
#include "experiment.h"
#include "os/limit.h"
#include "os/maps.h"
#include "os/probe.h"

enum { NAME, HERE, SINCE, EFFECT, NR_COLUMNS };

static void write_features(struct sf_out *out)
{
	static const struct sf_column columns[NR_COLUMNS] = {
		[NAME] = { "name", "feature" },
		[HERE] = { "present", "here" },
		[SINCE] = { "since", "since" },
		[EFFECT] = { "effect", "so surefree" },
	};
	struct sf_cell cells[SF_FEATURE_NR][NR_COLUMNS];
	struct sf_table table = {
		.key = "features",
		.columns = columns,
		.nr_columns = NR_COLUMNS,
		.cells = cells[0],
		.nr_rows = SF_FEATURE_NR,
	};
	size_t i;

	for (i = 0; i < SF_FEATURE_NR; i++) {
		const struct sf_feature_info *info = &sf_features[i];
		bool here = sf_probe_has((enum sf_feature)i);

		cells[i][NAME] = sf_cell_text(info->name);
		cells[i][HERE] = sf_cell_bool(here);
		cells[i][SINCE] = sf_cell_text(info->since);
		cells[i][EFFECT] = sf_cell_text(here ? info->use :
						       info->without);
	}
	sf_out_table(out, &table);
}

int sf_experiment_kernel(struct sf_out *out)
{
	struct utsname name;
	size_t limit, nr;
	int err;

	uname(&name);
	err = sf_limit_mappings(&limit);
	if (err == 0)
		err = sf_maps_count(0, &nr);
	if (err != 0) {
		sf_experiment_say("kernel", "cannot read /proc; mount it");
		return SF_EXIT_CANNOT;
	}
	sf_out_section(out, "kernel", "kernel: Linux %s, %s", name.release,
		       name.machine);
	if (out->root != NULL) {
		sf_out_value(out, "release", "", sf_cell_text(name.release));
		sf_out_value(out, "machine", "", sf_cell_text(name.machine));
	}
	sf_out_value(out, "page_size", "page size",
		     sf_cell_size((size_t)sysconf(_SC_PAGESIZE)));
	sf_out_value(out, "limit", "limit on mappings", sf_cell_count(limit));
	sf_out_value(out, "mappings", "mappings of this process",
		     sf_cell_count(nr));
	sf_out_value(out, "overcommit_strict", "overcommit mode 2",
		     sf_cell_bool(sf_limit_overcommit_strict()));
	write_features(out);
	return SF_EXIT_FINE;
}
