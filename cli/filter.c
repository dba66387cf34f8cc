// SPDX-License-Identifier: MIT
/* The filter, see filter.h. Calls of another machine's table pass. */
#include "filter.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/compiler.h"
#include "remote.h"

/* Calls that may need a mapping. mremap() with five arguments has a sixth. */
static const struct {
	uint32_t nr;
	const char *name;
} calls[] = {
	{ __NR_mmap, "mmap" },	       { __NR_munmap, "munmap" },
	{ __NR_mprotect, "mprotect" }, { __NR_mremap, "mremap" },
	{ __NR_madvise, "madvise" },   { __NR_brk, "brk" },
	{ __NR_mlock, "mlock" },       { __NR_munlock, "munlock" },
	{ __NR_mlock2, "mlock2" },     { __NR_pkey_mprotect, "pkey_mprotect" },
	{ __NR_shmat, "shmat" },       { __NR_shmdt, "shmdt" },
};

#define NR_CALLS SF_NR(calls)
#define LOAD(field)                        \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
		 (uint32_t)offsetof(struct seccomp_data, field))
#define LOAD_HIGH(field)                   \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, \
		 (uint32_t)offsetof(struct seccomp_data, field) + 4)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)

const char *sf_filter_name(uint64_t nr)
{
	for (size_t i = 0; i < NR_CALLS; i++)
		if (calls[i].nr == nr)
			return calls[i].name;
	return NULL;
}

/* Little-endian machines both: the low half comes first. */
int sf_filter_install(uint64_t mark)
{
	const struct sock_filter head[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SF_AUDIT_ARCH, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mprotect, 0, 5),
		LOAD(args[3]),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)mark, 0, 3),
		LOAD_HIGH(args[3]),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(mark >> 32), 0,
			 1),
		RETURN(SECCOMP_RET_ALLOW),
		LOAD(nr),
	};
	struct sock_filter code[SF_NR(head) + NR_CALLS + 2];
	struct sock_fprog filter = { SF_NR(code), code };
	size_t at = 0;

	for (; at < SF_NR(head); at++)
		code[at] = head[at];
	for (size_t i = 0; i < NR_CALLS; i++)
		code[at++] = (struct sock_filter)
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].nr,
				 (uint8_t)(NR_CALLS - i), 0);
	code[at++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
	code[at++] = (struct sock_filter)RETURN(SECCOMP_RET_TRACE);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0)
		return -errno;
	return 0;
}
