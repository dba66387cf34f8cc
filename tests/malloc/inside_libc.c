// SPDX-License-Identifier: MIT
/*
 * Memory that the C library allocates for us and we free, or resize, and the
 * other way round; and that every name of the family is the same allocator's.
 */
#include "test.h"

#include <dirent.h>
#include <dlfcn.h>
#include <glob.h>
#include <locale.h>
#include <regex.h>
#include <search.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "calls.h"

static const char *const names[] = {
	"malloc",
	"calloc",
	"realloc",
	"reallocarray",
	"free",
	"free_sized",
	"free_aligned_sized",
	"aligned_alloc",
	"posix_memalign",
	"memalign",
	"valloc",
	"pvalloc",
	"malloc_usable_size",
	"malloc_trim",
	"mallopt",
	"mallinfo",
	"mallinfo2",
	"malloc_info",
	"malloc_stats",
};

static void every_name_is_the_drop_ins(void)
{
	Dl_info own;

	if (!calls_surefree())
		SKIP("the drop-in is not preloaded");
	if (!CHECK(dladdr(calls_find("surefree_malloc"), &own) != 0))
		return;
	for (size_t i = 0; i < TEST_COUNT(names); i++) {
		void *found = calls_find(names[i]);
		Dl_info info;

		if (found == NULL)
			FAIL("%s is not there", names[i]);
		else if (dladdr(found, &info) == 0 ||
			 info.dli_fbase != own.dli_fbase)
			FAIL("%s is of %s", names[i],
			     info.dli_fname ? info.dli_fname : "?");
	}
}

/*
 * Programs of before 2017 call it: it is there, though no header says so, in
 * glibc for those only that ask for the version.
 */
static void cfree_frees(void)
{
	void *found = calls_find("cfree");
	void (*fn)(void *);

	if (found == NULL)
		found = dlvsym(RTLD_DEFAULT, "cfree", "GLIBC_2.2.5");
	if (found == NULL)
		found = dlvsym(RTLD_DEFAULT, "cfree", "GLIBC_2.17");
	fn = (void (*)(void *))found;
	if (fn == NULL)
		SKIP("no cfree");
	for (size_t len = 1; len < 1000000; len *= 2)
		fn(malloc(len));
	fn(NULL);
}

static void strings_can_be_freed(void)
{
	char *text = NULL;
	wchar_t *wide;
	char *p;

	for (int i = 0; i < 100; i++) {
		p = strdup("a string");
		CHECK_STR(p, "a string");
		free(p);
		p = strndup("a string", 3);
		CHECK_STR(p, "a s");
		p = realloc(p, 5000);
		CHECK_STR(p, "a s");
		free(p);
		wide = wcsdup(L"wide");
		CHECK_EQ(wcscmp(wide, L"wide"), 0);
		free(wide);
		CHECK_EQ(asprintf(&text, "%0*d", 100 * (i + 1), i),
			 100 * (i + 1));
		CHECK_EQ(strlen(text), 100 * (i + 1));
		free(text);
	}
}

static void paths_can_be_freed(void)
{
	char *p = realpath("/proc/self/../self/exe", NULL);

	CHECK(p != NULL && p[0] == '/');
	free(p);
	p = getcwd(NULL, 0);
	CHECK(p != NULL && p[0] == '/');
	free(p);
	p = get_current_dir_name();
	CHECK(p != NULL && p[0] == '/');
	free(p);
}

/* It resizes what we allocated. */
static void getline_grows_our_buffer(void)
{
	FILE *file = tmpfile();
	size_t size = 7;
	char *line = malloc(size);
	size_t len = 1;

	if (!CHECK(file != NULL && line != NULL))
		return;
	for (size_t i = 1; i < 60000; i = i * 3 + 1) {
		for (size_t j = 0; j < i; j++)
			fputc('a' + (int)(i % 26), file);
		fputc('\n', file);
	}
	rewind(file);
	for (; getline(&line, &size, file) > 0; len = len * 3 + 1) {
		CHECK_EQ(strlen(line), len + 1);
		CHECK_EQ(line[len - 1], 'a' + (int)(len % 26));
		CHECK_GE(malloc_usable_size(line), size);
	}
	CHECK_GE(len, 60000);
	free(line);
	fclose(file);
}

static void memory_streams_can_be_freed(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!CHECK(out != NULL))
		return;
	for (int i = 0; i < 30000; i++)
		fprintf(out, "%05d\n", i);
	fflush(out);
	CHECK_EQ(len, 180000);
	CHECK(memcmp(text + 179994, "29999\n", 7) == 0);
	fclose(out);
	text = realloc(text, 300000);
	CHECK(memcmp(text, "00000\n00001\n", 12) == 0);
	free(text);
}

static void keep_key(void *key)
{
	(void)key;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Both take scratch memory where it is much. */
static void sorting_and_searching_work(void)
{
	static int numbers[200000];
	static int keys[1000];
	void *root = NULL;

	for (int i = 0; i < 200000; i++)
		numbers[i] = (int)((unsigned)i * 2654435761u >> 4);
	qsort(numbers, 200000, sizeof(int), by_number);
	for (int i = 1; i < 200000; i++)
		if (numbers[i - 1] > numbers[i])
			FAIL("not sorted at %d", i);
	for (int i = 0; i < 1000; i++) {
		keys[i] = i;
		CHECK(tsearch(&keys[i], &root, by_number) != NULL);
	}
	tdestroy(root, keep_key);
}

static void directories_and_patterns_work(void)
{
	struct dirent **entries = NULL;
	regex_t regex;
	glob_t found;
	int nr = scandir("/proc/self", &entries, NULL, alphasort);

	CHECK_GT(nr, 10);
	for (int i = 0; i < nr; i++)
		free(entries[i]);
	free(entries);
	CHECK_EQ(glob("/proc/self/[a-z]*", 0, NULL, &found), 0);
	CHECK_GT(found.gl_pathc, 10);
	globfree(&found);
	CHECK_EQ(regcomp(&regex, "^(a|b)*c{2,9}[[:alpha:]]+$", REG_EXTENDED),
		 0);
	CHECK_EQ(regexec(&regex, "abbaccccx", 0, NULL, 0), 0);
	CHECK_NE(regexec(&regex, "abbac", 0, NULL, 0), 0);
	regfree(&regex);
}

static void the_environment_grows(void)
{
	char name[32];

	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "TEST_NAME_%d", i);
		CHECK_OK(setenv(name, name, 1));
	}
	CHECK_STR(getenv("TEST_NAME_1234"), "TEST_NAME_1234");
	for (int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "TEST_NAME_%d", i);
		CHECK_OK(unsetenv(name));
	}
	CHECK_OK(clearenv());
}

static void commands_and_locales_work(void)
{
	char text[64] = "";
	locale_t locale = newlocale(LC_ALL_MASK, "C", NULL);
	FILE *in = popen("echo one; echo two", "r");

	CHECK(locale != NULL);
	freelocale(locale);
	if (!CHECK(in != NULL))
		return;
	CHECK(fgets(text, sizeof(text), in) != NULL);
	CHECK_STR(text, "one\n");
	CHECK(fgets(text, sizeof(text), in) != NULL);
	CHECK_STR(text, "two\n");
	CHECK_EQ(pclose(in), 0);
	CHECK_EQ(system("exit 3"), 3 << 8);
}

static const struct test tests[] = {
	{ "every name is the drop-in's", every_name_is_the_drop_ins },
	{ "cfree frees", cfree_frees },
	{ "strings can be freed", strings_can_be_freed },
	{ "paths can be freed", paths_can_be_freed },
	{ "getline grows our buffer", getline_grows_our_buffer },
	{ "memory streams can be freed", memory_streams_can_be_freed },
	{ "sorting and searching work", sorting_and_searching_work },
	{ "directories and patterns work", directories_and_patterns_work },
	{ "the environment grows", the_environment_grows },
	{ "commands and locales work", commands_and_locales_work },
};

int main(int argc, char **argv)
{
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
