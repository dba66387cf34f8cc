// SPDX-License-Identifier: MIT
/* Compares the numbers of this process, see pid_ns.h. */
#include "pid_ns.h"

#include <stddef.h>
#include <string.h>

#include "os/proc.h"

/* "NSpid:\t30952\t10" has our number in the namespace of /proc, then below. */
unsigned sf_pid_ns_above(void)
{
	struct sf_proc proc;
	char *line, *rest;
	unsigned nr = 0;

	if (sf_proc_open(&proc, "/proc/self/status") != 0)
		return 0;
	while (sf_proc_line(&proc, &line) == 1) {
		if (!sf_proc_starts(line, "NSpid:", &rest))
			continue;
		while ((rest = strchr(rest, '\t')) != NULL) {
			rest++;
			nr++;
		}
		break;
	}
	sf_proc_close(&proc);
	return nr > 0 ? nr - 1 : 0;
}
