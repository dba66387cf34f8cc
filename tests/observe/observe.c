// SPDX-License-Identifier: MIT
/* Cases in processes of their own, see observe.h. */
#include "observe.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#define SKIPPED 77

void observe_cases(int argc, char **argv, const struct observe_case *cases,
		   size_t nr)
{
	if (argc != 3 || strcmp(argv[1], "--case") != 0)
		return;
	for (size_t i = 0; i < nr; i++) {
		if (strcmp(cases[i].name, argv[2]) != 0)
			continue;
		cases[i].fn();
		exit(test_failed() ? 1 : test_skipped() ? SKIPPED : 0);
	}
	fprintf(stderr, "no case %s\n", argv[2]);
	exit(2);
}

struct run {
	const char *options;
	const char *name;
	int fd;
};

static int exec_case(void *arg)
{
	const struct run *run = arg;
	char *args[] = { (char *)"observe", (char *)"--case", (char *)run->name,
			 NULL };

	setenv("SUREFREE_OPTIONS", run->options, 1);
	dup2(run->fd, STDERR_FILENO);
	execv("/proc/self/exe", args);
	return 1;
}

bool observe_run(const char *options, const char *name, char *text, size_t len)
{
	FILE *file = tmpfile();
	struct run run = { options, name, -1 };
	size_t got;
	int result;

	if (!CHECK(file != NULL))
		return false;
	run.fd = fileno(file);
	result = test_in_child(exec_case, &run);
	rewind(file);
	got = fread(text, 1, len - 1, file);
	text[got] = '\0';
	fclose(file);
	if (!CHECK_EQ(result, 0)) {
		test_say("  case %s with %s wrote:", name, options);
		test_say("%s", text);
	}
	return result == 0;
}

/* A function of the drop-in; without it there is nothing to test. */
static void *find(const char *name)
{
	void *function = dlsym(RTLD_DEFAULT, name);

	if (function == NULL) {
		fprintf(stderr, "no %s: is the drop-in preloaded?\n", name);
		_exit(1);
	}
	return function;
}

int observe_stats(struct surefree_stats *out)
{
	return ((int (*)(struct surefree_stats *))find("surefree_stats"))(out);
}

size_t observe_classes(struct surefree_class_stats *out, size_t nr)
{
	return ((size_t(*)(struct surefree_class_stats *, size_t))find(
		"surefree_stats_classes"))(out, nr);
}

int observe_set(const char *option, const char *value)
{
	return ((int (*)(const char *, const char *))find(
		"surefree_set"))(option, value);
}
