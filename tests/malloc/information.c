// SPDX-License-Identifier: MIT
/*
 * What the heap says of itself: mallinfo(), mallinfo2(), malloc_info(),
 * malloc_stats(), and what it is told: mallopt(), malloc_trim(). The numbers
 * need not be glibc's, but must fit what the program did.
 */
#include "test.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aborts.h"
#include "calls.h"

/* mallinfo() is deprecated for its ints, and must work all the same. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define NR_SMALL  20000
#define SMALL_LEN 1000
#define NR_LARGE  20
#define LARGE_LEN ((size_t)4 << 20)
#define NR_DEEP	  16

static void *blocks[NR_SMALL];

static void fill(size_t nr, size_t len)
{
	for (size_t i = 0; i < nr; i++) {
		blocks[i] = malloc(len);
		if (!CHECK(blocks[i] != NULL))
			_exit(1);
		memset(blocks[i], 1, len);
	}
}

static void empty(size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		free(blocks[i]);
}

/* Bytes in blocks: glibc counts those that are mappings apart. */
static size_t in_use(const struct mallinfo2 *info)
{
	return info->uordblks + info->hblkhd;
}

static void mallinfo2_follows(size_t nr, size_t len)
{
	struct mallinfo2 before;
	struct mallinfo2 filled;
	struct mallinfo2 after;

	before = mallinfo2();
	fill(nr, len);
	filled = mallinfo2();
	empty(nr);
	after = mallinfo2();
	CHECK_GE(in_use(&filled), in_use(&before) + nr * len);
	/* No block is a quarter larger than asked for. */
	CHECK_LE(in_use(&filled), in_use(&before) + nr * len / 4 * 5 + 65536);
	CHECK_LE(in_use(&after), in_use(&before) + nr * len / 10);
	/* What is in blocks and what is free was got from the system. */
	CHECK_GE(filled.arena + filled.hblkhd, filled.uordblks);
	CHECK_GE(filled.arena, filled.uordblks + filled.fordblks);
	CHECK_GE(after.arena, after.uordblks + after.fordblks);
}

static void mallinfo2_follows_small_blocks(void)
{
	mallinfo2_follows(NR_SMALL, SMALL_LEN);
}

static void mallinfo2_follows_large_blocks(void)
{
	mallinfo2_follows(NR_LARGE, LARGE_LEN);
}

static void *fill_and_wait(void *arg)
{
	pthread_barrier_t *barrier = arg;

	fill(NR_SMALL, SMALL_LEN);
	pthread_barrier_wait(barrier);
	pthread_barrier_wait(barrier);
	return NULL;
}

static void mallinfo2_counts_other_threads(void)
{
	struct mallinfo2 before = mallinfo2();
	struct mallinfo2 filled;
	pthread_barrier_t barrier;
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 2);
	if (!CHECK_EQ(pthread_create(&thread, NULL, fill_and_wait, &barrier),
		      0))
		return;
	pthread_barrier_wait(&barrier);
	filled = mallinfo2();
	CHECK_GE(in_use(&filled), in_use(&before) + NR_SMALL * SMALL_LEN);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	filled = mallinfo2();
	CHECK_GE(in_use(&filled), in_use(&before) + NR_SMALL * SMALL_LEN);
	empty(NR_SMALL);
	filled = mallinfo2();
	CHECK_LE(in_use(&filled), in_use(&before) + NR_SMALL * SMALL_LEN / 10);
}

static void mallinfo_is_mallinfo2_in_ints(void)
{
	struct mallinfo2 large;
	struct mallinfo small;

	fill(NR_SMALL, SMALL_LEN);
	large = mallinfo2();
	small = mallinfo();
	CHECK_EQ(small.arena, large.arena);
	CHECK_EQ(small.ordblks, large.ordblks);
	CHECK_EQ(small.smblks, large.smblks);
	CHECK_EQ(small.hblks, large.hblks);
	CHECK_EQ(small.hblkhd, large.hblkhd);
	CHECK_EQ(small.uordblks, large.uordblks);
	CHECK_EQ(small.fordblks, large.fordblks);
	CHECK_EQ(small.keepcost, large.keepcost);
	empty(NR_SMALL);
}

/*
 * A reader of XML, as small as malloc_info()'s needs: elements with quoted
 * attributes, nested; text between them. Returns NULL when all is well formed
 * below one root element, otherwise where it is not.
 */
static const char *skip_name(const char *at)
{
	while (isalnum((unsigned char)*at) || *at == '_' || *at == '-')
		at++;
	return at;
}

/* Past name="value" pairs and blanks; NULL when they are wrong. */
static const char *skip_attributes(const char *at)
{
	while (isspace((unsigned char)*at)) {
		const char *name;

		while (isspace((unsigned char)*at))
			at++;
		name = at;
		at = skip_name(at);
		if (at == name)
			return at;
		if (at[0] != '=' || at[1] != '"')
			return NULL;
		at = strpbrk(at + 2, "\"<&");
		if (at == NULL || *at != '"')
			return NULL;
		at++;
	}
	return at;
}

struct element {
	const char *name;
	size_t len;
};

/* One tag at *text, which it passes by. The depth after it, or -1. */
static int read_tag(const char **text, struct element *open, int depth)
{
	bool closing = (*text)[1] == '/';
	const char *name = *text + 1 + closing;
	size_t len = (size_t)(skip_name(name) - name);
	const char *end = skip_attributes(name + len);
	bool single = end != NULL && *end == '/';

	if (len == 0 || end == NULL || end[single] != '>')
		return -1;
	*text = end + single + 1;
	if (single)
		return depth;
	if (closing) {
		depth--;
		return depth >= 0 && open[depth].len == len &&
				       memcmp(open[depth].name, name, len) ==
					       0 ?
			       depth :
			       -1;
	}
	if (depth == NR_DEEP)
		return -1;
	open[depth] = (struct element){ name, len };
	return depth + 1;
}

static const char *find_xml_error(const char *text)
{
	struct element open[NR_DEEP];
	int depth = 0;
	int nr_roots = 0;

	while (*text != '\0') {
		const char *at = text;

		if (*text != '<') {
			if (*text == '>' || *text == '&' ||
			    (depth == 0 && !isspace((unsigned char)*text)))
				return at;
			text++;
			continue;
		}
		nr_roots += depth == 0;
		depth = read_tag(&text, open, depth);
		if (depth < 0)
			return at;
	}
	return depth == 0 && nr_roots == 1 ? NULL : text;
}

/* What malloc_info() writes. */
static const char *read_malloc_info(void)
{
	static char text[1 << 20];
	FILE *out = tmpfile();
	size_t len;

	if (!CHECK(out != NULL))
		return "";
	CHECK_EQ(malloc_info(0, out), 0);
	rewind(out);
	len = fread(text, 1, sizeof(text) - 1, out);
	fclose(out);
	text[len] = '\0';
	return text;
}

static void check_malloc_info(void)
{
	const char *text = read_malloc_info();
	const char *error;

	CHECK(strncmp(text, "<malloc version=\"", 17) == 0);
	CHECK(strstr(text, "</malloc>") != NULL);
	error = find_xml_error(text);
	if (error != NULL)
		FAIL("not well formed at byte %zu: %.60s",
		     (size_t)(error - text), error);
}

static void the_reader_of_xml_sees_errors(void)
{
	CHECK(find_xml_error("<a>\n<b c=\"1\" d=\"2\"/>x<e></e></a>\n") ==
	      NULL);
	CHECK(find_xml_error("<a><b></a>") != NULL);
	CHECK(find_xml_error("<a></b>") != NULL);
	CHECK(find_xml_error("<a/><b/>") != NULL);
	CHECK(find_xml_error("<a b=1/>") != NULL);
	CHECK(find_xml_error("<a b=\"1/>") != NULL);
	CHECK(find_xml_error("<a>&</a>") != NULL);
	CHECK(find_xml_error("<a>") != NULL);
	CHECK(find_xml_error("") != NULL);
}

static void malloc_info_is_well_formed(void)
{
	check_malloc_info();
	fill(NR_SMALL, SMALL_LEN);
	check_malloc_info();
	empty(NR_SMALL);
	fill(NR_LARGE, LARGE_LEN);
	check_malloc_info();
	empty(NR_LARGE);
	calls_trim();
	check_malloc_info();
}

/* An attribute of the element of this name and type, one of the totals. */
static size_t total_of(const char *text, const char *name, const char *type,
		       const char *attribute)
{
	char start[64];
	char value[64];
	const char *at;
	const char *end;
	size_t found = 0;

	snprintf(start, sizeof(start), "<%s type=\"%s\" ", name, type);
	snprintf(value, sizeof(value), " %s=\"", attribute);
	at = strstr(text, start);
	end = at != NULL ? strchr(at, '>') : NULL;
	at = end != NULL ? strstr(at, value) : NULL;
	if (at == NULL || at > end ||
	    sscanf(at + strlen(value), "%zu\"", &found) != 1)
		FAIL("no %s in %s", attribute, start);
	return found;
}

/* Checks what holds of all; returns what is in use by them. */
static size_t check_totals(const char *text)
{
	size_t fast = total_of(text, "total", "fast", "size");
	size_t rest = total_of(text, "total", "rest", "size");
	size_t current = total_of(text, "system", "current", "size");

	total_of(text, "total", "fast", "count");
	if (rest >= SMALL_LEN)
		CHECK_GE(total_of(text, "total", "rest", "count"), 1);
	CHECK_GE(current, fast + rest);
	CHECK_GE(total_of(text, "system", "max", "size"), current);
	CHECK_GE(total_of(text, "aspace", "total", "size"), current);
	CHECK_GE(total_of(text, "aspace", "mprotect", "size"), current);
	return current - fast - rest;
}

/* The same of the totals of all heaps, with mappings. */
static size_t check_all_totals(void)
{
	const char *text = read_malloc_info();
	const char *all = text;
	size_t in_mappings;

	CHECK(strstr(text, "<heap nr=\"0\">") != NULL);
	check_totals(text);
	for (const char *at = text; at != NULL; at = strstr(at + 1, "</heap>"))
		all = at;
	in_mappings = total_of(all, "total", "mmap", "size");
	if (total_of(all, "total", "mmap", "count") == 0)
		CHECK_EQ(in_mappings, 0);
	return check_totals(all) + in_mappings;
}

static void malloc_info_follows(size_t nr, size_t len)
{
	size_t before = check_all_totals();
	size_t filled;

	fill(nr, len);
	filled = check_all_totals();
	CHECK_GE(filled, before + nr * len);
	CHECK_LE(filled, before + nr * len / 4 * 5 + 65536);
	empty(nr);
	CHECK_LE(check_all_totals(), before + nr * len / 10);
}

static void malloc_info_follows_small_blocks(void)
{
	malloc_info_follows(NR_SMALL, SMALL_LEN);
}

static void malloc_info_follows_large_blocks(void)
{
	malloc_info_follows(NR_LARGE, LARGE_LEN);
}

static void malloc_info_has_no_options(void)
{
	FILE *out = tmpfile();

	if (!CHECK(out != NULL))
		return;
	CHECK_EQ(malloc_info(1, out), EINVAL);
	CHECK_EQ(ftell(out), 0);
	fclose(out);
}

/* It may fail to write, not more. */
static void malloc_info_survives_a_full_device(void)
{
	FILE *out = fopen("/dev/full", "w");

	if (out == NULL)
		SKIP("no /dev/full");
	malloc_info(0, out);
	fclose(out);
}

static void call_malloc_stats(void)
{
	fill(NR_SMALL, SMALL_LEN);
	malloc_stats();
	empty(NR_SMALL);
	fflush(stderr);
}

static void malloc_stats_writes_to_stderr(void)
{
	static char text[65536];

	CHECK_EQ(aborts_capture(call_malloc_stats, text, sizeof(text)), 0);
	CHECK_GT(strlen(text), 20);
	CHECK(strchr(text, '\n') != NULL);
	CHECK(strpbrk(text, "123456789") != NULL);
}

/* M_MXFAST 0 aside, these change speed and not what programs see. */
static void mallopt_takes_what_glibc_takes(void)
{
	CHECK_EQ(mallopt(M_MXFAST, 64), 1);
	CHECK_EQ(mallopt(M_TRIM_THRESHOLD, 1 << 20), 1);
	CHECK_EQ(mallopt(M_TOP_PAD, 65536), 1);
	CHECK_EQ(mallopt(M_MMAP_THRESHOLD, 1 << 20), 1);
	CHECK_EQ(mallopt(M_MMAP_MAX, 1000), 1);
	CHECK_EQ(mallopt(M_CHECK_ACTION, 3), 1);
	CHECK_EQ(mallopt(M_ARENA_TEST, 2), 1);
	CHECK_EQ(mallopt(M_ARENA_MAX, 1), 1);
	CHECK_EQ(mallopt(M_PERTURB, 0x55), 1);
	for (size_t len = 1; len < 4000000; len *= 3) {
		char *p = malloc(len);
		char *q = calloc(1, len);

		CHECK(p != NULL && q != NULL);
		CHECK(q[0] == 0 && q[len - 1] == 0);
		memset(p, 1, len);
		free(p);
		free(q);
	}
}

static void malloc_trim_can_be_called_at_any_time(void)
{
	int result = malloc_trim(0);

	CHECK(result == 0 || result == 1);
	fill(NR_SMALL, SMALL_LEN);
	for (size_t i = 0; i < NR_SMALL; i++)
		if (i % 4 != 0) {
			free(blocks[i]);
			blocks[i] = NULL;
		}
	result = malloc_trim(1 << 20);
	CHECK(result == 0 || result == 1);
	result = malloc_trim(0);
	CHECK(result == 0 || result == 1);
	for (size_t i = 0; i < NR_SMALL; i += 4)
		CHECK(((char *)blocks[i])[0] == 1 &&
		      ((char *)blocks[i])[SMALL_LEN - 1] == 1);
	empty(NR_SMALL);
	malloc_trim(SIZE_MAX);
}

static void a_trimmed_heap_is_not_resident(void)
{
	size_t before;
	struct surefree_stats stats;

	calls_trim();
	before = test_rss_anon();
	fill(NR_SMALL, SMALL_LEN);
	CHECK_GE(test_rss_anon(), before + (NR_SMALL * SMALL_LEN));
	empty(NR_SMALL);
	fill(NR_LARGE, LARGE_LEN);
	empty(NR_LARGE);
	calls_trim();
	CHECK_LE(test_rss_anon(), before + (1 << 20));
	if (calls_stats(&stats))
		CHECK_EQ(stats.retained_len, 0);
}

static const struct test tests[] = {
	{ "mallinfo2 follows small blocks", mallinfo2_follows_small_blocks },
	{ "mallinfo2 follows large blocks", mallinfo2_follows_large_blocks },
	{ "mallinfo2 counts other threads", mallinfo2_counts_other_threads },
	{ "mallinfo is mallinfo2 in ints", mallinfo_is_mallinfo2_in_ints },
	{ "the reader of XML sees errors", the_reader_of_xml_sees_errors },
	{ "malloc_info is well formed", malloc_info_is_well_formed },
	{ "malloc_info follows small blocks",
	  malloc_info_follows_small_blocks },
	{ "malloc_info follows large blocks",
	  malloc_info_follows_large_blocks },
	{ "malloc_info has no options", malloc_info_has_no_options },
	{ "malloc_info survives a full device",
	  malloc_info_survives_a_full_device },
	{ "malloc_stats writes to stderr", malloc_stats_writes_to_stderr },
	{ "mallopt takes what glibc takes", mallopt_takes_what_glibc_takes },
	{ "malloc_trim can be called at any time",
	  malloc_trim_can_be_called_at_any_time },
	{ "a trimmed heap is not resident", a_trimmed_heap_is_not_resident },
};

int main(int argc, char **argv)
{
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
