// SPDX-License-Identifier: MIT
/* Prints what was found of a process's mappings: a table for each question. */
#include "maps_print.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void print_summary(struct sf_out *out, const struct sf_maps_look *look)
{
	const struct sf_explanation *found = &look->found;
	size_t limit = look->facts.limit;
	double share = (double)found->nr / (double)limit;

	sf_out_section(out, "maps",
		       "Process %d, %s: %zu mappings, %.1f %% of %zu",
		       (int)look->pid, look->command, found->nr, 100 * share,
		       limit);
	sf_out_value(out, "pid", "process", sf_cell_count((size_t)look->pid));
	sf_out_value(out, "command", "command", sf_cell_text(look->command));
	sf_out_value(out, "threads", "threads",
		     sf_cell_count(look->facts.nr_threads));
	sf_out_value(out, "mappings", "mappings", sf_cell_count(found->nr));
	sf_out_value(out, "limit", "limit", sf_cell_count(limit));
	sf_out_value(out, "headroom", "headroom",
		     sf_cell_count(found->nr < limit ? limit - found->nr : 0));
	sf_out_value(out, "used_share", "used", sf_cell_share(share));
	sf_out_value(out, "size", "address space", sf_cell_size(found->len));
	sf_out_value(out, "allocator", "malloc",
		     sf_cell_text(found->allocator != NULL ?
					  found->allocator :
					  "the C library's"));
	sf_out_value(out, "arenas", "arenas of glibc's malloc",
		     sf_cell_count(found->nr_arenas));
	sf_out_value(out, "mergeable_pairs", "neighbours kept apart",
		     sf_cell_count(found->nr_pairs));
}

static struct sf_cell resident_cell(const struct sf_maps_look *look,
				    const struct sf_explain_sum *sum)
{
	return look->all.detailed ? sf_cell_size(sum->resident) :
				    sf_cell_none();
}

static void print_kinds(struct sf_out *out, const struct sf_maps_look *look)
{
	static const struct sf_column columns[] = {
		{ "kind", "kind" },
		{ "mappings", "mappings" },
		{ "size", "size" },
		{ "resident", "resident" },
	};
	struct sf_cell cells[SF_NR_KINDS][4];
	struct sf_table table = { "kinds", columns, 4, cells[0], 0, false };

	for (int kind = 0; kind < SF_NR_KINDS; kind++) {
		const struct sf_explain_sum *sum = &look->found.kinds[kind];
		struct sf_cell *row = cells[table.nr_rows];

		if (sum->nr == 0)
			continue;
		row[0] = sf_cell_text(out->root != NULL ?
					      sf_kind_key((enum sf_kind)kind) :
					      sf_kind_name((enum sf_kind)kind));
		row[1] = sf_cell_count(sum->nr);
		row[2] = sf_cell_size(sum->len);
		row[3] = resident_cell(look, sum);
		table.nr_rows++;
	}
	sf_out_heading(out, "By kind");
	sf_out_table(out, &table);
}

/* 0 or -ENOMEM. */
static int print_files(struct sf_out *out, const struct sf_maps_look *look,
		       size_t max)
{
	static const struct sf_column columns[] = {
		{ "mappings", "mappings" },
		{ "size", "size" },
		{ "resident", "resident" },
		{ "name", "name" },
	};
	size_t nr = look->found.nr_files < max ? look->found.nr_files : max;
	struct sf_cell *cells = calloc(4 * nr + 1, sizeof(*cells));
	struct sf_table table = { "files", columns, 4, cells, nr, false };
	struct sf_cell *cell = cells;

	if (cells == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++) {
		const struct sf_explain_file *file = &look->found.files[i];

		*cell++ = sf_cell_count(file->sum.nr);
		*cell++ = sf_cell_size(file->sum.len);
		*cell++ = resident_cell(look, &file->sum);
		*cell++ = sf_cell_text(file->name);
	}
	if (nr < look->found.nr_files)
		sf_out_heading(out, "By library and file, the first of them");
	else
		sf_out_heading(out, "By library and file");
	sf_out_table(out, &table);
	free(cells);
	return 0;
}

static void print_sizes(struct sf_out *out, const struct sf_maps_look *look)
{
	static const struct sf_column columns[] = {
		{ "at_most", "at most" },
		{ "mappings", "mappings" },
		{ "size", "size" },
	};
	struct sf_cell cells[SF_NR_SIZES][3];
	struct sf_table table = { "sizes", columns, 3, cells[0], 0, false };

	for (size_t i = 0; i < SF_NR_SIZES; i++) {
		const struct sf_explain_size *size = &look->found.sizes[i];
		struct sf_cell *row = cells[table.nr_rows];

		if (size->sum.nr == 0)
			continue;
		row[0] = size->max != UINT64_MAX ? sf_cell_size(size->max) :
						   sf_cell_none();
		row[1] = sf_cell_count(size->sum.nr);
		row[2] = sf_cell_size(size->sum.len);
		table.nr_rows++;
	}
	sf_out_heading(out, "By size of a mapping");
	sf_out_table(out, &table);
}

static void print_joints(struct sf_out *out, const struct sf_maps_look *look)
{
	static const struct sf_column columns[] = {
		{ "cause", "kept apart by" },
		{ "pairs", "pairs" },
		{ "first", "first at" },
		{ "detail", "which" },
	};
	struct sf_cell cells[SF_JOINTS_MAX][4];
	struct sf_table table = { "neighbours",		 columns, 4, cells[0],
				  look->found.nr_joints, false };

	for (size_t i = 0; i < table.nr_rows; i++) {
		const struct sf_explain_joint *joint = &look->found.joints[i];

		cells[i][0] = sf_cell_text(out->root != NULL ?
						   sf_cause_key(joint->cause) :
						   sf_cause_text(joint->cause));
		cells[i][1] = sf_cell_count(joint->nr);
		cells[i][2] = sf_cell_addr(joint->first);
		cells[i][3] = sf_cell_text(joint->detail);
	}
	sf_out_heading(out, "Neighbours that could have been one mapping");
	sf_out_table(out, &table);
	if (!look->all.detailed)
		sf_out_words(out, "anon_vma: nothing that is shown differs; "
				  "touched apart, or flags, which --smaps "
				  "shows.");
}

static void print_worst(struct sf_out *out, const struct sf_maps_look *look)
{
	static const struct sf_column columns[] = {
		{ "range_size", "every second" },
		{ "mappings", "mappings" },
		{ "passes_limit", "passes the limit" },
	};
	struct sf_cell cells[SF_NR_WORST][3];
	struct sf_table table = { "worst_case", columns,     3,
				  cells[0],	SF_NR_WORST, false };
	char text[160];
	char size[24];

	for (size_t i = 0; i < SF_NR_WORST; i++) {
		const struct sf_explain_worst *worst = &look->found.worst[i];
		bool passes = worst->nr > look->facts.limit;

		cells[i][0] = sf_cell_size(worst->range_len);
		cells[i][1] = sf_cell_count(worst->nr);
		cells[i][2] = sf_cell_mark(sf_cell_bool(passes), passes);
	}
	sf_out_heading(out, "If every second range of a size were unmapped");
	sf_out_table(out, &table);
	sf_out_size_text(look->found.cut_len, size, sizeof(size));
	snprintf(text, sizeof(text),
		 "Counted for %s of anonymous memory. The heap, stacks and "
		 "surefree's regions can't be cut up.",
		 size);
	sf_out_words(out, text);
	sf_out_size_text(look->found.passes_below, size, sizeof(size));
	snprintf(text, sizeof(text), "Ranges smaller than %s pass the limit.",
		 size);
	if (look->found.passes_below > 0)
		sf_out_words(out, text);
	/* In text the table says it. */
	if (out->root != NULL)
		sf_out_value(out, "passes_below", "",
			     sf_cell_size(look->found.passes_below));
}

static void print_advice_words(struct sf_out *out,
			       const struct sf_explanation *found)
{
	char text[512];

	sf_out_heading(out, "Advice");
	if (found->nr_advice == 0)
		sf_out_words(out, "Nothing stands out.");
	for (size_t i = 0; i < found->nr_advice; i++) {
		enum sf_advice_cause cause = found->advice[i].cause;

		snprintf(text, sizeof(text), "%zu mappings: %s",
			 found->advice[i].nr, sf_advice_text(cause));
		sf_out_words(out, text);
		snprintf(text, sizeof(text), "-> %s", sf_advice_remedy(cause));
		sf_out_words(out, text);
	}
}

static void print_advice(struct sf_out *out, const struct sf_maps_look *look)
{
	static const struct sf_column columns[] = {
		{ "cause", "" },
		{ "mappings", "" },
		{ "text", "" },
		{ "remedy", "" },
	};
	struct sf_cell cells[SF_NR_ADVICE][4];
	struct sf_table table = {
		"advice", columns, 4, cells[0], look->found.nr_advice, false
	};

	if (out->root == NULL) {
		print_advice_words(out, &look->found);
		return;
	}
	for (size_t i = 0; i < table.nr_rows; i++) {
		enum sf_advice_cause cause = look->found.advice[i].cause;

		cells[i][0] = sf_cell_text(sf_advice_key(cause));
		cells[i][1] = sf_cell_count(look->found.advice[i].nr);
		cells[i][2] = sf_cell_text(sf_advice_text(cause));
		cells[i][3] = sf_cell_text(sf_advice_remedy(cause));
	}
	sf_out_table(out, &table);
}

int sf_maps_print(struct sf_out *out, const struct sf_maps_look *look,
		  size_t max_files)
{
	int err;

	print_summary(out, look);
	print_kinds(out, look);
	err = print_files(out, look, max_files);
	print_sizes(out, look);
	print_joints(out, look);
	print_worst(out, look);
	print_advice(out, look);
	return err;
}
