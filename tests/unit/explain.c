// SPDX-License-Identifier: MIT
/* What is concluded from a table of mappings, by tables made up for it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explain.h"
#include "layout.h"
#include "test.h"

#define LIMIT 65530

/* A text of maps under construction. */
static char *text;
static size_t text_len;
static FILE *maps;

static struct sf_mappings all;
static struct sf_explanation found;

/* Begin, or begin again. */
static void begin(void)
{
	sf_explain_free(&found);
	sf_mappings_free(&all);
	free(text);
	maps = open_memstream(&text, &text_len);
	if (maps == NULL)
		FAIL("open_memstream");
}

/* One line: [start, start + len) in pages from 0x100000000. */
static void put(size_t page, size_t nr, const char *prot, const char *name)
{
	unsigned long start = 0x100000000 + page * 4096;

	fprintf(maps, "%lx-%lx %s 00000000 00:00 0 %s%s\n", start,
		start + nr * 4096, prot, name[0] != '\0' ? "      " : "", name);
}

static void put_file(size_t page, size_t nr, const char *prot, size_t offset,
		     unsigned inode, const char *name)
{
	unsigned long start = 0x100000000 + page * 4096;

	fprintf(maps, "%lx-%lx %s %08zx fe:01 %u      %s\n", start,
		start + nr * 4096, prot, offset * 4096, inode, name);
}

/* Explain what was put. */
static void explain(size_t nr_threads)
{
	struct sf_explain_facts facts = { LIMIT, 4096, nr_threads };

	fclose(maps);
	CHECK_EQ(sf_mappings_parse(&all, text), 0);
	CHECK_EQ(sf_explain(&found, &all, &facts), 0);
}

static size_t nr_of(enum sf_kind kind)
{
	return found.kinds[kind].nr;
}

static size_t joints_of(enum sf_cause cause)
{
	size_t nr = 0;

	for (size_t i = 0; i < found.nr_joints; i++)
		if (found.joints[i].cause == cause)
			nr += found.joints[i].nr;
	return nr;
}

static bool has_advice(enum sf_advice_cause cause)
{
	for (size_t i = 0; i < found.nr_advice; i++)
		if (found.advice[i].cause == cause)
			return true;
	return false;
}

static void lines_are_taken_apart(void)
{
	char prot[5];

	begin();
	fputs("55d0a0000000-55d0a0002000 r-xp 00003000 fe:01 77   "
	      "/usr/bin/a b (deleted)\n"
	      "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0   "
	      "[vsyscall]\n",
	      maps);
	explain(1);
	CHECK_EQ(all.nr, 1);
	CHECK_EQ(all.vma[0].start, 0x55d0a0000000);
	CHECK_EQ(all.vma[0].len, 8192);
	CHECK_EQ(all.vma[0].offset, 0x3000);
	CHECK_EQ(all.vma[0].inode, 77);
	CHECK_STR(all.vma[0].name, "/usr/bin/a b (deleted)");
	CHECK_STR(sf_mappings_prot(&all.vma[0], prot), "r-xp");
	CHECK(!all.detailed);
}

static void kinds_are_known_by_name(void)
{
	begin();
	put_file(0, 1, "r--p", 0, 5, "/bin/x");
	put_file(1, 1, "r-xp", 1, 5, "/bin/x");
	put_file(5, 1, "r--p", 0, 6, "/data/file");
	put(10, 4, "rw-p", "[heap]");
	put(20, 4, "rw-p", "");
	put(24, 4, "rw-p", "[anon:name]");
	put_file(30, 1, "rw-s", 0, 7, "/memfd:x (deleted)");
	put(40, 4000, "---p", "");
	put(5000, 1, "rw-s", "anon_inode:[perf_event]");
	put(5002, 1, "r-xp", "[vdso]");
	put(6000, 33, "rw-p", "[stack]");
	explain(1);
	CHECK_EQ(nr_of(SF_KIND_LIBRARY), 2);
	CHECK_EQ(nr_of(SF_KIND_FILE), 1);
	CHECK_EQ(nr_of(SF_KIND_HEAP), 1);
	CHECK_EQ(nr_of(SF_KIND_ANON), 2);
	CHECK_EQ(nr_of(SF_KIND_SHARED), 1);
	CHECK_EQ(nr_of(SF_KIND_RESERVED), 1);
	CHECK_EQ(nr_of(SF_KIND_OTHER), 1);
	CHECK_EQ(nr_of(SF_KIND_KERNEL), 1);
	CHECK_EQ(nr_of(SF_KIND_STACK), 1);
	CHECK_EQ(found.nr_files, 4);
	CHECK_STR(found.files[0].name, "/bin/x");
	CHECK_EQ(found.files[0].sum.nr, 2);
}

/* nr stacks of nr_pages with a guard of one page below each. */
static void put_stacks(size_t nr, size_t nr_pages)
{
	for (size_t i = 0; i < nr; i++) {
		put(i * (nr_pages + 1), 1, "---p", "");
		put(i * (nr_pages + 1) + 1, nr_pages, "rw-p", "");
	}
}

static void stacks_are_of_threads_when_there_are_as_many(void)
{
	begin();
	put_stacks(40, 2047);
	explain(41);
	CHECK_EQ(nr_of(SF_KIND_THREAD_STACK), 40);
	CHECK_EQ(nr_of(SF_KIND_GUARD), 40);
	CHECK(has_advice(SF_ADVICE_THREADS));
	CHECK(!has_advice(SF_ADVICE_FIBERS));
}

static void stacks_are_of_fibers_when_threads_are_fewer(void)
{
	begin();
	put_stacks(31000, 511);
	explain(2);
	CHECK_EQ(nr_of(SF_KIND_FIBER_STACK), 31000);
	CHECK_EQ(found.nr, 62000);
	CHECK_EQ(found.advice[0].cause, SF_ADVICE_LIMIT);
	CHECK_EQ(found.advice[1].cause, SF_ADVICE_FIBERS);
	CHECK_EQ(found.advice[1].nr, 62000);
	CHECK(!has_advice(SF_ADVICE_GUARDS));
	CHECK_EQ(joints_of(SF_CAUSE_PROTECTION), 61999);
}

static void a_single_guarded_piece_is_no_stack(void)
{
	begin();
	put_stacks(1, 64);
	explain(1);
	CHECK_EQ(nr_of(SF_KIND_ANON), 1);
	CHECK_EQ(nr_of(SF_KIND_GUARD), 1);
	CHECK_EQ(found.nr_advice, 0);
}

static void pieces_of_a_reservation_are_a_pattern(void)
{
	begin();
	for (size_t i = 0; i < 500; i++) {
		put(i * 100, 10, "rw-p", "");
		put(i * 100 + 10, 90, "---p", "");
	}
	explain(1);
	CHECK_EQ(nr_of(SF_KIND_RESERVED), 500);
	CHECK(has_advice(SF_ADVICE_COMMIT));
}

/* Each a heap of 64 MiB, of which the beginning is accessible. */
static void arenas_of_glibc_are_no_pattern(void)
{
	begin();
	for (size_t i = 0; i < 100; i++) {
		put(i * 16384, 33, "rw-p", "");
		put(i * 16384 + 33, 16384 - 33, "---p", "");
	}
	explain(1);
	CHECK_EQ(found.nr_arenas, 100);
	CHECK_EQ(nr_of(SF_KIND_RESERVED), 100);
}

static void holes_between_blocks_are_counted(void)
{
	begin();
	for (size_t i = 0; i < 1000; i++)
		put(i * 32, 16, "rw-p", "");
	explain(1);
	CHECK_EQ(joints_of(SF_CAUSE_HOLE), 999);
	CHECK_EQ(found.nr_pairs, 0);
	CHECK(has_advice(SF_ADVICE_HOLES));
}

/* The only advice is cause, at this cost, and that the limit is near. */
static void check_only_advice(enum sf_advice_cause cause, size_t nr)
{
	bool near = found.nr * 5 > LIMIT * 4;

	CHECK_EQ(found.nr_advice, near ? 2 : 1);
	if (!CHECK(has_advice(cause)))
		return;
	for (size_t i = 0; i < found.nr_advice; i++)
		if (found.advice[i].cause == cause)
			CHECK_EQ(found.advice[i].nr, nr);
}

static void protection_that_alternates_is_a_cause(void)
{
	begin();
	for (size_t i = 0; i < 65000; i++)
		put(i, 1, i % 2 ? "rw-p" : "r--p", "");
	explain(1);
	CHECK_EQ(joints_of(SF_CAUSE_PROTECTION), 64999);
	check_only_advice(SF_ADVICE_PROTECTION, 64999);
	begin();
	for (size_t i = 0; i < 500; i++)
		put(i, 1, i % 2 ? "rw-p" : "---p", "[heap]");
	explain(1);
	check_only_advice(SF_ADVICE_PROTECTION, 499);
}

/* Each of these is a cause of its own, however protection differs. */
static void guards_and_libraries_are_not_said_twice(void)
{
	begin();
	for (size_t i = 0; i < 500; i++)
		put(i, 1, i % 2 ? "rw-p" : "---p", "");
	explain(1);
	CHECK(has_advice(SF_ADVICE_GUARDS));
	CHECK(!has_advice(SF_ADVICE_PROTECTION));
	begin();
	for (size_t i = 0; i < 500; i++)
		put(i * 100, 100, i % 2 ? "rw-p" : "---p", "");
	explain(1);
	CHECK(has_advice(SF_ADVICE_COMMIT));
	CHECK(!has_advice(SF_ADVICE_PROTECTION));
	begin();
	for (size_t i = 0; i < 500; i++)
		put_file(i, 1, i % 2 ? "r--p" : "r-xp", i, 5, "/bin/x");
	explain(1);
	CHECK_EQ(joints_of(SF_CAUSE_PROTECTION), 499);
	CHECK_EQ(found.nr_advice, 0);
}

/* Whatever parts most pairs, there is something to do about it. */
static void every_cause_has_an_advice(void)
{
	begin();
	for (size_t i = 0; i < 500; i++) {
		put(i, 1, "rw-p", "");
		fprintf(maps, "Rss: 0 kB\nVmFlags: rd wr mr mw me ac %s\n",
			i % 2 ? "" : "dc ");
	}
	explain(1);
	CHECK_EQ(joints_of(SF_CAUSE_FLAGS), 499);
	CHECK(has_advice(SF_ADVICE_FLAGS));
	begin();
	for (size_t i = 0; i < 500; i++)
		put(i, 1, "rw-p", i % 2 ? "[anon:a]" : "[anon:b]");
	explain(1);
	CHECK_EQ(joints_of(SF_CAUSE_NAME), 499);
	CHECK(has_advice(SF_ADVICE_NAMES));
	begin();
	for (size_t i = 0; i < 500; i++)
		put_file(i, 1, i % 2 ? "rw-p" : "rw-s", i, 7, "/data");
	explain(1);
	CHECK_EQ(joints_of(SF_CAUSE_SHARING), 499);
	CHECK(has_advice(SF_ADVICE_FILES));
	begin();
	for (size_t i = 0; i < 500; i++)
		put_file(i, 1, "rw-s", 2 * i, 7, "/dev/device");
	explain(1);
	CHECK_EQ(joints_of(SF_CAUSE_OFFSET), 499);
	CHECK(has_advice(SF_ADVICE_FILES));
	begin();
	for (size_t i = 0; i < 500; i++)
		put(i, 1, "rw-p", "[heap]");
	explain(1);
	CHECK_EQ(joints_of(SF_CAUSE_ANON_VMA), 499);
	CHECK(has_advice(SF_ADVICE_APART));
}

static void what_differs_first_is_named(void)
{
	begin();
	put(0, 10, "rw-p", "");
	put(10, 10, "rw-p", "");	 /* anon_vma */
	put(20, 10, "r--p", "");	 /* protection */
	put(30, 10, "r--p", "[anon:a]"); /* name */
	put_file(50, 1, "r--p", 0, 9, "/f");
	put_file(51, 1, "r--p", 1, 9, "/f"); /* anon_vma */
	put_file(52, 1, "r--p", 7, 9, "/f"); /* offset */
	put_file(53, 1, "r--s", 8, 9, "/f"); /* sharing */
	put_file(54, 1, "r--p", 0, 8, "/g"); /* another file: never */
	explain(1);
	CHECK_EQ(joints_of(SF_CAUSE_ANON_VMA), 2);
	CHECK_EQ(joints_of(SF_CAUSE_PROTECTION), 1);
	CHECK_EQ(joints_of(SF_CAUSE_NAME), 1);
	CHECK_EQ(joints_of(SF_CAUSE_OFFSET), 1);
	CHECK_EQ(joints_of(SF_CAUSE_SHARING), 1);
	CHECK_EQ(found.nr_pairs, 6);
}

static void flags_of_smaps_are_named(void)
{
	begin();
	put(0, 10, "rw-p", "");
	fputs("Rss:                  12 kB\nVmFlags: rd wr mr mw me ac \n",
	      maps);
	put(10, 10, "rw-p", "");
	fputs("Rss:                   8 kB\nVmFlags: rd wr mr mw me ac sd dd "
	      "nh\n",
	      maps);
	explain(1);
	CHECK(all.detailed);
	CHECK_EQ(nr_of(SF_KIND_ANON), 2);
	CHECK_EQ(found.kinds[SF_KIND_ANON].resident, 20480);
	CHECK_EQ(found.nr_joints, 1);
	CHECK_EQ(found.joints[0].cause, SF_CAUSE_FLAGS);
	CHECK_STR(found.joints[0].detail, "dd nh");
}

/* What the drop-in reserves, twice, one after the other. */
static void put_regions(void)
{
	put(0, 1, "---p", "");
	put(1, 2000, "rw-p", "");
	put(2001, 1 << 15, "---p", "");
	put(2001 + (1 << 15), 10000, "rw-p", "");
	put(12001 + (1 << 15), 1 << 20, "---p", "");
	put(12001 + (1 << 15) + (1 << 20), 2000, "rw-p", "");
	put(14001 + (1 << 15) + (1 << 20), 1 << 15, "---p", "");
	put(14001 + (2 << 15) + (1 << 20), 10000, "rw-p", "");
	put(24001 + (2 << 15) + (1 << 20), 1 << 20, "---p", "");
}

static void regions_are_known_when_surefree_is_there(void)
{
	begin();
	put_regions();
	put_file(1 << 22, 1, "r-xp", 0, 3, "/lib/libsurefree-preload.so");
	explain(1);
	CHECK_EQ(nr_of(SF_KIND_SUREFREE), 9);
	CHECK(found.has_drop_in);
	CHECK_EQ(found.cut_len, 0);
}

static void the_same_without_it_is_memory_like_any(void)
{
	begin();
	put_regions();
	explain(1);
	CHECK_EQ(nr_of(SF_KIND_SUREFREE), 0);
	CHECK_EQ(nr_of(SF_KIND_ANON), 4);
}

static void the_worst_case_counts_every_second_range(void)
{
	begin();
	put(0, 200000, "rw-p", "");
	put(300000, 200000, "rw-p", "[heap]");
	explain(1);
	CHECK_EQ(found.worst[0].range_len, 4096);
	CHECK_EQ(found.worst[0].nr, 100001);
	CHECK_EQ(found.worst[1].nr, 25001);
	CHECK_EQ(found.passes_below, 8192);
	CHECK_EQ(found.cut_len, (uint64_t)200000 * 4096);
}

static void many_views_are_a_cause(void)
{
	begin();
	for (size_t i = 0; i < 300; i++)
		put_file(i * 2, 1, "r--s", 0, 1000 + (unsigned)i, "/data");
	explain(1);
	CHECK_EQ(nr_of(SF_KIND_FILE), 300);
	CHECK(has_advice(SF_ADVICE_FILES));
}

static void sizes_add_up(void)
{
	size_t nr = 0;

	begin();
	for (size_t i = 0; i < 20; i++)
		put((size_t)2 << i, (size_t)1 << i, "rw-p", "");
	explain(1);
	for (size_t i = 0; i < SF_NR_SIZES; i++)
		nr += found.sizes[i].sum.nr;
	CHECK_EQ(nr, 20);
	CHECK_EQ(found.sizes[0].sum.nr, 1);
	CHECK_EQ(found.sizes[1].sum.nr, 2);
}

/* Every mapping has its place, in order, and a row is as wide as asked. */
static void rows_hold_everything(void)
{
	struct sf_area areas[SF_AREAS_MAX];
	struct sf_row row;
	double x = 0;
	size_t nr;

	begin();
	put(0, 3, "rw-p", "");
	put(3, 1 << 24, "---p", "");
	put((1 << 24) + 10, 5, "rw-p", "");
	put((size_t)1 << 30, 5, "rw-p", "");
	explain(1);
	nr = sf_layout_areas(&all, areas);
	CHECK_EQ(nr, 2);
	CHECK_EQ(areas[0].nr, 3);
	CHECK_EQ(areas[1].nr, 1);
	CHECK_EQ(sf_layout_row(&row, &all, &areas[0], 1000, 2), 0);
	CHECK_EQ(row.nr, 4);
	CHECK(row.has_narrow);
	for (size_t i = 0; i < row.nr; i++) {
		CHECK(row.steps[i].x >= x - 0.001);
		x = row.steps[i].x + row.steps[i].width;
	}
	CHECK(x > 999.99 && x < 1000.01);
	sf_layout_free(&row);
}

/* As many pieces as fit, with holes, some of them wide. */
static void a_crowded_row_is_to_scale(void)
{
	struct sf_area area = { 0, 300 };
	struct sf_row row;
	const struct sf_step *last;

	begin();
	for (size_t i = 0; i < 300; i++)
		put(i % 30 == 0 ? i * 10000 + 5000 : i * 10000, 1, "rw-p", "");
	explain(1);
	CHECK_EQ(sf_layout_row(&row, &all, &area, 910, 1), 0);
	last = &row.steps[row.nr - 1];
	CHECK(row.bytes_per_x > 0);
	CHECK(last->x + last->width > 909.9 && last->x + last->width < 910.1);
	for (size_t i = 0; i < row.nr; i++)
		CHECK(row.steps[i].width > 0);
	sf_layout_free(&row);
}

static void nothing_is_no_crash(void)
{
	begin();
	fputs("Rss: 1 kB\n\n-\nabc", maps);
	explain(1);
	CHECK_EQ(nr_of(SF_KIND_SUREFREE), 0);
}

static const struct test tests[] = {
	{ "lines are taken apart", lines_are_taken_apart },
	{ "kinds are known by name", kinds_are_known_by_name },
	{ "stacks are of threads when there are as many",
	  stacks_are_of_threads_when_there_are_as_many },
	{ "stacks are of fibers when threads are fewer",
	  stacks_are_of_fibers_when_threads_are_fewer },
	{ "a single guarded piece is no stack",
	  a_single_guarded_piece_is_no_stack },
	{ "pieces of a reservation are a pattern",
	  pieces_of_a_reservation_are_a_pattern },
	{ "arenas of glibc are no pattern", arenas_of_glibc_are_no_pattern },
	{ "holes between blocks are counted",
	  holes_between_blocks_are_counted },
	{ "protection that alternates is a cause",
	  protection_that_alternates_is_a_cause },
	{ "guards and libraries are not said twice",
	  guards_and_libraries_are_not_said_twice },
	{ "every cause has an advice", every_cause_has_an_advice },
	{ "what differs first is named", what_differs_first_is_named },
	{ "flags of smaps are named", flags_of_smaps_are_named },
	{ "regions are known when surefree is there",
	  regions_are_known_when_surefree_is_there },
	{ "the same without it is memory like any",
	  the_same_without_it_is_memory_like_any },
	{ "the worst case counts every second range",
	  the_worst_case_counts_every_second_range },
	{ "many views are a cause", many_views_are_a_cause },
	{ "sizes add up", sizes_add_up },
	{ "rows hold everything", rows_hold_everything },
	{ "a crowded row is to scale", a_crowded_row_is_to_scale },
	{ "nothing is no crash", nothing_is_no_crash },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
