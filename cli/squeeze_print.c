// SPDX-License-Identifier: MIT
/* Prints how a squeezed program ended and which calls were refused it. */
#include "squeeze_print.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"

const char *sf_squeeze_end_text(const struct sf_child_end *end, bool timed_out,
				char *buf, size_t buf_len)
{
	if (timed_out)
		snprintf(buf, buf_len, "not in time");
	else
		sf_child_end_text(end, buf, buf_len);
	return buf;
}

bool sf_squeeze_is_finding(const struct sf_squeeze_result *result)
{
	return result->refused.times > 0 || result->end.signal != 0 ||
	       result->timed_out;
}

static const char *when_text(const struct sf_squeeze_plan *plan, char *buf,
			     size_t buf_len)
{
	unsigned long long nr = plan->nr;

	if (plan->when == SF_SQUEEZE_AFTER)
		snprintf(buf, buf_len, "after %llu s", nr);
	else if (plan->when == SF_SQUEEZE_AT_CALL)
		snprintf(buf, buf_len, "at memory call %llu", nr);
	else
		snprintf(buf, buf_len, "from its entry point on");
	return buf;
}

static void print_end(struct sf_out *out, const struct sf_squeeze_plan *plan,
		      const struct sf_squeeze_result *result)
{
	char when[48];
	char end[32];

	sf_out_section(out, "squeeze", "%s with %zu spare mappings, %s",
		       plan->words[0], plan->spare,
		       when_text(plan, when, sizeof(when)));
	sf_out_value(out, "program", "program", sf_cell_text(plan->words[0]));
	sf_out_value(out, "spare", "spare mappings",
		     sf_cell_count(plan->spare));
	sf_out_value(out, "when", "when", sf_cell_text(when));
	sf_out_value(out, "ended", "ended",
		     sf_cell_text(sf_squeeze_end_text(&result->end,
						      result->timed_out, end,
						      sizeof(end))));
	sf_out_value(out, "exit_status", "exit status",
		     result->end.signal == 0 ?
			     sf_cell_count((size_t)result->end.code) :
			     sf_cell_none());
	sf_out_value(out, "signal", "signal",
		     result->end.signal != 0 ?
			     sf_cell_count((size_t)result->end.signal) :
			     sf_cell_none());
	sf_out_value(out, "programs", "programs run",
		     sf_cell_count(result->nr_processes));
	sf_out_value(out, "squeezed", "of these squeezed",
		     sf_cell_count(result->nr_squeezed));
	sf_out_value(out, "memory_calls", "memory calls after that",
		     sf_cell_count(result->nr_calls));
	sf_out_value(out, "refused", "refused",
		     sf_cell_mark(sf_cell_count(result->refused.times),
				  result->refused.times > 0));
	sf_out_value(out, "failed_otherwise", "failed for another reason",
		     sf_cell_count(result->nr_others));
	sf_out_value(out, "unmap_refused_size", "not unmapped",
		     sf_cell_size(result->refused.unmap_len));
	sf_out_value(out, "leaked_size",
		     result->resident_at_most ? "resident at the end, at most" :
						"still resident at the end",
		     sf_cell_mark(sf_cell_size(result->resident),
				  result->resident > 0));
	if (out->root != NULL)
		sf_out_value(out, "leaked_at_most", "",
			     sf_cell_bool(result->resident_at_most));
}

static int most_first(const void *a, const void *b)
{
	const struct sf_refused_group *x = a;
	const struct sf_refused_group *y = b;

	return x->times > y->times ? -1 : x->times < y->times;
}

static struct sf_cell group_len(const struct sf_refused_group *group)
{
	return group->len > 0 ? sf_cell_size(group->len) : sf_cell_none();
}

/* The groups, most first. In JSON each has its stack. */
static int print_groups(struct sf_out *out,
			const struct sf_refused_group *groups, size_t nr)
{
	static const struct sf_column columns[] = {
		{ "call", "call" },	   { "error", "error" },
		{ "times", "times" },	   { "size", "size" },
		{ "first", "first with" }, { "where", "from" },
		{ "stack", "" },
	};
	size_t nr_columns = out->root != NULL ? 7 : 6;
	struct sf_cell *cells = calloc(nr * 7 + 1, sizeof(*cells));
	char(*stacks)[SF_WHERE_STACK_LEN] = calloc(nr + 1, sizeof(*stacks));
	char(*errors)[24] = calloc(nr + 1, sizeof(*errors));
	struct sf_table table = { "refused_calls", columns, nr_columns,
				  cells,	   nr,	    false };
	struct sf_cell *cell = cells;
	bool enough = cells != NULL && stacks != NULL && errors != NULL;

	for (size_t i = 0; enough && i < nr; i++) {
		const struct sf_where *where = &groups[i].where;

		*cell++ = sf_cell_text(sf_filter_name(groups[i].nr));
		*cell++ = sf_cell_text(sf_errno_name(groups[i].err, errors[i],
						     sizeof(errors[i])));
		*cell++ = sf_cell_count(groups[i].times);
		*cell++ = group_len(&groups[i]);
		*cell++ = sf_cell_addr(groups[i].addr);
		*cell++ = where->nr > 0 ?
				  sf_cell_text(where->frame[where->caller]) :
				  sf_cell_none();
		sf_where_join(where, " < ", stacks[i]);
		if (nr_columns == 7)
			*cell++ = sf_cell_text(stacks[i]);
	}
	if (enough)
		sf_out_table(out, &table);
	free(cells);
	free(stacks);
	free(errors);
	return enough ? 0 : -ENOMEM;
}

/* In text the stacks stand below. */
static void print_stacks(const struct sf_out *out,
			 const struct sf_refused_group *groups, size_t nr)
{
	char title[96];

	if (out->root != NULL)
		return;
	for (size_t i = 0; i < nr; i++) {
		const struct sf_where *where = &groups[i].where;

		snprintf(title, sizeof(title), "Stack of %s, %zu time%s",
			 sf_filter_name(groups[i].nr), groups[i].times,
			 groups[i].times == 1 ? "" : "s");
		sf_out_heading(out, title);
		for (size_t k = 0; k < where->nr; k++) {
			printf("  ");
			sf_out_text(where->frame[k]);
			putchar('\n');
		}
	}
}

int sf_squeeze_print(struct sf_out *out, const struct sf_squeeze_plan *plan,
		     const struct sf_squeeze_result *result)
{
	struct sf_refused_group *groups = result->refused.groups;
	size_t nr = result->refused.nr_groups;
	int err;

	print_end(out, plan, result);
	if (nr > 0)
		qsort(groups, nr, sizeof(*groups), most_first);
	if (nr > 0 || out->root == NULL)
		sf_out_heading(out, nr > 0 ? "Refused calls" :
					     "No call was refused.");
	if (nr == 0 && out->root == NULL)
		return 0;
	err = print_groups(out, groups, nr);
	print_stacks(out, groups, nr);
	return err;
}

static struct sf_cell optional(bool has, size_t nr)
{
	return has ? sf_cell_count(nr) : sf_cell_none();
}

void sf_squeeze_print_sweep(struct sf_out *out,
			    const struct sf_squeeze_plan *plan,
			    const struct sf_squeeze_sweep *sweep)
{
	static const struct sf_column columns[] = {
		{ "from", "spare from" },
		{ "to", "to" },
		{ "same", "ends the same" },
		{ "refused", "refused" },
		{ "leaked_size", "still resident" },
		{ "ended", "ended" },
	};
	struct sf_cell *cells = calloc(sweep->nr * 6 + 1, sizeof(*cells));
	char(*ends)[32] = calloc(sweep->nr + 1, sizeof(*ends));
	struct sf_table table = { "steps", columns, 6, cells, sweep->nr, false };
	struct sf_cell *cell = cells;
	char when[48];
	char end[32];

	sf_out_section(out, "sweep", "%s, %s: the headroom that it needs",
		       plan->words[0], when_text(plan, when, sizeof(when)));
	sf_out_value(out, "program", "program", sf_cell_text(plan->words[0]));
	sf_out_value(out, "ended", "ends unsqueezed",
		     sf_cell_text(sf_squeeze_end_text(&sweep->end, false, end,
						      sizeof(end))));
	sf_out_value(out, "needed", "ends the same from",
		     optional(sweep->has_needed, sweep->needed));
	sf_out_value(out, "needed_clean", "nothing refused from",
		     optional(sweep->has_clean, sweep->clean));
	for (size_t i = 0; cells != NULL && ends != NULL && i < sweep->nr;
	     i++) {
		const struct sf_squeeze_step *step = &sweep->steps[i];

		*cell++ = sf_cell_count(step->from);
		*cell++ = sf_cell_count(step->to);
		*cell++ = sf_cell_mark(sf_cell_bool(step->same), !step->same);
		*cell++ = sf_cell_count(step->refused);
		*cell++ = sf_cell_size(step->resident);
		*cell++ = sf_cell_text(
			sf_squeeze_end_text(&step->end, step->timed_out,
					    ends[i], sizeof(ends[i])));
	}
	sf_out_heading(out, "By spare mappings");
	if (cells != NULL && ends != NULL)
		sf_out_table(out, &table);
	free(cells);
	free(ends);
}
