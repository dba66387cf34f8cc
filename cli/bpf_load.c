// SPDX-License-Identifier: MIT
/* What all loaders of BPF programs share, see bpf_load.h. */
#include "bpf_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "process.h"

#if defined(__x86_64__)
#define SYSCALL "__x64_sys_"
#else
#define SYSCALL "__arm64_sys_"
#endif

#define NR_FILES 64 /* more than any of ours needs */

#define BTF "/sys/kernel/btf/vmlinux"

static int say_nothing(enum libbpf_print_level level, const char *fmt,
		       va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

void sf_bpf_silence(void)
{
	libbpf_set_print(say_nothing);
}

/*
 * Whether there is room for all that is loaded. libbpf has other errors when
 * there is not: what it tries first fails, and it concludes that the kernel
 * can't do that.
 */
static bool may_open_files(void)
{
	int fd[NR_FILES];
	size_t nr = 0;

	while (nr < NR_FILES && (fd[nr] = open("/", O_PATH | O_CLOEXEC)) >= 0)
		nr++;
	for (size_t i = 0; i < nr; i++)
		close(fd[i]);
	return nr == NR_FILES;
}

const char *sf_bpf_explain(int err)
{
	if (err == -EPERM || err == -EACCES)
		return "BPF needs root, or CAP_BPF and CAP_PERFMON";
	if (err == -EMFILE || err == -ENFILE || !may_open_files())
		return "BPF needs more open files; raise the limit on them "
		       "(ulimit -n)";
	if (access(BTF, R_OK) != 0)
		return "BPF needs " BTF
		       " (CONFIG_DEBUG_INFO_BTF), which this kernel lacks";
	if (err == -ENOMEM)
		return "there is not enough memory for BPF";
	return "this kernel does not take our BPF program; it needs 5.11";
}

int sf_bpf_choose_calls(const struct bpf_object *object, const char *when,
			bool wanted)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < SF_CALL_NR; i++) {
		struct bpf_program *program;
		char name[32];

		snprintf(name, sizeof(name), "%s_%s", when, sf_call_names[i]);
		program = bpf_object__find_program_by_name(object, name);
		if (program == NULL)
			return -ENOENT;
		bpf_program__set_autoload(program, wanted);
		if (!wanted)
			continue;
		snprintf(name, sizeof(name), SYSCALL "%s", sf_call_names[i]);
		err = bpf_program__set_attach_target(program, 0, name);
	}
	return err;
}
