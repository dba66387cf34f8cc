// SPDX-License-Identifier: MIT
/* A snapshot as JSON, for whoever has no Prometheus. */
#include "metrics.h"

#include <errno.h>
#include <stdlib.h>

#include "out.h"
#include "surefree.h"

enum {
	COL_GROUP,
	COL_PROCESSES,
	COL_MAPPINGS,
	COL_MAX,
	COL_HEADROOM,
	COL_RSS,
	COL_TABLES,
	NR_COLUMNS,
};

static const struct sf_column columns[NR_COLUMNS] = {
	[COL_GROUP] = { "group", "" },
	[COL_PROCESSES] = { "processes", "" },
	[COL_MAPPINGS] = { "mappings", "" },
	[COL_MAX] = { "mappings_max", "" },
	[COL_HEADROOM] = { "headroom", "" },
	[COL_RSS] = { "rss", "" },
	[COL_TABLES] = { "page_tables", "" },
};

static void fill_row(const struct sf_group *group, size_t limit,
		     struct sf_cell *cell)
{
	cell[COL_GROUP] = sf_cell_text(group->name);
	cell[COL_PROCESSES] = sf_cell_count(group->nr);
	cell[COL_MAPPINGS] = sf_cell_count(group->mappings);
	cell[COL_MAX] = sf_cell_count(group->largest);
	cell[COL_HEADROOM] = sf_cell_count(sf_group_headroom(group, limit));
	cell[COL_RSS] = sf_cell_size(group->rss_len);
	cell[COL_TABLES] = sf_cell_size(group->tables_len);
}

static int write_groups(const struct sf_metrics *metrics, struct sf_out *out)
{
	size_t nr = metrics->groups.nr;
	struct sf_cell *cells = calloc(nr * NR_COLUMNS, sizeof(*cells));
	struct sf_table table = {
		.key = "groups",
		.columns = columns,
		.nr_columns = NR_COLUMNS,
		.cells = cells,
		.nr_rows = nr,
	};

	if (cells == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++)
		fill_row(&metrics->groups.group[i], metrics->all.limit,
			 &cells[i * NR_COLUMNS]);
	sf_out_table(out, &table);
	free(cells);
	return 0;
}

int sf_metrics_json(struct sf_metrics *metrics)
{
	const struct sf_processes *all = &metrics->all;
	int err = sf_metrics_update(metrics);
	struct sf_out out;

	if (err != 0)
		return err;
	sf_out_open(&out, true);
	sf_out_section(&out, "export", "export");
	sf_out_value(&out, "source", "",
		     sf_cell_text(all->by_bpf ? "bpf" : "proc"));
	sf_out_value(&out, "no_bpf", "", sf_cell_text(all->no_bpf));
	sf_out_value(&out, "read_us", "", sf_cell_count(all->took_ns / 1000));
	sf_out_value(&out, "unreadable", "", sf_cell_count(all->nr_unreadable));
	sf_out_value(&out, "limit", "", sf_cell_count(all->limit));
	sf_out_value(&out, "folded", "",
		     sf_cell_count(metrics->groups.nr_folded));
	err = write_groups(metrics, &out);
	sf_out_top(&out, "version", sf_cell_text(surefree_version()));
	sf_out_top(&out, "finding", sf_cell_bool(false));
	return sf_out_close(&out) != 0 ? -ENOMEM : err;
}
