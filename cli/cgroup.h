/* SPDX-License-Identifier: MIT */
/* Which cgroup a process is in, and which container that is. */
#ifndef SF_CLI_CGROUP_H
#define SF_CLI_CGROUP_H

#include <stddef.h>
#include <sys/types.h>

#define SF_CONTAINER_ID_LEN 64 /* hexadecimal digits of a container's number */

/*
 * The path of a process's cgroup into buf: that of version 2, or, where that is
 * the root, the first other one. "" when there is none or it cannot be read.
 */
void sf_cgroup_read(pid_t pid, char *buf, size_t buf_len);

/*
 * The container that a path names, as Docker, containerd, CRI-O, Podman, LXC
 * and systemd-nspawn write it, into buf. Returns buf, or NULL: none.
 */
const char *sf_cgroup_container(const char *path, char *buf, size_t buf_len);

#endif
