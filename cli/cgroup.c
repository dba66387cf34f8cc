// SPDX-License-Identifier: MIT
/* Paths of cgroups, and the names of containers in them. */
#include "cgroup.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "os/proc.h"

/* "4:memory:/path" or "0::/path"; the part after the second colon. */
static const char *path_of(const char *line)
{
	const char *colon = strchr(line, ':');

	colon = colon != NULL ? strchr(colon + 1, ':') : NULL;
	return colon != NULL ? colon + 1 : "";
}

void sf_cgroup_read(pid_t pid, char *buf, size_t buf_len)
{
	struct sf_proc proc;
	char path[40];
	char *line;

	buf[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	if (sf_proc_open(&proc, path) != 0)
		return;
	while (sf_proc_line(&proc, &line) == 1) {
		const char *here = path_of(line);

		if (buf[0] == '\0' || (strcmp(buf, "/") == 0 && here[0] == '/'))
			snprintf(buf, buf_len, "%s", here);
		if (strncmp(line, "0::", 3) == 0 && strcmp(here, "/") != 0)
			snprintf(buf, buf_len, "%s", here);
	}
	sf_proc_close(&proc);
}

/* The first run of 64 hexadecimal digits, or NULL. */
static const char *find_id(const char *path)
{
	size_t run = 0;

	for (; *path != '\0'; path++) {
		run = isxdigit((unsigned char)*path) ? run + 1 : 0;
		if (run == SF_CONTAINER_ID_LEN)
			return path + 1 - SF_CONTAINER_ID_LEN;
	}
	return NULL;
}

const char *sf_cgroup_container(const char *path, char *buf, size_t buf_len)
{
	static const char *const before[] = { "/lxc.payload.", "/lxc/",
					      "/machine-" };
	const char *id = find_id(path);

	if (id != NULL) {
		snprintf(buf, buf_len, "%.*s", SF_CONTAINER_ID_LEN, id);
		return buf;
	}
	for (size_t i = 0; i < SF_NR(before); i++) {
		const char *name = strstr(path, before[i]);
		size_t len;

		if (name == NULL)
			continue;
		name += strlen(before[i]);
		len = strcspn(name, "/");
		if (len > 6 && memcmp(name + len - 6, ".scope", 6) == 0)
			len -= 6;
		if (len == 0)
			continue;
		snprintf(buf, buf_len, "%.*s", (int)len, name);
		return buf;
	}
	return NULL;
}
