// SPDX-License-Identifier: MIT
/*
 * The machine and the library that numbers come from; see bench.h.
 */
#include "bench.h"

#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "surefree.h"

/* The value of the first line of a file that starts with key, or "unknown". */
static void read_value(const char *path, const char *key, char *out, size_t len)
{
	FILE *file = fopen(path, "re");
	char line[512];
	const char *value;

	snprintf(out, len, "unknown");
	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		value = line + strlen(key);
		value += strspn(value, " \t:");
		snprintf(out, len, "%.*s", (int)strcspn(value, "\n"), value);
		break;
	}
	fclose(file);
}

void bench_print_facts(FILE *out, const char *prefix)
{
	static const char *const traps[] = { "on", "off (option)",
					     "off (kernel older than 6.13)" };
	struct surefree_stats stats = { .size = sizeof(stats) };
	char cpu[128], thp[128], limit[128], load[128];
	char date[32];
	time_t now = time(NULL);
	struct utsname uts;

	uname(&uts);
	surefree_stats(&stats);
	read_value("/proc/cpuinfo", "model name", cpu, sizeof(cpu));
	read_value("/sys/kernel/mm/transparent_hugepage/enabled", "", thp,
		   sizeof(thp));
	read_value("/proc/sys/vm/max_map_count", "", limit, sizeof(limit));
	read_value("/proc/loadavg", "", load, sizeof(load));
	load[strcspn(load, " ")] = '\0';
	strftime(date, sizeof(date), "%Y-%m-%d", gmtime(&now));
	fprintf(out, "%sdate: %s\n", prefix, date);
	fprintf(out, "%skernel: %s %s\n", prefix, uts.release, uts.machine);
	fprintf(out, "%scpus: %ld, %s\n", prefix, sysconf(_SC_NPROCESSORS_ONLN),
		cpu);
	fprintf(out, "%spage size: %ld\n", prefix, sysconf(_SC_PAGESIZE));
	fprintf(out, "%stransparent huge pages: %s\n", prefix, thp);
	fprintf(out, "%svm.max_map_count: %s\n", prefix, limit);
	fprintf(out, "%sload when it started: %s\n", prefix, load);
	fprintf(out, "%ssurefree: %s, trap %s\n", prefix, surefree_version(),
		(size_t)stats.trap < BENCH_COUNT(traps) ? traps[stats.trap] :
							  "unknown");
}
