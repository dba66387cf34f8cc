// SPDX-License-Identifier: MIT
/* Capabilities by the two system calls; their library adds nothing to them. */
#include "rights.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct caps {
	struct __user_cap_data_struct half[_LINUX_CAPABILITY_U32S_3];
};

static int get_caps(struct caps *caps)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};

	return syscall(SYS_capget, &head, caps->half) == 0 ? 0 : -errno;
}

static int set_caps(const struct caps *caps)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};

	return syscall(SYS_capset, &head, caps->half) == 0 ? 0 : -errno;
}

uint64_t sf_rights(void)
{
	struct caps caps = { 0 };

	get_caps(&caps);
	return (uint64_t)caps.half[1].permitted << 32 | caps.half[0].permitted;
}

static int lower(uint64_t keep, uint64_t use)
{
	struct caps caps = { 0 };
	int err = get_caps(&caps);

	if (err != 0)
		return err;
	for (int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		caps.half[i].permitted &= (uint32_t)(keep >> 32 * i);
		caps.half[i].effective = caps.half[i].permitted &
					 (uint32_t)(use >> 32 * i);
		caps.half[i].inheritable = 0;
	}
	return set_caps(&caps);
}

int sf_rights_keep(uint64_t keep)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	return lower(keep, keep);
}

int sf_rights_use(uint64_t use)
{
	return lower(UINT64_MAX, use);
}
