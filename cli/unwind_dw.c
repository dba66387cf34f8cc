// SPDX-License-Identifier: MIT
/*
 * Unwinding and symbols by libdw, from what the process has mapped and no
 * files of debug information: frames come from .eh_frame, names from symbol
 * tables.
 */
#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "mapped_file.h"
#include "mappings.h"
#include "where.h"

struct sf_unwind {
	Dwfl *dwfl;
	pid_t pid;
	const struct sf_mappings *all;
	const struct sf_where_copy *copy; /* being unwound */
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

/* The file of a module, which is mapped from base on; -1: not to be had. */
static int open_file(const struct sf_unwind *unwind, const char *name,
		     Dwarf_Addr base)
{
	const struct sf_mappings *all = unwind->all;
	struct sf_mapped_file file = { .pid = unwind->pid, .name = name };
	size_t i = 0;

	while (i < all->nr && all->vma[i].end <= base)
		i++;
	if (i == all->nr || all->vma[i].start > base ||
	    strcmp(all->vma[i].name, name) != 0)
		return -1;
	file.start = all->vma[i].start;
	file.end = all->vma[i].end;
	file.inode = all->vma[i].inode;
	file.major = all->vma[i].dev >> 20;
	file.minor = all->vma[i].dev & 0xfffff;
	return sf_mapped_file_open(&file);
}

static const struct sf_unwind *unwind_of(Dwfl_Module *module)
{
	void **unwind = NULL;

	dwfl_module_info(module, &unwind, NULL, NULL, NULL, NULL, NULL, NULL);
	return unwind != NULL ? *unwind : NULL;
}

static int find_file(Dwfl_Module *module, void **userdata, const char *name,
		     Dwarf_Addr base, char **file, Elf **elf)
{
	const struct sf_unwind *unwind = unwind_of(module);
	int fd = unwind != NULL ? open_file(unwind, name, base) : -1;

	(void)userdata;
	*file = fd >= 0 ? strdup(name) : NULL;
	*elf = NULL;
	return fd;
}

/* Where there is no file it is what is mapped, as libdw has it for the vDSO. */
static int find_file_or_memory(Dwfl_Module *module, void **userdata,
			       const char *name, Dwarf_Addr base, char **file,
			       Elf **elf)
{
	const struct sf_unwind *unwind = unwind_of(module);
	int fd = find_file(module, userdata, name, base, file, elf);
	char vdso[32];

	if (fd >= 0 || unwind == NULL)
		return fd;
	snprintf(vdso, sizeof(vdso), "[vdso: %d]", (int)unwind->pid);
	return dwfl_linux_proc_find_elf(module, userdata, vdso, base, file,
					elf);
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = find_file_or_memory,
	.find_debuginfo = find_no_debuginfo,
};

bool sf_where_has_symbols(void)
{
	return true;
}

static int mark_module(Dwfl_Module *module, void **userdata, const char *name,
		       Dwarf_Addr base, void *arg)
{
	(void)module;
	(void)name;
	(void)base;
	*userdata = arg;
	return DWARF_CB_OK;
}

/* The modules that were reported are all, and those of unwind. */
static bool end_report(struct sf_unwind *unwind)
{
	return dwfl_report_end(unwind->dwfl, NULL, NULL) == 0 &&
	       dwfl_getmodules(unwind->dwfl, mark_module, unwind, 0) == 0;
}

struct sf_unwind *sf_unwind_open(pid_t pid, const struct sf_mappings *all)
{
	struct sf_unwind *unwind = calloc(1, sizeof(*unwind));

	if (unwind == NULL)
		return NULL;
	unwind->pid = pid;
	unwind->all = all;
	unwind->dwfl = dwfl_begin(&callbacks);
	if (unwind->dwfl != NULL &&
	    dwfl_linux_proc_report(unwind->dwfl, pid) == 0 &&
	    end_report(unwind) &&
	    dwfl_linux_proc_attach(unwind->dwfl, pid, true) == 0)
		return unwind;
	sf_unwind_close(unwind);
	return NULL;
}

/*
 * Copies
 */

static const Dwfl_Callbacks copy_callbacks = {
	.find_elf = find_file,
	.find_debuginfo = find_no_debuginfo,
};

/* There is one thread: the one that was copied. */
static pid_t only_thread(Dwfl *dwfl, void *arg, void **thread)
{
	if (*thread != NULL)
		return 0;
	*thread = arg;
	return dwfl_pid(dwfl);
}

/* What is deeper than the copy is read from the process, if it lives. */
static bool read_copy(Dwfl *dwfl, Dwarf_Addr addr, Dwarf_Word *word, void *arg)
{
	const struct sf_where_copy *copy = ((struct sf_unwind *)arg)->copy;
	uint64_t at = addr - sf_regs_sp(&copy->regs);
	struct iovec to = { word, sizeof(*word) };
	struct iovec from = { (void *)addr, sizeof(*word) };

	if (at < copy->stack_len && copy->stack_len - at >= sizeof(*word)) {
		memcpy(word, copy->stack + at, sizeof(*word));
		return true;
	}
	return process_vm_readv(dwfl_pid(dwfl), &to, 1, &from, 1, 0) ==
	       (ssize_t)sizeof(*word);
}

static bool set_registers(Dwfl_Thread *thread, void *arg)
{
	const struct sf_where_copy *copy = ((struct sf_unwind *)arg)->copy;
	Dwarf_Word words[SF_DWARF_REGS];

	sf_regs_to_dwarf(&copy->regs, words);
	dwfl_thread_state_register_pc(thread, sf_regs_ip(&copy->regs));
	return dwfl_thread_state_registers(thread, 0, SF_DWARF_REGS, words);
}

static const Dwfl_Thread_Callbacks copy_threads = {
	.next_thread = only_thread,
	.memory_read = read_copy,
	.set_initial_registers = set_registers,
};

struct sf_unwind *sf_unwind_open_maps(pid_t pid, const struct sf_mappings *all,
				      char *maps, size_t maps_len)
{
	struct sf_unwind *unwind = calloc(1, sizeof(*unwind));
	FILE *lines = fmemopen(maps, maps_len, "r");
	bool good = unwind != NULL && lines != NULL;

	if (good) {
		unwind->pid = pid;
		unwind->all = all;
		unwind->dwfl = dwfl_begin(&copy_callbacks);
	}
	good = good && unwind->dwfl != NULL &&
	       dwfl_linux_proc_maps_report(unwind->dwfl, lines) == 0 &&
	       end_report(unwind) &&
	       dwfl_attach_state(unwind->dwfl, NULL, pid, &copy_threads,
				 unwind);
	if (lines != NULL)
		fclose(lines);
	if (good)
		return unwind;
	sf_unwind_close(unwind);
	return NULL;
}

/*
 * Both
 */

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

size_t sf_unwind_copy(struct sf_unwind *unwind,
		      const struct sf_where_copy *copy, uint64_t *ip,
		      size_t max)
{
	size_t nr;

	unwind->copy = copy;
	nr = sf_unwind_stack(unwind, dwfl_pid(unwind->dwfl), ip, max);
	unwind->copy = NULL;
	return nr;
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
