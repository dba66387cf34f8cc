// SPDX-License-Identifier: MIT
/*
 * Names follow Prometheus' guidelines: base units, _total for what only grows.
 * Nothing is called process_*: node_exporter, which may hand out our text, has
 * such names of its own. What is not known is left out, since 0 is an answer.
 */
#include "metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "surefree.h"

static const char *const error_names[SF_GROUP_ERRORS] = { "ENOMEM", "EAGAIN" };

/* Only these are refused with EAGAIN too, when memory may not be locked. */
static bool can_fail_so(size_t call, size_t error)
{
	return error == 0 || call == SF_CALL_MMAP || call == SF_CALL_MREMAP ||
	       call == SF_CALL_MADVISE;
}

/*
 * The snapshot
 */

static double seconds_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int sf_metrics_update(struct sf_metrics *metrics)
{
	static const struct sf_process_filter everybody;
	double begin = seconds_of(CLOCK_MONOTONIC);
	int err = sf_processes_read(&metrics->all, &everybody);

	if (err == 0)
		err = sf_groups_update(&metrics->groups, &metrics->all);
	metrics->seconds = seconds_of(CLOCK_MONOTONIC) - begin;
	metrics->cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
	metrics->nr_snapshots += err == 0;
	return err;
}

void sf_metrics_close(struct sf_metrics *metrics)
{
	sf_groups_close(&metrics->groups);
	sf_processes_close(&metrics->all);
}

/*
 * Writing
 */

/* With what has to be escaped. */
static void write_label(FILE *out, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\n') {
			fputs("\\n", out);
			continue;
		}
		if (*value == '\\' || *value == '"')
			putc('\\', out);
		putc(*value, out);
	}
}

static void write_head(FILE *out, const char *name, const char *type,
		       const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_gauge(FILE *out, const char *name, const char *help,
			size_t value)
{
	write_head(out, name, "gauge", help);
	fprintf(out, "%s %zu\n", name, value);
}

struct family {
	const char *name;
	const char *help;
	size_t offset; /* of a size_t in struct sf_group */
};

#define MEMBER(member) offsetof(struct sf_group, member)

static const struct family families[] = {
	{ "surefree_processes", "Processes in the group.", MEMBER(nr) },
	{ "surefree_mappings",
	  "Memory mappings of all processes in the group together.",
	  MEMBER(mappings) },
	{ "surefree_process_mappings_max",
	  "Memory mappings of the process in the group that has the most.",
	  MEMBER(largest) },
	{ "surefree_page_table_bytes",
	  "Memory of page tables of all processes in the group.",
	  MEMBER(tables_len) },
	{ "surefree_resident_memory_bytes",
	  "Resident memory of all processes in the group; what they share "
	  "counts for each.",
	  MEMBER(rss_len) },
};

static void write_families(FILE *out, const struct sf_groups *groups)
{
	const size_t nr = sizeof(families) / sizeof(families[0]);

	for (const struct family *f = families; f < families + nr; f++) {
		write_head(out, f->name, "gauge", f->help);
		for (size_t i = 0; i < groups->nr; i++) {
			const struct sf_group *group = &groups->group[i];
			size_t value;

			memcpy(&value, (const char *)group + f->offset,
			       sizeof(value));
			fprintf(out, "%s{group=\"", f->name);
			write_label(out, group->name);
			fprintf(out, "\"} %zu\n", value);
		}
	}
}

static void write_headroom(FILE *out, const struct sf_groups *groups,
			   size_t limit)
{
	static const char name[] = "surefree_mappings_headroom";

	write_head(out, name, "gauge",
		   "Mappings left to the process in the group that has the "
		   "most.");
	for (size_t i = 0; i < groups->nr; i++) {
		fprintf(out, "%s{group=\"", name);
		write_label(out, groups->group[i].name);
		fprintf(out, "\"} %zu\n",
			sf_group_headroom(&groups->group[i], limit));
	}
}

static void write_refused_of(FILE *out, const char *name,
			     const struct sf_group *group)
{
	for (size_t call = 0; call < SF_CALL_NR; call++) {
		for (size_t error = 0; error < SF_GROUP_ERRORS; error++) {
			uint64_t nr = group->refused[call][error];

			if (nr == 0 && !can_fail_so(call, error))
				continue;
			fprintf(out, "%s{group=\"", name);
			write_label(out, group->name);
			fprintf(out,
				"\",call=\"%s\",errno=\"%s\"} %" PRIu64 "\n",
				sf_call_names[call], error_names[error], nr);
		}
	}
}

static void write_refused(FILE *out, const struct sf_groups *groups)
{
	static const char name[] = "surefree_refused_calls_total";

	write_head(out, name, "counter",
		   "Memory calls of the group that the kernel has refused.");
	for (size_t i = 0; i < groups->nr; i++)
		write_refused_of(out, name, &groups->group[i]);
}

static void write_counter(FILE *out, const char *name, const char *help,
			  double value)
{
	write_head(out, name, "counter", help);
	fprintf(out, "%s %.15g\n", name, value);
}

static void write_self(FILE *out, const struct sf_metrics *metrics)
{
	const struct sf_processes *all = &metrics->all;

	write_head(out, "surefree_scrape_duration_seconds", "gauge",
		   "How long it took to look at all processes.");
	fprintf(out, "surefree_scrape_duration_seconds %.9g\n",
		metrics->seconds);
	if (metrics->lives) {
		write_counter(out, "surefree_scrapes_total",
			      "How often processes were looked at.",
			      (double)metrics->nr_snapshots);
		write_counter(out, "surefree_cpu_seconds_total",
			      "CPU time that the exporter itself has used.",
			      metrics->cpu);
	}
	write_head(out, "surefree_source_info", "gauge",
		   "Where counts come from: bpf, or proc for /proc/PID/maps.");
	fprintf(out, "surefree_source_info{source=\"%s\"} 1\n",
		all->by_bpf ? "bpf" : "proc");
	write_head(out, "surefree_build_info", "gauge", "The version.");
	fprintf(out, "surefree_build_info{version=\"%s\"} 1\n",
		surefree_version());
}

char *sf_metrics_text(const struct sf_metrics *metrics, size_t *len)
{
	const struct sf_processes *all = &metrics->all;
	char *text = NULL;
	FILE *out = open_memstream(&text, len);
	bool failed;

	if (out == NULL)
		return NULL;
	write_gauge(out, "surefree_mappings_limit",
		    "Memory mappings that a process may have "
		    "(vm.max_map_count).",
		    all->limit);
	write_families(out, &metrics->groups);
	write_headroom(out, &metrics->groups, all->limit);
	if (all->no_refused == NULL)
		write_refused(out, &metrics->groups);
	write_gauge(out, "surefree_unreadable_processes",
		    "Processes that are not counted since they may not be "
		    "read.",
		    all->nr_unreadable);
	write_gauge(out, "surefree_folded_groups",
		    "Groups without a name of their own, in other.",
		    metrics->groups.nr_folded);
	write_self(out, metrics);
	failed = ferror(out) != 0;
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
