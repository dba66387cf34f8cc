// SPDX-License-Identifier: MIT
/* cli/cgroup: containers are found in the paths that their makers write. */
#include "cgroup.h"

#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "test.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void containers_are_found(void)
{
	static const struct {
		const char *path, *container;
	} cases[] = {
		{ "/docker/" ID, ID },
		{ "/system.slice/docker-" ID ".scope", ID },
		{ "/machine.slice/libpod-" ID ".scope/container", ID },
		{ "/kubepods.slice/kubepods-burstable.slice/"
		  "kubepods-burstable-pod01234567_89ab_cdef_0123_"
		  "456789abcdef.slice/cri-containerd-" ID ".scope",
		  ID },
		{ "/kubepods/besteffort/pod01234567-89ab/crio-" ID, ID },
		{ "/lxc.payload.web/init.scope", "web" },
		{ "/lxc/db", "db" },
		{ "/machine.slice/machine-build.scope/payload", "build" },
		{ "/", NULL },
		{ "", NULL },
		{ "/system.slice/cron.service", NULL },
		{ "/user.slice/user-0.slice/session-1.scope", NULL },
		{ "/job/0123456789abcdef", NULL },
		{ "/lxc/", NULL },
	};
	char buf[96];

	for (size_t i = 0; i < SF_NR(cases); i++) {
		const char *got = sf_cgroup_container(cases[i].path, buf,
						      sizeof(buf));

		if (cases[i].container == NULL)
			CHECK(got == NULL);
		else
			CHECK(got != NULL &&
			      strcmp(got, cases[i].container) == 0);
	}
}

static void a_long_name_is_cut(void)
{
	char buf[4];

	CHECK(sf_cgroup_container("/lxc/longer", buf, sizeof(buf)) == buf);
	CHECK(strcmp(buf, "lon") == 0);
}

static void ones_own_path_is_read(void)
{
	char path[1024] = "x";

	sf_cgroup_read(getpid(), path, sizeof(path));
	CHECK(path[0] == '/' || path[0] == '\0');
	sf_cgroup_read(-1, path, sizeof(path));
	CHECK(path[0] == '\0');
}

static const struct test tests[] = {
	{ "containers are found", containers_are_found },
	{ "a long name is cut", a_long_name_is_cut },
	{ "one's own path is read", ones_own_path_is_read },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
