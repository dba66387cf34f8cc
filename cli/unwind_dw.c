// SPDX-License-Identifier: MIT
/*
 * Unwinding and symbols by libdw, from what the process has mapped and no
 * files of debug information: frames come from .eh_frame, names from symbol
 * tables.
 */
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <stdlib.h>

#include "where.h"

struct sf_unwind {
	Dwfl *dwfl;
};

/* Not looked for: it may be fetched from the network. */
static int find_no_debuginfo(Dwfl_Module *module, void **userdata,
			     const char *name, Dwarf_Addr base,
			     const char *file, const char *debuglink,
			     GElf_Word crc, char **debuginfo)
{
	(void)module;
	(void)userdata;
	(void)name;
	(void)base;
	(void)file;
	(void)debuglink;
	(void)crc;
	(void)debuginfo;
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_linux_proc_find_elf,
	.find_debuginfo = find_no_debuginfo,
};

bool sf_where_has_symbols(void)
{
	return true;
}

struct sf_unwind *sf_unwind_open(pid_t pid)
{
	struct sf_unwind *unwind = calloc(1, sizeof(*unwind));

	if (unwind == NULL)
		return NULL;
	unwind->dwfl = dwfl_begin(&callbacks);
	if (unwind->dwfl != NULL &&
	    dwfl_linux_proc_report(unwind->dwfl, pid) == 0 &&
	    dwfl_report_end(unwind->dwfl, NULL, NULL) == 0 &&
	    dwfl_linux_proc_attach(unwind->dwfl, pid, true) == 0)
		return unwind;
	sf_unwind_close(unwind);
	return NULL;
}

void sf_unwind_close(struct sf_unwind *unwind)
{
	if (unwind == NULL)
		return;
	if (unwind->dwfl != NULL)
		dwfl_end(unwind->dwfl);
	free(unwind);
}

struct walk {
	uint64_t *ip;
	size_t nr;
	size_t max;
};

static int take_frame(Dwfl_Frame *frame, void *arg)
{
	struct walk *walk = arg;
	Dwarf_Addr ip;
	bool is_call_site;

	if (walk->nr == walk->max || !dwfl_frame_pc(frame, &ip, &is_call_site))
		return DWARF_CB_ABORT;
	walk->ip[walk->nr++] = ip;
	return DWARF_CB_OK;
}

size_t sf_unwind_stack(struct sf_unwind *unwind, pid_t tid, uint64_t *ip,
		       size_t max)
{
	struct walk walk = { .max = max };

	walk.ip = ip;
	/* What was found before an error counts. */
	dwfl_getthread_frames(unwind->dwfl, tid, take_frame, &walk);
	return walk.nr;
}

const char *sf_unwind_name(struct sf_unwind *unwind, uint64_t ip,
			   uint64_t *offset)
{
	/* A return address may be that of the next function. */
	Dwfl_Module *module = dwfl_addrmodule(unwind->dwfl, ip - 1);
	GElf_Off off = 0;
	GElf_Sym sym;
	const char *name;

	if (module == NULL)
		return NULL;
	name = dwfl_module_addrinfo(module, ip - 1, &off, &sym, NULL, NULL,
				    NULL);
	*offset = off + 1;
	return name;
}
