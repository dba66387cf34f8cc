// SPDX-License-Identifier: MIT
/* Programs that allocate, and reading their profiles; see heap.h. */
#include "heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "observe.h"
#include "test.h"

#define DIR_NAME "SUREFREE_TEST_DIR"

void *volatile heap_blocks[HEAP_MANY];
char heap_words[4096];

static char dir[] = "/tmp/surefree-test-XXXXXX";

/*
 * Files
 */

void heap_make_dir(void)
{
	if (CHECK(mkdtemp(dir) != NULL))
		setenv(DIR_NAME, dir, 1);
}

void heap_remove_dir(void)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	CHECK_EQ(system(command), 0);
}

const char *heap_file_name(const char *name)
{
	static char path[256];
	const char *in = getenv(DIR_NAME);

	snprintf(path, sizeof(path), "%s/%s", in != NULL ? in : dir, name);
	return path;
}

bool heap_exists(const char *name)
{
	return access(heap_file_name(name), F_OK) == 0;
}

/*
 * Reading
 */

static bool parse_counts(const char *at, struct heap_counts *out)
{
	return sscanf(at, " %lld: %lld [ %lld: %lld] @", &out->nr_used,
		      &out->used_len, &out->nr_all, &out->all_len) == 4;
}

static void add(struct heap_counts *sum, const struct heap_counts *more)
{
	sum->nr_used += more->nr_used;
	sum->used_len += more->used_len;
	sum->nr_all += more->nr_all;
	sum->all_len += more->all_len;
}

static bool read_header(FILE *file, struct heap_profile *out)
{
	static char line[256];

	if (!CHECK(fgets(line, sizeof(line), file) != NULL) ||
	    !CHECK(strncmp(line, "heap profile: ", 14) == 0) ||
	    !CHECK(strstr(line, "@ heap_v2/") != NULL))
		return false;
	out->mean = strtol(strrchr(line, '/') + 1, NULL, 10);
	return CHECK(parse_counts(line + 14, &out->all));
}

/* The sites, up to an empty line. */
static void read_sites(FILE *file, struct heap_profile *out)
{
	static char line[8192];
	struct heap_counts sum = { 0 };
	struct heap_counts site;

	while (fgets(line, sizeof(line), file) != NULL && line[0] != '\n') {
		uintptr_t innermost = strtoul(strchr(line, '@') + 1, NULL, 16);

		CHECK(parse_counts(line, &site));
		add(&sum, &site);
		if (innermost - (uintptr_t)heap_take < HEAP_TAKE_LEN)
			add(&out->of_take, &site);
	}
	CHECK_EQ(memcmp(&sum, &out->all, sizeof(sum)), 0);
}

bool heap_read(const char *name, struct heap_profile *out)
{
	static char line[8192];
	FILE *file = fopen(heap_file_name(name), "r");

	memset(out, 0, sizeof(*out));
	if (!CHECK(file != NULL))
		return false;
	if (read_header(file, out)) {
		read_sites(file, out);
		CHECK(fgets(line, sizeof(line), file) != NULL);
		CHECK_STR(line, "MAPPED_LIBRARIES:\n");
		CHECK(fgets(line, sizeof(line), file) != NULL);
	}
	fclose(file);
	return !test_failed();
}

/*
 * Allocating
 */

__attribute__((noinline, aligned(HEAP_TAKE_LEN))) void *heap_take(size_t len)
{
	void *volatile p = malloc(len);

	return p;
}

struct heap_counts heap_of_take(const char *name)
{
	struct heap_profile profile;

	heap_read(name, &profile);
	return profile.of_take;
}

void heap_begin(const char *name)
{
	CHECK_OK(observe_set("profile", heap_file_name(name)));
}

void heap_end(void)
{
	CHECK_OK(observe_set("profile", "off"));
}

void heap_fill(void)
{
	for (size_t i = 0; i < HEAP_NR_BLOCKS; i++)
		heap_blocks[i] = heap_take(HEAP_BLOCK_LEN);
	for (size_t i = 0; i < HEAP_NR_BLOCKS; i += 4)
		free(heap_blocks[i]);
}

/* Run a case with profile=NAME, if it is not NULL, and other options. */
void heap_run(const char *profile, const char *options, const char *name)
{
	static char all[512];

	snprintf(all, sizeof(all), "%s%s%s", options,
		 profile != NULL ? ",profile=" : "",
		 profile != NULL ? heap_file_name(profile) : "");
	observe_run(all, name, heap_words, sizeof(heap_words));
}
